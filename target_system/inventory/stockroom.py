"""The rules of stock: nothing is promised twice, and every change can be asked for again. HTTP is in app.py.

The id of a reservation is also its inbox key: its row is the memory of having heard of it. So a repeated reserve,
commit or release changes nothing, and a release that overtakes its reserve leaves a tombstone that refuses it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from target_system.kit.problems import Problem
from target_system.kit.store import Store

__all__ = ["Held", "Shelf", "Status", "Stockroom", "metadata"]

metadata = sa.MetaData()
_stock = sa.Table(
    "stock",
    metadata,
    sa.Column("record_id", sa.String(64), primary_key=True),
    sa.Column("on_hand", sa.BigInteger, nullable=False),
    sa.Column("reserved", sa.BigInteger, nullable=False),
)
_reservations = sa.Table(
    "reservations",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("status", sa.String(16), nullable=False),
)
_lines = sa.Table(
    "reservation_lines",
    metadata,
    sa.Column("reservation_id", sa.ForeignKey(_reservations.c.id, ondelete="CASCADE"), primary_key=True),
    sa.Column("record_id", sa.String(64), primary_key=True),
    sa.Column("quantity", sa.Integer, nullable=False),
)

_SEED = {"rec-1": 1_000_000, "rec-2": 1_000_000, "rec-3": 1_000_000, "rec-4": 1_000_000, "rec-5": 0}

_T = TypeVar("_T")


class Status(StrEnum):
    """Held: put aside; committed: gone out of the house; released: given back, or never to be had."""

    HELD = "held"
    COMMITTED = "committed"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Shelf:
    """The pieces of one record: how many there are, and how many of them are promised."""

    record_id: str
    on_hand: int
    reserved: int


@dataclass(frozen=True, slots=True)
class Held:
    """A reservation; its lines say how many of each record."""

    id: str
    status: Status
    lines: Mapping[str, int]


class Stockroom:
    """Stock and reservations of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def seed(self) -> None:
        """Fill the shelves of an empty stockroom."""
        async with self._store.write() as db:
            if not await db.scalar(sa.select(sa.func.count()).select_from(_stock)):
                rows = [{"record_id": key, "on_hand": count, "reserved": 0} for key, count in _SEED.items()]
                await db.execute(sa.insert(_stock), rows)

    async def shelf(self, record_id: str) -> Shelf | None:
        """Return what is there of a record, or None when it was never counted."""
        async with self._store.read() as db:
            return await _shelf(db, record_id, lock=False)

    async def count(self, record_id: str, on_hand: int) -> Shelf:
        """Note how many pieces somebody counted.

        Raises:
            Problem: 409 `below-reserved`, when more than that are promised.
        """

        async def once() -> Shelf:
            async with self._store.write() as db:
                shelf = await _shelf(db, record_id)
                if shelf is None:
                    await db.execute(sa.insert(_stock).values(record_id=record_id, on_hand=on_hand, reserved=0))
                    return Shelf(record_id, on_hand, 0)
                if on_hand < shelf.reserved:
                    raise Problem(409, "below-reserved", f"{shelf.reserved} pieces of {record_id} are reserved.")
                await db.execute(sa.update(_stock).where(_stock.c.record_id == record_id).values(on_hand=on_hand))
                return Shelf(record_id, on_hand, shelf.reserved)

        return await _again_after_race(once)

    async def reservation(self, reservation_id: str) -> Held | None:
        """Return a reservation, or None when it was never heard of."""
        async with self._store.read() as db:
            return await _reservation(db, reservation_id, lock=False)

    async def reserve(self, reservation_id: str, lines: Mapping[str, int]) -> tuple[Held, bool]:
        """Put pieces aside, all lines or none.

        Returns:
            The reservation, and whether it is new.

        Raises:
            Problem: 409 `out-of-stock`, when there is not enough of some record: nothing was put aside;
                409 `reservation-conflict`, when the id stands for other lines; 409 `reservation-released`.
        """

        async def once() -> tuple[Held, bool]:
            async with self._store.write() as db:
                found = await _reservation(db, reservation_id)
                if found is not None:
                    return _same(found, lines), False
                await _write_down(db, reservation_id, Status.HELD, lines)
                for record_id, quantity in sorted(lines.items()):  # sorted: two reservations never lock crosswise
                    await _take(db, record_id, quantity)
                return Held(reservation_id, Status.HELD, dict(lines)), True

        return await _again_after_race(once)

    async def commit(self, reservation_id: str) -> Held | None:
        """Let reserved pieces leave the house; None when the reservation was never heard of.

        Raises:
            Problem: 409 `reservation-released`, when it was given back.
        """
        async with self._store.write() as db:
            found = await _reservation(db, reservation_id)
            if found is None or found.status is Status.COMMITTED:
                return found
            if found.status is Status.RELEASED:
                raise _released(reservation_id)
            await _move(db, found, Status.COMMITTED, on_hand=-1, reserved=-1)
            return Held(reservation_id, Status.COMMITTED, found.lines)

    async def release(self, reservation_id: str) -> None:
        """Give reserved pieces back, also those that left the house; remember an id never heard of as released."""

        async def once() -> None:
            async with self._store.write() as db:
                found = await _reservation(db, reservation_id)
                if found is None:
                    await _write_down(db, reservation_id, Status.RELEASED, {})
                elif found.status is Status.HELD:
                    await _move(db, found, Status.RELEASED, on_hand=0, reserved=-1)
                elif found.status is Status.COMMITTED:
                    await _move(db, found, Status.RELEASED, on_hand=+1, reserved=0)

        await _again_after_race(once)

    async def reset_shelf(self, record_id: str, on_hand: int) -> None:
        """Make exactly so many pieces available and forget who reserved any, for provider states."""
        holders = sa.select(_lines.c.reservation_id).where(_lines.c.record_id == record_id)
        async with self._store.write() as db:
            await db.execute(sa.delete(_reservations).where(_reservations.c.id.in_(holders)))
            await db.execute(sa.delete(_stock).where(_stock.c.record_id == record_id))
            await db.execute(sa.insert(_stock).values(record_id=record_id, on_hand=on_hand, reserved=0))

    async def forget(self, reservation_id: str) -> None:
        """Make a reservation never have been, its pieces given back, for provider states."""
        await self.release(reservation_id)
        async with self._store.write() as db:
            await db.execute(sa.delete(_reservations).where(_reservations.c.id == reservation_id))

    async def forget_shelf(self, record_id: str) -> None:
        """Make a record never have been counted, for provider states."""
        async with self._store.write() as db:
            await db.execute(sa.delete(_stock).where(_stock.c.record_id == record_id))


