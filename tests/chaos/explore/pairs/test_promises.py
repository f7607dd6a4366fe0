"""Under two failures at once what both promise is promised: the weaker answer, and the time of both."""

from __future__ import annotations

import pytest

from harness.chaos.experiments import Expect
from harness.chaos.explore.catalogue import FAILURES
from harness.chaos.explore.observation import Cell
from harness.chaos.explore.pairs.promises import pair_promises
from harness.chaos.explore.pairs.values import Pair
from harness.chaos.explore.promises import Promise
from harness.system.model import Edge, OnFailure, Service, System
from tests.chaos.explore.scenes import edge

REJECT, DEGRADE, QUEUE = OnFailure.REJECT, OnFailure.DEGRADE, OnFailure.QUEUE


def promised(
    first: Edge, second: Edge, *others: Edge, failures: str = "hang+hang", together: bool = True
) -> tuple[Promise, Promise]:
    edges = (*others, first, second)
    services = {n: Service(n) for e in edges for n in (e.caller, e.callee)}
    cells = [
        Cell(e, FAILURES[name], "buy", "shop") for e, name in zip((first, second), failures.split("+"), strict=True)
    ]
    return pair_promises(System("s", services, edges, entry="shop"), Pair(*cells, together=together))


@pytest.mark.parametrize(
    ("first", "second", "expect"),
    [
        (DEGRADE, DEGRADE, Expect.DEGRADED),
        (DEGRADE, REJECT, Expect.REJECTED),
        (QUEUE, DEGRADE, Expect.DEGRADED),
        (REJECT, None, None),
    ],
)
def test_the_weaker_of_two_answers_is_promised(
    first: OnFailure, second: OnFailure | None, expect: Expect | None
) -> None:
    found = promised(edge(on_failure=first, between="shop:a"), edge(on_failure=second, between="shop:b"))

    assert [p.expect for p in found] == [expect, expect]


def test_two_failures_nobody_may_notice_are_still_not_to_be_noticed() -> None:
    found, _ = promised(edge(between="shop:a"), edge(between="shop:b"), failures="slow+slow")

    assert (found.expect, found.waits_s) == (Expect.FULL, 1.0)


def test_budgets_of_two_edges_of_the_entry_add_up_where_one_step_meets_both() -> None:
    first, second = edge(0.5, between="shop:a"), edge(0.8, between="shop:b")

    assert promised(first, second)[0].waits_s == pytest.approx(1.3)
    assert promised(first, second, together=False)[0].waits_s == pytest.approx(0.8)


def test_behind_one_edge_of_the_entry_its_budget_is_all_there_is() -> None:
    front, a, b = edge(2.0, between="shop:middle"), edge(0.5, between="middle:a"), edge(0.8, between="middle:b")

    assert promised(a, b, front)[0].waits_s == 2.0
    assert promised(front, b)[0].waits_s == 2.0


def test_without_a_budget_on_one_way_no_time_is_promised() -> None:
    assert promised(edge(None, between="shop:a"), edge(0.8, between="shop:b"))[0].waits_s is None


def test_nobody_waits_for_what_is_queued() -> None:
    queued, waited_for = edge(None, on_failure=QUEUE, between="shop:a"), edge(0.8, between="shop:b")

    assert promised(queued, waited_for)[0].waits_s == 0.8
    assert promised(queued, edge(None, on_failure=QUEUE, between="shop:b"))[0].waits_s is None


def test_two_edges_of_one_chain_that_fail_may_each_repeat() -> None:
    front, back = edge(attempts=2, between="shop:middle"), edge(attempts=3, between="middle:back")

    above, below = promised(front, back)

    assert (above.repeats, below.repeats) == (2, 6)


def test_edges_beside_each_other_may_repeat_as_they_may_alone() -> None:
    found = promised(edge(attempts=2, between="shop:a"), edge(attempts=3, between="shop:b"))

    assert [p.repeats for p in found] == [2, 3]


def test_where_an_edge_promises_no_attempts_none_are_judged() -> None:
    found = promised(edge(attempts=2, between="shop:middle"), edge(attempts=None, between="middle:back"))

    assert [p.repeats for p in found] == [2, None]
