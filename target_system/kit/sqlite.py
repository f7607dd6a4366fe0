"""How the kit talks to SQLite: in the event loop's own thread. What is asked of it is in `store.py`.

aiosqlite sends every call to a thread of the connection. An order takes some sixty of them, at 0.1 ms and more for the
way there and back, around statements of 0.02 ms in a file nobody else uses: the way was most of a service's work. And a
connection whose call was cancelled waited for ever. So statements run right here, and only waiting for another
process's lock is waited for asynchronously.
"""

import sqlite3
from collections.abc import Callable, Generator
from typing import Any, ParamSpec, TypeVar

import aiosqlite
import anyio

__all__ = ["begin", "connect"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
# Opening may wait for another process in place; from then on nothing waits in place for more than a moment.
_PRAGMAS = ("busy_timeout=5000", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=10")
_LOCK_LIMIT = 5.0  # seconds to wait for another process's transaction
_LOCK_LOOK = 0.002  # seconds between looks


class _InLoop(aiosqlite.Connection):
    """A connection without its thread. Overrides private methods of aiosqlite 0.22, which is pinned."""

    def __await__(self) -> Generator[Any, None, "_InLoop"]:
        self._connection = self._connector()
        return self
        yield

    async def _execute(self, fn: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        return fn(*args, **kwargs)

    def stop(self) -> None:
        """Close the connection, if it is still open."""
        self._running = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None


async def connect(database: str) -> aiosqlite.Connection:
    """Open `database` (a file's path) the way the kit needs it."""

    def connector() -> sqlite3.Connection:
        connection = sqlite3.connect(database, isolation_level=None)  # transactions begin when the store says so
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    return await _InLoop(connector, iter_chunk_size=64)


async def begin(connection: aiosqlite.Connection, *, write: bool) -> None:
    """Begin a transaction; one that writes takes the lock at once, waiting for whoever has it.

    Raises:
        sqlite3.OperationalError: somebody else kept the lock for five seconds.
    """
    give_up = anyio.current_time() + _LOCK_LIMIT
    while True:
        try:
            await connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or anyio.current_time() > give_up:
                raise
            await anyio.sleep(_LOCK_LOOK)
        else:
            return
