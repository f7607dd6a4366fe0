"""Stores, idempotency keys, and the outbox, on real SQLite files."""

import json
from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest
from pydantic import BaseModel
from sqlalchemy import Column, Integer, MetaData, Table, select
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from target_system.kit.idempotency import Answer, IdempotencyKeys
from target_system.kit.outbox import Outbox, relay
from target_system.kit.problems import Problem
from target_system.kit.store import Store, StoreUnavailable
from target_system.kit.tracing import Trace, set_trace


@pytest.fixture
def url(tmp_path):
    return f"sqlite+aiosqlite:///{tmp_path / 'deep' / 'store.db'}"


def test_concurrent_transactions_that_read_and_then_write_lose_nothing(url):
    metadata = MetaData()
    counter = Table("counter", metadata, Column("value", Integer, nullable=False))

    async def increment(store: Store) -> None:
        async with store.write() as connection:
            value = (await connection.execute(select(counter.c.value))).scalar_one()
            await anyio.lowlevel.checkpoint()
            await connection.execute(counter.update().values(value=value + 1))

    async def go() -> int:
        async with Store(url, metadata) as one, Store(url, metadata) as other:
            async with one.write() as connection:
                await connection.execute(counter.insert().values(value=0))
            async with anyio.create_task_group() as tasks:
                for store in (one, other) * 15:
                    tasks.start_soon(increment, store)
            async with one.read() as connection:
                return (await connection.execute(select(counter.c.value))).scalar_one()

    assert anyio.run(go) == 30


def test_a_transaction_that_fails_leaves_nothing_behind(url):
    metadata = MetaData()
    counter = Table("counter", metadata, Column("value", Integer, nullable=False))

    async def go():
        async with Store(url, metadata) as store:
            with suppress(ZeroDivisionError):
                async with store.write() as connection:
                    await connection.execute(counter.insert().values(value=1))
                    raise ZeroDivisionError
            async with store.read() as connection:
                return (await connection.execute(select(counter))).all()

    assert anyio.run(go) == []


def test_a_store_that_cannot_be_opened_is_not_ready(tmp_path):
    nowhere = f"sqlite+aiosqlite:///{tmp_path / 'missing' / 'store.db'}"

    async def go():
        ready = await Store(nowhere, MetaData()).ready()
        await anyio.sleep(0.05)  # the driver's thread still reports to this loop
        return ready

    assert anyio.run(go) is False


def test_readiness_asks_for_what_is_in_the_store(url):
    metadata = MetaData()
    counter = Table("counter", metadata, Column("value", Integer, nullable=False))

    async def go():
        async with Store(url, metadata) as store:
            before = await store.ready()
            async with store.write() as connection:
                await connection.run_sync(counter.drop)
            return before, await store.ready()

    assert anyio.run(go) == (True, False)


@pytest.mark.parametrize("open_transaction", [Store.read, Store.write])
def test_a_store_that_is_not_there_is_a_problem_to_try_again(tmp_path, open_transaction):
    nowhere = f"sqlite+aiosqlite:///{tmp_path / 'missing' / 'store.db'}"

    async def go():
        async with open_transaction(Store(nowhere, MetaData())):
            raise AssertionError

    with pytest.raises(StoreUnavailable) as caught:
        anyio.run(go)
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "1"})


def test_a_key_stands_for_one_request_its_work_and_its_first_answer(url):
    metadata = MetaData()
    keys = IdempotencyKeys(metadata)

    async def go():
        async with Store(url, metadata) as store, store.write() as connection:
            first = await keys.claim(connection, "alice", "key", "request", "work-1")
            again = await keys.claim(connection, "alice", "key", "request", "work-2")
            of_another = await keys.claim(connection, "bob", "key", "request", "work-3")
            await keys.settle(connection, "work-1", Answer(201, "first"))
            await keys.settle(connection, "work-1", Answer(500, "later"))
            settled = await keys.claim(connection, "alice", "key", "request", "work-4")
            with pytest.raises(Problem) as reused:
                await keys.claim(connection, "alice", "key", "another request", "work-5")
            await keys.forget(connection, "work-1")
            free = await keys.claim(connection, "alice", "key", "another request", "work-6")
        return first, again, of_another, settled, reused.value.slug, free

    first, again, of_another, settled, slug, free = anyio.run(go)
    assert (first.fresh, first.resource_id) == (True, "work-1")
    assert (again.fresh, again.resource_id, again.answer) == (False, "work-1", None)
    assert of_another.fresh
    assert settled.answer == Answer(201, "first")
    assert slug == "idempotency-key-reused"
    assert free.fresh


