"""What was sent, what was heard, what could not be read: the tables of notifications and the rules between them."""

import json
import secrets
from datetime import UTC, datetime
from typing import Annotated

import sqlalchemy as sa
from prometheus_client import Counter
from pydantic import Field, JsonValue
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from target_system.kit.models import Identifier, Reply
from target_system.kit.store import Store
from target_system.kit.tracing import current_trace
from target_system.notifications.events import CloudEvent, Customer, Kind, Notice, PoisonMessage, notice_of

__all__ = ["DeadLetter", "Mailbox", "Message", "metadata"]

metadata = sa.MetaData()
_position = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("source", sa.String(512), primary_key=True),
    sa.Column("id", sa.String(512), primary_key=True),
    sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
)
_messages = sa.Table(
    "messages",
    metadata,
    sa.Column("position", _position, primary_key=True),
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("order_id", sa.String(64), nullable=False, index=True),
    sa.Column("customer", sa.String(64)),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
)
_dead_letters = sa.Table(
    "dead_letters",
    metadata,
    sa.Column("position", _position, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
)

# A confirmation is old news once one of these was told; events of different services arrive in any order.
_LATER_THAN_CONFIRMED = (Kind.CANCELLED, Kind.REJECTED, Kind.REFUNDED)
_LATEST = 100

_SENT = Counter("notifications_sent", "Messages sent to customers, without synthetic ones.", ["kind"])


class Message(Reply):
    """A message to a customer; who that is, is not known when only the payment was heard of."""

    id: Identifier
    order_id: Identifier
    customer: Customer | None
    kind: Kind
    text: str
    created_at: datetime


class DeadLetter(Reply):
    """An event that could not be read, kept for a human."""

    id: Annotated[int, Field(ge=1)]
    reason: str
    event: dict[str, JsonValue]


class Mailbox:
    """Turns each event into at most one message, however often and in whatever order events come."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def receive(self, event: CloudEvent) -> None:
        """Take in an event: tell the customer, or put it to the dead letters, or let it pass."""
        try:
            async with self._store.write() as db:
                mark = {"source": event.source, "id": event.id, "received_at": datetime.now(UTC)}
                await db.execute(sa.insert(_inbox).values(mark))
                sent = await _act_on(db, event)
        except IntegrityError:  # the key of the inbox: the event was heard before
            return
        if sent is not None and not current_trace().synthetic:
            _SENT.labels(sent.value).inc()

    async def messages(self, order_id: str | None) -> list[Message]:
        """Return the latest messages, all or about one order, oldest first."""
        query = sa.select(_messages).order_by(_messages.c.position.desc()).limit(_LATEST)
        if order_id is not None:
            query = query.where(_messages.c.order_id == order_id)
        async with self._store.read() as db:
            rows = (await db.execute(query)).all()
        return [
            Message(
                id=row.id,
                order_id=row.order_id,
                customer=row.customer,
                kind=Kind(row.kind),
                text=row.text,
                created_at=row.created_at.replace(tzinfo=row.created_at.tzinfo or UTC),  # SQLite forgets the zone
            )
            for row in reversed(rows)
        ]

    async def dead_letters(self) -> list[DeadLetter]:
        """Return the latest events that could not be read, oldest first."""
        query = sa.select(_dead_letters).order_by(_dead_letters.c.position.desc()).limit(_LATEST)
        async with self._store.read() as db:
            rows = (await db.execute(query)).all()
        return [DeadLetter(id=row.position, reason=row.reason, event=json.loads(row.event)) for row in reversed(rows)]

    async def forget(self, order_id: str) -> None:
        """Make nothing ever have been said about an order, for provider states."""
        async with self._store.write() as db:
            await db.execute(sa.delete(_messages).where(_messages.c.order_id == order_id))

    async def forget_dead_letters(self) -> None:
        """Empty the dead letters, for provider states."""
        async with self._store.write() as db:
            await db.execute(sa.delete(_dead_letters))


async def _act_on(db: AsyncConnection, event: CloudEvent) -> Kind | None:
    """Do what the event asks for, and return the kind of message that was sent."""
    try:
        notice = notice_of(event)
    except PoisonMessage as error:
        letter = {"reason": str(error), "event": json.dumps(event.model_dump(mode="json"))}
        await db.execute(sa.insert(_dead_letters).values(letter))
        return None
    if notice is None or await _is_old_news(db, notice):
        return None
    message = {
        "id": f"msg-{secrets.token_hex(8)}",
        "order_id": notice.order_id,
        "customer": notice.customer,
        "kind": notice.kind.value,
        "text": notice.text,
        "created_at": datetime.now(UTC),
    }
    await db.execute(sa.insert(_messages).values(message))
    return notice.kind


async def _is_old_news(db: AsyncConnection, notice: Notice) -> bool:
    if notice.kind is not Kind.CONFIRMED:
        return False
    later = sa.select(_messages.c.id).where(
        _messages.c.order_id == notice.order_id, _messages.c.kind.in_([kind.value for kind in _LATER_THAN_CONFIRMED])
    )
    return (await db.execute(later.limit(1))).first() is not None