async def _again_after_race(once: Callable[[], Awaitable[_T]]) -> _T:
    """Run a transaction once more when another one inserted the same key first: now it finds that row."""
    try:
        return await once()
    except IntegrityError:
        return await once()


async def _shelf(db: AsyncConnection, record_id: str, *, lock: bool = True) -> Shelf | None:
    query = sa.select(_stock).where(_stock.c.record_id == record_id)
    row = (await db.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else Shelf(row.record_id, row.on_hand, row.reserved)


async def _reservation(db: AsyncConnection, reservation_id: str, *, lock: bool = True) -> Held | None:
    query = sa.select(_reservations.c.status).where(_reservations.c.id == reservation_id)
    status = await db.scalar(query.with_for_update() if lock else query)
    if status is None:
        return None
    rows = await db.execute(
        sa.select(_lines.c.record_id, _lines.c.quantity).where(_lines.c.reservation_id == reservation_id)
    )
    return Held(reservation_id, Status(status), {row.record_id: row.quantity for row in rows})


def _released(reservation_id: str) -> Problem:
    return Problem(409, "reservation-released", f"Reservation {reservation_id} was released.")


def _same(found: Held, lines: Mapping[str, int]) -> Held:
    if found.status is Status.RELEASED:
        raise _released(found.id)
    if found.lines != lines:
        raise Problem(409, "reservation-conflict", f"Reservation {found.id} stands for other lines.")
    return found


async def _write_down(db: AsyncConnection, reservation_id: str, status: Status, lines: Mapping[str, int]) -> None:
    await db.execute(sa.insert(_reservations).values(id=reservation_id, status=status.value))
    if lines:
        rows = [{"reservation_id": reservation_id, "record_id": key, "quantity": n} for key, n in lines.items()]
        await db.execute(sa.insert(_lines), rows)


async def _take(db: AsyncConnection, record_id: str, quantity: int) -> None:
    enough = _stock.c.on_hand - _stock.c.reserved >= quantity
    taken = await db.execute(
        sa.update(_stock).where(_stock.c.record_id == record_id, enough).values(reserved=_stock.c.reserved + quantity)
    )
    if taken.rowcount != 1:
        raise Problem(409, "out-of-stock", f"There is not enough of {record_id}.")


async def _move(db: AsyncConnection, held: Held, status: Status, *, on_hand: int, reserved: int) -> None:
    for record_id, quantity in sorted(held.lines.items()):
        await db.execute(
            sa.update(_stock)
            .where(_stock.c.record_id == record_id)
            .values(
                on_hand=_stock.c.on_hand + on_hand * quantity,
                reserved=_stock.c.reserved + reserved * quantity,
            )
        )
    await db.execute(sa.update(_reservations).where(_reservations.c.id == held.id).values(status=status.value))
