"""A pair is judged at both its edges, and only what neither failure does alone is told."""

from __future__ import annotations

from typing import Any

from harness.chaos.explore.catalogue import FAILURES
from harness.chaos.explore.judging import Broken, Kind
from harness.chaos.explore.observation import Cell
from harness.chaos.explore.pairs.judging import judge_pair, known
from harness.chaos.explore.pairs.values import Pair, PairSeen
from harness.chaos.explore.result import Result
from harness.system.model import Edge, Service, System
from tests.chaos.explore.scenes import T0, call, edge, sample, scene, step, window

LEFT, RIGHT = edge(between="shop:left"), edge(between="shop:right")
SYSTEM = System("s", {n: Service(n) for n in ("shop", "left", "right")}, (LEFT, RIGHT), entry="shop")


def pair_seen(first: str = "hang", second: str = "error-503", *, left: Any = None, right: Any = None, **both: Any):
    cells = [Cell(e, FAILURES[f], "buy", "shop", "look") for e, f in ((LEFT, first), (RIGHT, second))]
    each = [scene(c.edge, c.failure.name, **(both | (own or {}))) for c, own in zip(cells, (left, right), strict=True)]
    return PairSeen(Pair(*cells), *each)


def told(seen: PairSeen) -> dict[tuple[Kind, str], str]:
    return {(b.kind, b.key): b.text for b in judge_pair(SYSTEM, seen, recovery_s=5, wait_s=5)}


def result(on: Edge, failure: str, *broken: Broken, doubtful: tuple[Broken, ...] = ()) -> Result:
    return Result(scene(on, failure), broken, doubtful)


def test_where_all_is_kept_nothing_is_told() -> None:
    assert told(pair_seen()) == {}


def test_each_edge_is_judged_with_its_own_calls() -> None:
    late = {"windows": [window(call(T0, 2.0), took_s=2.0)]}

    assert set(told(pair_seen(right=late))) == {(Kind.BUDGET, "shop:right:")}
    assert set(told(pair_seen(left=late, right=late))) == {(Kind.BUDGET, "shop:left:"), (Kind.BUDGET, "shop:right:")}


def test_what_users_see_is_told_once() -> None:
    found = told(pair_seen(undeclared=[("shop", "POST /orders", 500, "a" * 32)]))

    assert found == {(Kind.ANSWER, "shop:500"): "shop answered 500 to POST /orders"}


def test_the_budgets_of_both_may_be_used_up() -> None:
    assert told(pair_seen(during=[sample(step(503, 1.3))])) == {}
    assert set(told(pair_seen(during=[sample(step(503, 1.6))]))) == {(Kind.ENTRY_TIME, "POST /orders")}


def test_what_one_of_them_does_alone_is_known() -> None:
    seen = pair_seen()
    odd, late = Broken(Kind.ANSWER, "odd", key="shop:500"), Broken(Kind.BUDGET, "late")

    found = known(seen, [result(LEFT, "hang", odd, late), result(RIGHT, "error-503", late)])

    assert found == {(Kind.ANSWER, "shop:500"), (Kind.BUDGET, "shop:left:"), (Kind.BUDGET, "shop:right:")}


def test_what_another_failure_does_is_not_known_of_the_pair() -> None:
    assert known(pair_seen(), [result(LEFT, "slow", Broken(Kind.DIED, "shop ended", key="shop"))]) == set()


def test_what_was_seen_once_is_known_unless_a_busy_machine_can_seem_to_do_it() -> None:
    late, odd = Broken(Kind.ENTRY_TIME, "late", key="POST /orders"), Broken(Kind.ANSWER, "odd", key="shop:500")

    assert known(pair_seen(), [result(LEFT, "hang", doubtful=(late, odd))]) == {(Kind.ANSWER, "shop:500")}
