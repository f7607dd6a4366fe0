"""The order book: orders, the log of their sagas, the events about them. Every change is one transaction; no calls.

Every change of the way an order goes is conditional on the way it had, so that two workers on one order (after a lease
ran out, or around a restart) cannot contradict each other.
"""

import json
import time
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import Counter
from pydantic import TypeAdapter
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from target_system.kit.idempotency import Answer
from target_system.kit.store import Store
from target_system.kit.tracing import Trace, current_trace
from target_system.orders.models import Order, OrderCancelled, OrderConfirmed, OrderLine, OrderRejected
from target_system.orders.tables import Entry, Step, Way, keys, note, orders, outbox, saga_log

__all__ = ["InFlight", "OrderBook", "OutOfOurHands"]

# Longer than a request may last (see desk.py): whoever finds an order with an older lease may take it over.
LEASE = 3.0
ORDERS = Counter("orders", "Orders by outcome, synthetic ones left out.", ["status"])
_LINES = TypeAdapter(list[OrderLine])


class OutOfOurHands(Exception):  # noqa: N818 - control flow between workers, not a failure
    """Somebody else has decided about this order meanwhile."""


@dataclass(slots=True)
class InFlight:
    """An order somebody is working on, with its log."""

    order: Order
    card_token: str
    way: Way
    trace: Trace
    log: set[tuple[Step, Entry]] = field(default_factory=set)
    in_doubt: frozenset[Step] = frozenset()
    """Steps an earlier worker began without writing down how they ended."""

    @property
    def quantities(self) -> dict[str, int]:
        """How many of each record."""
        return {line.record_id: line.quantity for line in self.order.lines}

    def is_done(self, step: Step) -> bool:
        """Say whether the step has happened."""
        return (step, Entry.DONE) in self.log

    def was_begun(self, step: Step) -> bool:
        """Say whether the step may have happened before."""
        return (step, Entry.BEGUN) in self.log

    def needs_undoing(self, step: Step) -> bool:
        """Say whether the step may have left something behind."""
        return self.was_begun(step) and not {(step, Entry.REFUSED), (step, Entry.UNDONE)} & self.log


