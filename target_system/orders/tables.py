"""The tables of orders and the words in them."""

from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from target_system.kit.idempotency import IdempotencyKeys
from target_system.kit.outbox import Outbox
from target_system.kit.store import Instant

__all__ = ["Entry", "Step", "Way", "keys", "metadata", "note", "orders", "outbox", "saga_log"]

metadata = MetaData()
keys = IdempotencyKeys(metadata)
outbox = Outbox(metadata, source="/orders")
orders = Table(
    "orders",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("customer", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", String(64)),
    Column("lines", Text, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("charge_id", String(64)),
    Column("created_at", Instant, nullable=False),
    Column("card_token", String(64), nullable=False),
    Column("way", String(16), nullable=False),
    Column("lease_until", Float, nullable=False),
    Column("traceparent", String(64), nullable=False),
    Column("baggage", Text, nullable=False),
    Index("orders_of_customer", "customer", "created_at"),
    Index("orders_in_flight", "way", "lease_until"),
)
saga_log = Table(
    "saga_log",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("order_id", String(64), nullable=False),
    Column("step", String(16), nullable=False),
    Column("entry", String(16), nullable=False),
    Column("at", Instant, nullable=False),
    UniqueConstraint("order_id", "step", "entry"),
)


class Way(StrEnum):
    """Where an order is going, beside its status: a rejected order may still have something to undo."""

    FORWARD = "forward"
    BACKWARD = "backward"
    DONE = "done"


class Step(StrEnum):
    """The steps of the saga, in order."""

    RESERVE = "reserve"
    CHARGE = "charge"
    COMMIT = "commit"


class Entry(StrEnum):
    """What the log says of a step. Begun but neither done nor refused: its effect is unknown."""

    BEGUN = "begun"
    DONE = "done"
    REFUSED = "refused"
    UNDONE = "undone"


async def note(connection: AsyncConnection, order_id: str, *entries: tuple[Step, Entry]) -> None:
    """Write entries into the saga's log."""
    now = datetime.now(UTC)
    rows = [{"order_id": order_id, "step": step, "entry": entry, "at": now} for step, entry in entries]
    await connection.execute(saga_log.insert(), rows)
