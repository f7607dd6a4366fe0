"""The transactional outbox: events written with the change they tell of, and a relay that pushes them to the sinks."""

import json
import random
import uuid
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import anyio
from pydantic import BaseModel
from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, String, Table, Text, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from target_system.kit.asyncapi import CLOUDEVENTS_JSON
from target_system.kit.client import Neighbour, NeighbourError
from target_system.kit.edge import log
from target_system.kit.policy import Policy
from target_system.kit.store import Store, StoreUnavailable
from target_system.kit.tracing import Trace, current_trace, set_trace

__all__ = ["Outbox", "relay"]

_POLICY = Policy(budget=2.0, attempts=1, failures_to_open=1_000_000)  # the relay backs off by itself
_BATCH = 100
_IDLE = 1.0  # seconds between looks at the table when nothing was published here (another replica may have)
_BACKOFF_MAX = 2.0


class Waiting(NamedTuple):
    """An event not yet delivered, as it lies in the table."""

    position: int
    aggregate: str
    event: str
    baggage: str


class Outbox:
    """The table of events of one service.

    Args:
        metadata: of the service's store.
        source: the CloudEvents source, e.g. `/orders`.
    """

    def __init__(self, metadata: MetaData, source: str) -> None:
        self.published = anyio.Event()
        self._source = source
        self.table = Table(
            "outbox",
            metadata,
            Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
            Column("aggregate", String(64), nullable=False),
            Column("event", Text, nullable=False),
            Column("baggage", Text, nullable=False),
            Column("delivered_at", DateTime(timezone=True), index=True),
        )

    async def publish(self, connection: AsyncConnection, type_: str, aggregate: str, data: BaseModel) -> None:
        """Write an event down in the transaction `connection`; it is sent when that commits.

        Args:
            connection: the write transaction of the change.
            type_: CloudEvents type.
            aggregate: id of what changed, the event's subject; order is kept per aggregate.
            data: what happened.
        """
        trace = current_trace()
        event = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": self._source,
            "type": type_,
            "subject": aggregate,
            "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "traceparent": trace.traceparent,
            **({"synthetic": True} if trace.synthetic else {}),
            "data": data.model_dump(mode="json"),
        }
        values = {"aggregate": aggregate, "event": json.dumps(event), "baggage": trace.baggage}
        await connection.execute(self.table.insert().values(values))
        self.published.set()

    async def latest(self, connection: AsyncConnection) -> str | None:
        """Return the event written last, as it is sent."""
        newest = select(self.table.c.event).order_by(self.table.c.position.desc()).limit(1)
        return (await connection.execute(newest)).scalar_one_or_none()

    async def waiting(self, connection: AsyncConnection, but_not: Collection[str]) -> Sequence[Waiting]:
        """Return undelivered events, oldest first, leaving out the aggregates `but_not`."""
        table = self.table
        undelivered = table.c.delivered_at.is_(None) & table.c.aggregate.not_in(but_not)
        columns = (table.c.position, table.c.aggregate, table.c.event, table.c.baggage)
        rows = await connection.execute(select(*columns).where(undelivered).order_by(table.c.position).limit(_BATCH))
        return [Waiting(*row) for row in rows]

    async def mark_delivered(self, connection: AsyncConnection, positions: Collection[int]) -> None:
        """Note that every sink has accepted these events."""
        update = self.table.update().where(self.table.c.position.in_(positions))
        await connection.execute(update.values(delivered_at=datetime.now(UTC)))


@asynccontextmanager
async def relay(outbox: Outbox, store: Store, sinks: Sequence[str]) -> AsyncIterator[None]:
    """Push the events of `outbox` to every one of `sinks` (URLs) while the block runs; without sinks, none."""
    async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
        neighbours = [await stack.enter_async_context(Neighbour("event-sink", url, _POLICY)) for url in sinks]
        if neighbours:
            tasks.start_soon(_Relay(outbox, store, neighbours).run)
        yield
        tasks.cancel_scope.cancel()


class _Relay:
    def __init__(self, outbox: Outbox, store: Store, sinks: Sequence[Neighbour]) -> None:
        self._outbox = outbox
        self._store = store
        self._sinks = sinks
        self._blocked: dict[str, float] = {}  # aggregate: when to try its next event again
        self._failures = 0

    async def run(self) -> None:
        """Deliver what is waiting, then wait for more, until cancelled."""
        while True:
            self._outbox.published = anyio.Event()
            try:
                more = await self._deliver_batch()
            except (StoreUnavailable, SQLAlchemyError):
                log.exception("the outbox cannot be read")
                more, self._failures = False, self._failures + 1
            if self._failures:
                await anyio.sleep(min(_BACKOFF_MAX, 0.1 * 2 ** min(self._failures, 10)) * random.uniform(0.5, 1))
            elif not more:
                with anyio.move_on_after(_IDLE):
                    await self._outbox.published.wait()

    async def _deliver_batch(self) -> bool:
        now = anyio.current_time()
        self._blocked = {aggregate: until for aggregate, until in self._blocked.items() if until > now}
        # A write transaction, because it queues behind the one that is just publishing.
        async with self._store.write() as connection:
            waiting = await self._outbox.waiting(connection, tuple(self._blocked))
        delivered: list[int] = []
        try:
            for event in waiting:
                if event.aggregate not in self._blocked and await self._deliver(event):
                    delivered.append(event.position)  # noqa: PERF401 - what was delivered must survive an exception
            self._failures = 0
        except NeighbourError as error:  # nobody there: no use in trying the next event at once
            self._failures += 1
            log.warning("event sink does not answer", detail=str(error), failures=self._failures)
        finally:
            if delivered:
                async with self._store.write() as connection:
                    await self._outbox.mark_delivered(connection, delivered)
        return len(waiting) == _BATCH

    async def _deliver(self, event: Waiting) -> bool:
        trace = Trace.joining(json.loads(event.event)["traceparent"], event.baggage)
        set_trace(trace)
        for sink in self._sinks:
            headers = {"content-type": CLOUDEVENTS_JSON}
            response = await sink.call("POST", "", content=event.event.encode(), headers=headers)
            if not response.is_success:  # later events of this aggregate must wait, others need not
                log.warning(
                    "event refused", sink=str(response.url), status=response.status_code, cloudevent=event.event
                )
                self._blocked[event.aggregate] = anyio.current_time() + _BACKOFF_MAX
                return False
        return True
