"""Every judgement of a service without its store, where it fires and where it does not."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from harness.chaos.experiments import Expect
from harness.chaos.explore.observation import Baseline, Cell
from harness.chaos.explore.promises import Promise
from harness.chaos.explore.stores.catalogue import AWAY
from harness.chaos.explore.stores.judging import judge_store, store_promise
from harness.chaos.explore.stores.observation import Started, StoreObservation
from harness.chaos.explore.stores.trying import plan_store_cell
from harness.system.model import Edge, EdgeKind, OnFailure, ResilienceContract, Service, System
from tests.chaos.explore.scenes import T0, call, edge, sample, scene, step

STORE = Edge("shop", "db", "DB_URL", EdgeKind.RESOURCE)
CACHE = replace(STORE, contract=ResilienceContract(on_failure=OnFailure.DEGRADE))
ENDED = Started(ready=False, exit_code=3)


def seen(on: Edge = STORE, **given: Any) -> StoreObservation:
    """A cell in which a service did well without its store, but for what is given."""
    usual = scene(on, windows=[], calls=[], ready_during=on.contract.goes_on)
    made = StoreObservation(**{f.name: getattr(usual, f.name) for f in fields(usual)})
    made.cell = replace(made.cell, failure=AWAY)
    made.given = [call(proxy="front:shop")]
    made.started = Started(ready=on.contract.goes_on, exit_code=None if on.contract.goes_on else 3)
    for name, value in given.items():
        setattr(made, name, value)
    return made


def told(observed: StoreObservation, expect: Expect = Expect.REJECTED) -> list[tuple[str, str]]:
    broken = judge_store(observed, Promise(expect, None), recovery_s=5.0, wait_s=5.0)
    return [(b.kind.value, b.text) for b in broken]


@pytest.mark.parametrize("on", [STORE, CACHE])
def test_whoever_does_it_right_has_broken_nothing(on: Edge) -> None:
    assert told(seen(on)) == []


def test_readiness_that_is_green_lies() -> None:
    assert told(seen(ready_during=True)) == [("readiness", "shop said it was ready")]
    assert told(seen(ready_during=None)) == []


def test_readiness_that_is_red_for_a_cache_is_too_timid() -> None:
    [(kind, text)] = told(seen(CACHE, ready_during=False))

    assert (kind, text) == ("readiness", "shop said it was not ready, although it can do without db")


def test_one_who_is_ready_to_start_with_lies_too() -> None:
    assert told(seen(started=Started(ready=True))) == [("readiness", "shop, started meanwhile, said it was ready")]
    assert told(seen(started=Started(ready=False))) == []
    assert told(seen(started=None)) == []


def test_a_cache_is_nothing_to_wait_for_at_the_start() -> None:
    assert told(seen(CACHE, started=Started(ready=False, exit_code=3))) == [
        ("readiness", "shop, started meanwhile, did not become ready, although it can do without db")
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (3, []),
        (0, [("died", "shop, started meanwhile, ended with exit code 0, as if all were well")]),
        (-11, [("died", "shop, started meanwhile, was ended by SIGSEGV")]),
        (-99, [("died", "shop, started meanwhile, was ended by signal 99")]),
    ],
)
def test_the_end_of_a_start_is_clear_when_its_code_says_so(code: int, expected: list[tuple[str, str]]) -> None:
    assert told(seen(started=Started(ready=False, exit_code=code))) == expected


def test_one_who_waited_for_the_store_has_to_find_it() -> None:
    assert told(seen(started=Started(ready=False, late=True))) == [
        ("readiness", "shop, started meanwhile, did not become ready once db was back")
    ]


def test_one_who_gives_no_answer_is_told_with_how_long_that_was_waited_for() -> None:
    silent = call(took_s=0.8, proxy="front:shop", upstream_status=None, status=None, ending="gone")

    assert told(seen(given=[call(), silent])) == [("no_answer", "shop gave no answer to POST /charges within 0.8 s")]


def test_a_call_that_still_goes_on_is_no_answer_only_when_it_has_gone_on_for_too_long() -> None:
    goes_on = call(took_s=None, proxy="front:shop", upstream_status=None, status=None, ending="")

    assert told(seen(given=[goes_on], lifted=T0 + 1)) == []
    assert [kind for kind, _ in told(seen(given=[goes_on], lifted=T0 + 9))] == ["no_answer"]


def test_500_is_no_answer_to_give_and_a_journey_beside_it_goes_on() -> None:
    observed = seen(undeclared=[("shop", "POST /orders", 500, "t")], siblings=[sample(step(503), journey="look")])

    assert told(observed) == [
        ("answer", "shop answered 500 to POST /orders"),
        ("bulkhead", "look, which does not use shop -> db, failed as well"),
    ]


def test_events_that_never_came_are_lost() -> None:
    lost = sample(step(201))

    observed = seen(during=[lost], untold={"front": [lost]})

    assert told(observed) == [("delivery", "1 of 2 of buy never came to shop, also not afterwards")]


def system(*edges: Edge) -> System:
    names = {e.caller for e in edges} | {"shop"}
    return System("s", {n: Service(n) for n in names}, (*edges, STORE), entry="front")


def test_a_service_without_its_store_refuses_and_what_comes_of_that_is_promised_above() -> None:
    rejects, degrades = (edge(on_failure=f, between="front:shop") for f in (OnFailure.REJECT, OnFailure.DEGRADE))

    assert store_promise(system(rejects), "front", STORE, AWAY).expect is Expect.REJECTED
    assert store_promise(system(degrades), "front", STORE, AWAY).expect is Expect.DEGRADED
    assert store_promise(system(rejects), "front", CACHE, AWAY).expect is Expect.DEGRADED
    assert store_promise(system(), "shop", STORE, AWAY).expect is Expect.REJECTED


def test_where_only_events_come_users_notice_nothing_if_they_are_queued() -> None:
    queued = replace(edge(on_failure=OnFailure.QUEUE, between="front:shop"), kind=EdgeKind.EVENTS)
    dropped = replace(queued, contract=ResilienceContract())

    assert store_promise(system(queued), "front", STORE, AWAY).expect is Expect.FULL
    assert store_promise(system(dropped), "front", STORE, AWAY).expect is None


def test_the_commonest_journey_that_comes_to_the_service_walks_and_beside_it_one_that_does_not() -> None:
    into = edge(between="front:shop")
    bases = [
        Baseline("rare", "front", 1, {"a": 0.1}, {into.key: 1}),
        Baseline("common", "front", 5, {"a": 0.1}, {into.key: 1}),
        Baseline("apart", "front", 9, {"a": 0.1}, {}),
        Baseline("direct", "shop", 1, {"a": 0.01}, {}),
    ]

    cell = plan_store_cell(system(into), {b.journey: b for b in bases}, STORE, AWAY)

    assert cell == Cell(STORE, AWAY, "common", "front", "apart")
    assert plan_store_cell(system(into), {"apart": bases[2]}, STORE, AWAY) is None
    assert plan_store_cell(system(into), {"direct": bases[3]}, STORE, AWAY) == Cell(STORE, AWAY, "direct", "shop")


CACHE_SERVER = replace(CACHE, url="redis://127.0.0.1:6379/0")
IDLE, BUSY = frozenset[str](), frozenset({CACHE_SERVER.key})


@pytest.mark.parametrize(
    ("stores", "events", "walks"),
    [
        ({"common": IDLE, "rare": BUSY}, False, "rare"),
        ({"common": IDLE, "rare": IDLE}, False, None),
        ({"common": BUSY, "rare": BUSY}, False, "common"),
        ({"common": None, "rare": None}, False, "common"),  # nobody counts
        ({"common": IDLE, "rare": IDLE}, True, "common"),  # it is asked once the journey has ended
    ],
)
def test_only_a_journey_that_is_seen_to_use_the_store_tells_anything(
    stores: dict[str, frozenset[str] | None], *, events: bool, walks: str | None
) -> None:
    into = replace(edge(between="front:shop"), kind=EdgeKind.EVENTS if events else EdgeKind.HTTP)
    bases = {
        name: Baseline(name, "front", weight, {"a": 0.1}, {into.key: 1}, stores=stores[name])
        for name, weight in (("rare", 1), ("common", 5))
    }

    cell = plan_store_cell(system(into), bases, CACHE_SERVER, AWAY)

    assert (cell.journey if cell else None) == walks


def test_where_nobody_counts_bytes_whoever_comes_to_the_service_walks() -> None:
    into = edge(between="front:shop")
    base = Baseline("common", "front", 5, {"a": 0.1}, {into.key: 1}, stores=IDLE)
    stored = replace(STORE, url="sqlite:///{data}/shop.db")

    cell = plan_store_cell(system(into), {"common": base}, stored, AWAY)

    assert cell is not None


def test_whoever_has_ended_is_not_blamed_for_giving_no_answer_as_well() -> None:
    silent = call(proxy="front:shop", upstream_status=None, status=None, ending="gone")

    assert [kind for kind, _ in told(seen(given=[silent], died=("shop",)))] == ["died"]
