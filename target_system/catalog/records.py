"""The catalog's table and what is done with it: pages, single records, changes under a version, the read cache."""

import secrets
import time
from collections.abc import Callable

import sqlalchemy as sa

from target_system.catalog.models import Draft, Record, RecordPage, write_cursor
from target_system.kit.problems import Problem
from target_system.kit.store import Store

__all__ = ["Records", "metadata"]

metadata = sa.MetaData()
_records = sa.Table(
    "records",
    metadata,
    sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("artist", sa.String(200), nullable=False),
    sa.Column("price", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("format", sa.String(8), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
)
_FIELDS = tuple(column for column in _records.c if column.name != "position")

_SEED = {
    "rec-1": Draft(title="Blue Train", artist="John Coltrane", price=2499, currency="EUR", format="lp"),
    "rec-2": Draft(title="Kind of Blue", artist="Miles Davis", price=2799, currency="EUR", format="lp"),
    "rec-3": Draft(title="Pastel Blues", artist="Nina Simone", price=1899, currency="EUR", format="cd"),
    "rec-4": Draft(title="So What", artist="Miles Davis", price=899, currency="EUR", format="single"),
    "rec-5": Draft(title="Head Hunters", artist="Herbie Hancock", price=3299, currency="EUR", format="lp"),
}


class Records:
    """The records on sale, read through a cache.

    Args:
        store: Holds the table.
        ttl: Seconds an answer may come from the cache; other processes' changes are seen after that time.
        clock: Monotonic time in seconds.
    """

    def __init__(self, store: Store, ttl: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._cache = _TtlCache(ttl, clock)

    async def seed(self) -> None:
        """Put the first records into an empty catalog."""
        async with self._store.write() as db:
            if await db.scalar(sa.select(sa.func.count()).select_from(_records)):
                return
            await db.execute(
                sa.insert(_records), [{"id": key, "version": 1, **draft.model_dump()} for key, draft in _SEED.items()]
            )

    async def find(self, record_id: str) -> Record | None:
        """Return a record, from the cache when it was read lately."""
        cached, epoch = self._cache.get(record_id), self._cache.epoch
        if isinstance(cached, Record):
            return cached
        async with self._store.read() as db:
            row = (await db.execute(sa.select(*_FIELDS).where(_records.c.id == record_id))).mappings().first()
        if row is None:
            return None
        record = Record.model_validate(dict(row))
        self._cache.put(record_id, record, epoch)
        return record

    async def page(self, after: int, limit: int) -> RecordPage:
        """Return up to `limit` records behind the position `after`, oldest first."""
        key = f"page {after} {limit}"
        cached, epoch = self._cache.get(key), self._cache.epoch
        if isinstance(cached, RecordPage):
            return cached
        query = sa.select(_records).where(_records.c.position > after).order_by(_records.c.position).limit(limit + 1)
        async with self._store.read() as db:
            rows = (await db.execute(query)).mappings().all()
        page = RecordPage(
            items=[Record.model_validate({c.name: row[c.name] for c in _FIELDS}) for row in rows[:limit]],
            next_cursor=write_cursor(rows[limit - 1]["position"]) if len(rows) > limit else None,
        )
        self._cache.put(key, page, epoch)
        return page

    async def add(self, draft: Draft) -> Record:
        """Put a new record on sale."""
        record = Record(id=f"rec-{secrets.token_hex(8)}", version=1, **draft.model_dump())
        async with self._store.write() as db:
            await db.execute(sa.insert(_records).values(**record.model_dump()))
        self._cache.clear()
        return record

    async def replace(self, record_id: str, draft: Draft, versions: frozenset[int] | None) -> Record | None:
        """Describe a record anew.

        Args:
            record_id: Which record.
            draft: What it is to say.
            versions: The change is made only when the record is at one of these; None for any.

        Returns:
            The record as it is now, or None when there is none.

        Raises:
            Problem: 412 `version-mismatch`, when it is at another version.
        """
        mine = _records.c.id == record_id
        async with self._store.write() as db:
            version = await db.scalar(sa.select(_records.c.version).where(mine).with_for_update())
            if version is None:
                return None
            if versions is not None and version not in versions:
                raise Problem(412, "version-mismatch", f"{record_id} is at version {version}.")
            record = Record(id=record_id, version=version + 1, **draft.model_dump())
            await db.execute(sa.update(_records).where(mine).values(**record.model_dump()))
        self._cache.clear()
        return record

    async def put(self, record: Record) -> None:
        """Make a record exist exactly as given, for provider states."""
        async with self._store.write() as db:
            await db.execute(sa.delete(_records).where(_records.c.id == record.id))
            await db.execute(sa.insert(_records).values(**record.model_dump()))
        self._cache.clear()

    async def remove(self, record_id: str | None = None) -> None:
        """Make one record, or all, not exist, for provider states."""
        query = sa.delete(_records)
        async with self._store.write() as db:
            await db.execute(query if record_id is None else query.where(_records.c.id == record_id))
        self._cache.clear()


class _TtlCache:
    """Answers kept for a while, all forgotten at any change: the catalog is read far more often than it is changed."""

    def __init__(self, ttl: float, clock: Callable[[], float], max_entries: int = 1000) -> None:
        self.epoch = 0
        self._ttl = ttl
        self._clock = clock
        self._max_entries = max_entries
        self._entries: dict[str, tuple[float, object]] = {}

    def get(self, key: str) -> object | None:
        stored_at, value = self._entries.get(key, (float("-inf"), None))
        return value if self._clock() - stored_at < self._ttl else None

    def put(self, key: str, value: object, epoch: int) -> None:
        """Keep what was read in `epoch`, unless a change came between: it would be stale for a whole TTL."""
        if epoch != self.epoch:
            return
        if len(self._entries) >= self._max_entries:
            self._entries.clear()
        self._entries[key] = (self._clock(), value)

    def clear(self) -> None:
        self.epoch += 1
        self._entries.clear()