class OrderBook:
    """All orders, behind transactions that each leave them in a state the saga can go on from."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def answered(self, customer: str, key: str, request: str) -> Order | None:
        """Return the order that `key` stands for, as first answered or as it is now; None when the key is new.

        Raises:
            Problem: 409 `idempotency-key-reused`.
        """
        async with self._store.read() as connection:
            claim = await keys.find(connection, customer, key, request)
            if claim is None:
                return None
            if claim.answer:
                return Order.model_validate_json(claim.answer.body)
            row = (await connection.execute(select(orders).where(orders.c.id == claim.resource_id))).one()
            return _order(row)

    async def open(self, key: str, request: str, order: Order, card_token: str) -> InFlight | None:
        """Write a new order down, going forward, its first step begun; None when the key was claimed meanwhile."""
        trace = current_trace()
        async with self._store.write() as connection:
            claim = await keys.claim(connection, order.customer, key, request, order.id)
            if not claim.fresh:
                return None
            values = _columns(order) | {
                "card_token": card_token,
                "way": Way.FORWARD,
                "lease_until": time.time() + LEASE,
                "traceparent": trace.traceparent,
                "baggage": trace.baggage,
            }
            await connection.execute(orders.insert().values(values))
            await note(connection, order.id, (Step.RESERVE, Entry.BEGUN))
        return InFlight(order, card_token, Way.FORWARD, trace, {(Step.RESERVE, Entry.BEGUN)})

    async def advance(self, work: InFlight, done: Step, begun: Step, charge_id: str | None = None) -> None:
        """Note that a step is done and, in the same breath, that the next begins.

        Raises:
            OutOfOurHands: the order no longer goes forward.
        """
        async with self._store.write() as connection:
            values = {"charge_id": charge_id} if charge_id else {}
            await _turn(connection, work, Way.FORWARD, lease_until=time.time() + LEASE, **values)
            entries = ((done, Entry.DONE), (begun, Entry.BEGUN))
            await note(connection, work.order.id, *entries)
        work.log.update(entries)
        if charge_id:
            work.order = work.order.model_copy(update={"charge_id": charge_id})

    async def confirm(self, work: InFlight) -> None:
        """End the saga well: the order is confirmed, the event written, the key's answer kept."""
        order = work.order.model_copy(update={"status": "confirmed"})
        data = OrderConfirmed.model_validate(_told(order) | {"lines": order.lines})
        async with self._store.write() as connection:
            await _turn(connection, work, Way.FORWARD, way=Way.DONE, status="confirmed", card_token="")
            await note(connection, order.id, (Step.COMMIT, Entry.DONE))
            await outbox.publish(connection, "shop.order.confirmed", order.id, data)
            await keys.settle(connection, order.id, Answer(201, order.model_dump_json()))
        _decided(work, order, Way.DONE)

    async def reject(self, work: InFlight, reason: str, *, refused: Step | None, try_again: bool) -> None:
        """Decide that the order comes to nothing and turn its saga round.

        Args:
            work: the order.
            reason: why, as the slug of a problem.
            refused: the step that certainly had no effect, if any.
            try_again: whether the same idempotency key may be used for another try.
        """
        order = work.order.model_copy(update={"status": "rejected", "reason": reason})
        data = OrderRejected(order_id=order.id, customer=order.customer, reason=reason)
        async with self._store.write() as connection:
            await _turn(connection, work, Way.FORWARD, way=Way.BACKWARD, status="rejected", reason=reason)
            if refused:
                await note(connection, order.id, (refused, Entry.REFUSED))
                work.log.add((refused, Entry.REFUSED))
            await outbox.publish(connection, "shop.order.rejected", order.id, data)
            if try_again:
                await keys.forget(connection, order.id)
            else:
                await keys.settle(connection, order.id, Answer(409, order.model_dump_json()))
        _decided(work, order, Way.BACKWARD)

    async def cancel(self, work: InFlight) -> None:
        """Turn a confirmed order's saga round because the customer wants so."""
        order = work.order.model_copy(update={"status": "cancelled", "reason": "cancelled"})
        data = OrderCancelled.model_validate(_told(order))
        lease = time.time() + LEASE
        async with self._store.write() as connection:
            await _turn(
                connection, work, Way.DONE, way=Way.BACKWARD, status="cancelled", reason="cancelled", lease_until=lease
            )
            await outbox.publish(connection, "shop.order.cancelled", order.id, data)
        _decided(work, order, Way.BACKWARD)

    async def undone(self, work: InFlight, step: Step) -> None:
        """Note that nothing is left of a step."""
        async with self._store.write() as connection:
            await note(connection, work.order.id, (step, Entry.UNDONE))
        work.log.add((step, Entry.UNDONE))

    async def close(self, work: InFlight) -> None:
        """Note that everything is undone; the card token is no longer needed."""
        async with self._store.write() as connection:
            await _turn(connection, work, Way.BACKWARD, way=Way.DONE, card_token="")
        work.way = Way.DONE

    async def find(self, order_id: str) -> InFlight | None:
        """Return an order with its log."""
        async with self._store.read() as connection:
            row = (await connection.execute(select(orders).where(orders.c.id == order_id))).one_or_none()
            return await _in_flight(connection, row) if row else None

    async def of_customer(self, customer: str, limit: int) -> list[Order]:
        """Return a customer's newest orders."""
        query = select(orders).where(orders.c.customer == customer).order_by(orders.c.created_at.desc()).limit(limit)
        async with self._store.read() as connection:
            return [_order(row) for row in await connection.execute(query)]

    async def take_abandoned(self, most: int) -> list[InFlight]:
        """Take over orders under way whose worker is gone (its lease ran out), oldest first."""
        now = time.time()
        abandoned = orders.c.way.in_((Way.FORWARD, Way.BACKWARD)) & (orders.c.lease_until < now)
        async with self._store.read() as connection:  # most of the time there is none: no need for the write lock
            if (await connection.execute(select(orders.c.id).where(abandoned).limit(1))).first() is None:
                return []
        query = select(orders).where(abandoned).order_by(orders.c.lease_until).limit(most)
        async with self._store.write() as connection:
            rows = (await connection.execute(query.with_for_update(skip_locked=True))).all()
            taken = orders.update().where(orders.c.id.in_([row.id for row in rows]))
            await connection.execute(taken.values(lease_until=now + LEASE))
            return [await _in_flight(connection, row) for row in rows]

    async def put(self, order: Order, way: Way = Way.DONE) -> InFlight:
        """Write an order as it is, in place of one with its id (provider states)."""
        trace = current_trace()
        values = _columns(order) | {
            "card_token": "",
            "way": way,
            "lease_until": time.time() + LEASE,
            "traceparent": trace.traceparent,
            "baggage": "",
        }
        async with self._store.write() as connection:
            await connection.execute(saga_log.delete().where(saga_log.c.order_id == order.id))
            await connection.execute(orders.delete().where(orders.c.id == order.id))
            await connection.execute(orders.insert().values(values))
        return InFlight(order, "", way, trace)


async def _turn(connection: AsyncConnection, work: InFlight, here: Way, **values: object) -> None:
    update = orders.update().where((orders.c.id == work.order.id) & (orders.c.way == here)).values(values)
    if (await connection.execute(update)).rowcount != 1:
        raise OutOfOurHands(work.order.id)


async def _in_flight(connection: AsyncConnection, row: Row[Any]) -> InFlight:
    entries = await connection.execute(
        select(saga_log.c.step, saga_log.c.entry).where(saga_log.c.order_id == row.id).order_by(saga_log.c.position)
    )
    log = {(Step(step), Entry(entry)) for step, entry in entries}
    ended = {step for step, entry in log if entry is not Entry.BEGUN}
    in_doubt = frozenset(step for step, _ in log if step not in ended)
    return InFlight(
        _order(row), row.card_token, Way(row.way), Trace.joining(row.traceparent, row.baggage), log, in_doubt
    )


def _order(row: Row[Any]) -> Order:
    columns = row._asdict()
    return Order.model_validate({name: columns[name] for name in Order.model_fields} | {"lines": json.loads(row.lines)})


def _columns(order: Order) -> dict[str, object]:
    return order.model_dump(exclude={"lines"}) | {"lines": _LINES.dump_json(order.lines).decode()}


def _told(order: Order) -> dict[str, object]:
    return {"order_id": order.id, **order.model_dump(include={"customer", "total", "currency"})}


def _decided(work: InFlight, order: Order, way: Way) -> None:
    work.order, work.way = order, way
    if not work.trace.synthetic:
        ORDERS.labels(order.status).inc()