class Happened(BaseModel):
    number: int


class Sink:
    """Takes events as notifications would, except while it refuses some."""

    def __init__(self, serve) -> None:
        self.bodies: list[dict] = []
        self.refuse: set[str] = set()

        async def events(request):
            event = json.loads(await request.body())
            if event["subject"] in self.refuse:
                return Response(status_code=503 if "503" in event["subject"] else 400)
            self.bodies.append(event | {"_headers": dict(request.headers)})
            return Response(status_code=202)

        app = Starlette(routes=[Route("/events", events, methods=["POST"])])
        self.url = f"{serve('sink', lambda _settings: app).base_url}/events"

    @property
    def numbers(self):
        return [body["data"]["number"] for body in self.bodies]


@pytest.fixture
def sink(serve):
    return Sink(serve)


async def until(condition, within=5.0):
    with anyio.fail_after(within):
        while not condition():  # noqa: ASYNC110 - the condition is another thread's
            await anyio.sleep(0.01)


async def publish(outbox, store, aggregate, number):
    async with store.write() as connection:
        await outbox.publish(connection, "shop.happened", aggregate, Happened(number=number))


def test_events_arrive_in_order_as_cloudevents_with_their_trace(url, sink):
    metadata = MetaData()
    outbox = Outbox(metadata, "/test")

    async def go():
        trace = Trace.start(synthetic=True)
        set_trace(trace)
        async with Store(url, metadata) as store, relay(outbox, store, [sink.url]):
            for number in range(5):
                await publish(outbox, store, "one", number)
            await until(lambda: len(sink.bodies) == 5)
        return trace

    trace = anyio.run(go)
    assert sink.numbers == [0, 1, 2, 3, 4]
    event = sink.bodies[0]
    assert event["_headers"]["content-type"] == "application/cloudevents+json"
    assert trace.trace_id in event["_headers"]["traceparent"]
    assert event["_headers"]["baggage"] == "synthetic=true"
    assert {"specversion": "1.0", "type": "shop.happened", "source": "/test", "subject": "one"}.items() <= event.items()
    assert event["traceparent"] == trace.traceparent


def test_an_event_of_a_transaction_that_fails_is_never_sent(url, sink):
    metadata = MetaData()
    outbox = Outbox(metadata, "/test")

    async def go():
        async with Store(url, metadata) as store, relay(outbox, store, [sink.url]):
            with suppress(ZeroDivisionError):
                async with store.write() as connection:
                    await outbox.publish(connection, "shop.happened", "one", Happened(number=1))
                    raise ZeroDivisionError
            await publish(outbox, store, "one", 2)
            await until(lambda: sink.bodies)

    anyio.run(go)
    assert sink.numbers == [2]


def test_a_refused_event_holds_back_its_own_aggregate_only(url, sink):
    metadata = MetaData()
    outbox = Outbox(metadata, "/test")
    sink.refuse.add("refused")

    async def go():
        async with Store(url, metadata) as store, relay(outbox, store, [sink.url]):
            for number, aggregate in enumerate(["refused", "refused", "other"]):
                await publish(outbox, store, aggregate, number)
            await until(lambda: sink.bodies)

    anyio.run(go)
    assert sink.numbers == [2]


def test_the_relay_outlives_a_store_that_is_away_for_a_while(url, sink):
    metadata = MetaData()
    outbox = Outbox(metadata, "/test")
    looks = []

    class Forgetful(Store):
        def write(self):
            looks.append(self)
            if len(looks) == 2:  # the first opens the store, the second is the relay's first look
                raise StoreUnavailable
            return super().write()

    async def go():
        async with Forgetful(url, metadata) as store, relay(outbox, store, [sink.url]):
            await until(lambda: len(looks) > 1)
            await publish(outbox, store, "one", 1)
            await until(lambda: sink.bodies)

    anyio.run(go)
    assert sink.numbers == [1]


def test_events_survive_a_sink_that_is_down_and_a_restart(url, sink):
    metadata = MetaData()
    outbox = Outbox(metadata, "/test")
    sink.refuse.add("503")

    async def before():
        async with Store(url, metadata) as store, relay(outbox, store, [sink.url]):
            for number in range(3):
                await publish(outbox, store, "503", number)
            await anyio.sleep(0.2)

    async def after():
        async with Store(url, metadata) as store, relay(outbox, store, [sink.url]):
            await until(lambda: len(sink.bodies) == 3)

    anyio.run(before)
    assert sink.bodies == []
    sink.refuse.clear()
    anyio.run(after)
    assert sink.numbers == [0, 1, 2]
