"""Calls to neighbours: they end in time, are repeated only where that is safe, and carry the trace on."""

import time

import anyio
import pytest

from target_system.kit.breaker import Force
from target_system.kit.client import Neighbour, NeighbourError, NeighbourTimeout, NeighbourUnavailable
from target_system.kit.policy import Policy
from target_system.kit.tracing import Trace, set_trace
from tests.target_system.interpose import Interposed

POLICY = Policy(budget=0.6, attempts=2)


@pytest.fixture
def neighbour(serve):
    return Interposed()


@pytest.fixture
def url(serve, neighbour):
    return str(serve("neighbour", neighbour.app).base_url)


def call(url, method="GET", policy=POLICY, **arguments):
    async def go():
        async with Neighbour("neighbour", url, policy) as there:
            return await there.call(method, "/thing", **arguments)

    return anyio.run(go)


@pytest.mark.parametrize("behaviour", ["hang", "trickle"])
def test_a_call_ends_within_its_budget_however_slowly_the_answer_comes(url, neighbour, behaviour):
    neighbour.behaviour["GET /"] = behaviour
    begun = time.monotonic()
    with pytest.raises(NeighbourTimeout) as failure:
        call(url)
    assert time.monotonic() - begun < POLICY.budget + 0.4
    assert failure.value.in_doubt


@pytest.mark.parametrize(
    ("method", "headers", "attempts"),
    [("GET", {}, 2), ("PUT", {}, 2), ("DELETE", {}, 2), ("POST", {}, 1), ("POST", {"Idempotency-Key": "12345678"}, 2)],
)
def test_only_what_may_be_repeated_is_repeated(url, neighbour, method, headers, attempts):
    neighbour.behaviour[f"{method} /"] = "unavailable"
    with pytest.raises(NeighbourUnavailable):
        call(url, method, headers=headers)
    assert neighbour.count(method, "/thing") == attempts


def test_a_neighbour_that_is_not_there_certainly_did_nothing():
    with pytest.raises(NeighbourUnavailable) as failure:
        call("http://127.0.0.1:1")
    assert not failure.value.in_doubt


def test_a_neighbour_nobody_named_is_unavailable():
    with pytest.raises(NeighbourUnavailable, match="NEIGHBOUR_URL is not set"):
        call("")


def test_an_open_breaker_sends_nothing_and_lets_a_probe_find_the_recovery(url, neighbour):
    async def go():
        policy = Policy(budget=0.6, attempts=1, failures_to_open=2, open_for=0.05)
        async with Neighbour("neighbour", url, policy) as there:
            neighbour.behaviour["GET /"] = "unavailable"
            for _ in range(3):
                with pytest.raises(NeighbourUnavailable):
                    await there.call("GET", "/thing")
            sent_before_recovery = neighbour.count("GET", "/thing")
            neighbour.behaviour.clear()
            await anyio.sleep(policy.open_for)
            answer = await there.call("GET", "/thing")
            return sent_before_recovery, answer.status_code, there.breaker.state

    assert anyio.run(go) == (2, 200, "closed")


def test_a_breaker_held_open_refuses_without_sending(url, neighbour):
    async def go():
        async with Neighbour("neighbour", url, POLICY) as there:
            there.breaker.force(Force.OPEN)
            await there.call("GET", "/thing")

    with pytest.raises(NeighbourUnavailable, match="breaker"):
        anyio.run(go)
    assert neighbour.seen == []


def test_the_bulkhead_refuses_what_would_have_to_wait_too_long(url, neighbour):
    neighbour.behaviour["GET /"] = "hang"
    failures: list[NeighbourError] = []

    async def one(there: Neighbour) -> None:
        try:
            await there.call("GET", "/thing")
        except NeighbourError as error:
            failures.append(error)

    async def go():
        policy = Policy(budget=0.6, attempts=1, concurrency=1, queue_for=0.05)
        async with Neighbour("neighbour", url, policy) as there, anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(one, there)

    anyio.run(go)
    assert neighbour.count("GET", "/thing") == 1
    assert sum("under way" in str(failure) and not failure.in_doubt for failure in failures) == 2


def test_trace_and_baggage_are_carried_on(url, neighbour):
    async def go():
        trace = Trace.start(synthetic=True)
        set_trace(trace)
        async with Neighbour("neighbour", url, POLICY) as there:
            await there.call("GET", "/thing")
        return trace

    trace = anyio.run(go)
    headers = neighbour.seen[0][2]
    assert headers["traceparent"] == trace.traceparent
    assert headers["baggage"] == "synthetic=true"
