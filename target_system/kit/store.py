"""A service's own database: engine, transactions, schema. Tables and queries belong to the services."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import anyio
from sqlalchemy import DateTime, Dialect, MetaData, TypeDecorator, event, func, literal, select
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from target_system.kit import sqlite
from target_system.kit.problems import Problem

__all__ = ["Instant", "Store", "StoreUnavailable"]

_LIMIT = 10.0  # seconds for one transaction
# What drivers raise when the database is not there, does not let anybody in, or keeps them waiting for too long.
_GONE = (OperationalError, InterfaceError, PoolTimeoutError, sqlite3.OperationalError, OSError)


class Instant(TypeDecorator[datetime]):
    """A moment in UTC; SQLite forgets time zones, so it is given back what it meant."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - theirs
        """Return the moment with its time zone."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class StoreUnavailable(Problem):
    """The database cannot be used now; what was asked for has not happened, and may be asked for again."""

    def __init__(self) -> None:
        super().__init__(503, "store-unavailable", "The store does not answer.", {"Retry-After": "1"})


class Store:
    """The tables of one service behind one SQLAlchemy URL; an async context manager that creates what is missing.

    On SQLite a write transaction takes the write lock before it reads (BEGIN IMMEDIATE), so what it read is still true
    when it writes. On other databases rows to be changed are selected with `with_for_update()`, which SQLite ignores.

    Transactions raise StoreUnavailable where the database is not there.
    """

    def __init__(self, url: str, metadata: MetaData) -> None:
        parsed = make_url(url)
        self._metadata = metadata
        self._file = Path(parsed.database) if parsed.database and parsed.database != ":memory:" else None
        self._sqlite = parsed.get_backend_name() == "sqlite"
        if self._sqlite:
            path = parsed.database or ":memory:"
            # Every transaction is ended below; a further rollback when a connection goes back to the pool is a waste.
            options: dict[str, Any] = {"async_creator": lambda: sqlite.connect(path), "pool_reset_on_return": None}
        else:
            options = {"pool_pre_ping": True}
        self._engine = create_async_engine(parsed, **options)
        # Writers of this process queue here in order, instead of polling SQLite's lock with growing sleeps.
        self._turn: AbstractAsyncContextManager[Any] = anyio.Lock() if self._sqlite else nullcontext()
        if self._sqlite:
            event.listen(self._engine.sync_engine, "begin", _begin_sqlite)

    async def __aenter__(self) -> Self:
        if self._sqlite and self._file:
            await anyio.Path(self._file.parent).mkdir(parents=True, exist_ok=True)
        async with self.write() as connection:
            await connection.run_sync(self._metadata.create_all)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that only reads: one consistent view of the data."""
        with _available(), _uninterrupted():
            async with self._engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that may write; it commits when the block ends without an exception."""
        with _available(), _uninterrupted():
            async with self._turn, self._engine.connect() as connection:
                await connection.execution_options(shop_write=True)
                async with connection.begin():
                    yield connection

    async def counts(self, table: str, column: str) -> dict[str, int]:
        """Return how many rows of a table there are of each value of a column; both must be known to exist."""
        by = self._metadata.tables[table].c[column]
        async with self.read() as connection:
            rows = await connection.execute(select(by, func.count()).group_by(by))
            return {str(value): number for value, number in rows}

    def has(self, table: str, column: str) -> bool:
        """Say whether there is such a column."""
        return table in self._metadata.tables and column in self._metadata.tables[table].c

    async def ready(self, within: float = 1.0) -> bool:
        """Say whether the database answers `within` so many seconds: with what is in it, not only with a 1.

        SQLite says SELECT 1 without looking into its file.
        """
        tables = self._metadata.sorted_tables
        question = select(literal(1)).select_from(tables[0]).limit(1) if tables else select(literal(1))
        try:
            with anyio.fail_after(within):
                async with self._engine.connect() as connection:
                    await connection.execute(question)
        except Exception:  # whatever the driver raises, the answer is the same: not ready
            return False
        return True


@contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except _GONE as error:
        raise StoreUnavailable from error


def _uninterrupted() -> AbstractContextManager[anyio.CancelScope]:
    # A transaction takes milliseconds; nobody's deadline, nor the end of the service, cuts it off in the middle. Only
    # its own, generous limit ends it.
    return anyio.fail_after(_LIMIT, shield=True)


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("shop_write", False)
    driver: Any = connection.connection.dbapi_connection
    driver.run_async(lambda aiosqlite_connection: sqlite.begin(aiosqlite_connection, write=write))
