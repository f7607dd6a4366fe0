"""What users are promised follows from every edge on the way."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.chaos.experiments import Expect
from harness.chaos.explore.catalogue import FAILURES, Effect
from harness.chaos.explore.promises import Promise, promise
from harness.system.model import BreakerPromise, Edge, OnFailure, Service, System
from tests.chaos.explore.scenes import edge

HANG, SLOW = FAILURES["hang"], FAILURES["slow"]


def system(*edges: Edge) -> System:
    names = {n for e in edges for n in (e.caller, e.callee)}
    return System("s", {n: Service(n) for n in names}, edges, entry="a")


def test_a_refusal_is_promised_where_the_edge_rejects() -> None:
    only = edge(between="a:b")

    assert promise(system(only), "a", only, HANG) == Promise(Expect.REJECTED, 0.5, 2)


def test_an_edge_above_that_degrades_keeps_it_from_users() -> None:
    above, failing = edge(0.8, 1, OnFailure.DEGRADE, between="a:b"), edge(between="b:c")

    assert promise(system(above, failing), "a", failing, HANG) == Promise(Expect.DEGRADED, 0.8, 2)


def test_with_several_ways_only_what_all_promise_is_promised() -> None:
    ways = [
        edge(0.3, 1, OnFailure.DEGRADE, between="a:b"),
        edge(0.9, 3, OnFailure.REJECT, between="a:c"),
        edge(0.2, 1, OnFailure.REJECT, between="b:d"),
        edge(0.2, 1, OnFailure.REJECT, between="c:d"),
    ]
    failing = edge(between="d:e")

    assert promise(system(*ways, failing), "a", failing, HANG) == Promise(Expect.REJECTED, 0.9, 3)


def test_breakers_one_behind_the_other_keep_a_way_closed_one_after_the_other() -> None:
    above = edge(between="a:b", breaker=BreakerPromise(5, 2.0))
    failing = edge(between="b:c", breaker=BreakerPromise(5, 1.0))
    around = edge(between="a:c")

    assert promise(system(above, failing), "a", failing, HANG).open_s == 3.0
    assert promise(system(around, above, failing), "a", around, HANG).open_s == 0.0


@pytest.mark.parametrize("behind", [OnFailure.QUEUE, OnFailure.DROP])
def test_what_goes_on_behind_the_answer_keeps_its_failure_from_everybody(behind: OnFailure) -> None:
    only = edge(on_failure=behind, between="a:b")

    assert promise(system(only), "a", only, HANG) == Promise(Expect.FULL, None)


def test_a_failure_that_harms_no_call_is_not_felt() -> None:
    only = edge(between="a:b")

    assert promise(system(only), "a", only, SLOW) == Promise(Expect.FULL, None, 2)


def test_an_edge_that_promises_nothing_promises_nothing() -> None:
    only = edge(None, None, None, between="a:b")

    assert promise(system(only), "a", only, HANG) == Promise(None, None, None)


def test_an_edge_nobody_comes_to_from_the_entry_promises_users_nothing() -> None:
    apart, failing = edge(between="a:b"), edge(between="x:y")

    assert promise(system(apart, failing), "a", failing, HANG) == Promise(None, None, None)


def test_circles_are_walked_once() -> None:
    there, back, failing = edge(between="a:b"), edge(between="b:a"), edge(between="b:c")

    assert promise(system(there, back, failing), "a", failing, HANG).expect is Expect.REJECTED


@given(
    st.lists(st.tuples(st.floats(0.1, 9), st.integers(1, 5), st.sampled_from(OnFailure)), min_size=1, max_size=5),
    st.sampled_from(sorted(FAILURES)),
)
def test_in_a_chain_the_first_budget_and_the_most_attempts_hold(
    said: list[tuple[float, int, OnFailure]], name: str
) -> None:
    names = "abcdef"
    chain = [
        edge(*contract, between=f"{one}:{other}") for contract, (one, other) in zip(said, pairwise(names), strict=False)
    ]

    found = promise(system(*chain), "a", chain[-1], FAILURES[name])

    if said[-1][2] in {OnFailure.QUEUE, OnFailure.DROP}:
        assert found == Promise(Expect.FULL, None)
    else:
        assert found.repeats == max(attempts for _, attempts, _ in said)
        harmless = FAILURES[name].effect is Effect.HARMLESS
        assert found.waits_s == (None if harmless else said[0][0])
        kept = any(kind is not OnFailure.REJECT for _, _, kind in said)
        assert found.expect is (Expect.FULL if harmless else Expect.DEGRADED if kept else Expect.REJECTED)
