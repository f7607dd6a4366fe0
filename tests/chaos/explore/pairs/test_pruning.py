"""Only pairs that can show what no single failure does are tried; for every reason to leave one out a pair that is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.chaos.client import Call
from harness.chaos.explore.catalogue import FAILURES
from harness.chaos.explore.judging import Broken, Kind
from harness.chaos.explore.observation import Baseline, Cell
from harness.chaos.explore.pairs.pruning import LeftOut, Survey, looks
from harness.chaos.explore.result import Result
from harness.system.model import Edge, EdgeKind, OnFailure, Service, System
from tests.chaos.explore.scenes import T0, call, edge, sample, scene, step, window

#: Front asks left, then right; left asks deep.
LEFT, RIGHT, DEEP = edge(between="front:left"), edge(between="front:right"), edge(between="left:deep")
NEWS = replace(edge(on_failure=OnFailure.QUEUE, between="deep:news"), kind=EdgeKind.EVENTS)


def goes(name: str, *edges: Edge, weight: int = 1) -> Baseline:
    return Baseline(name, "front", weight, {"POST /orders": 0.1}, {e.key: 1 for e in edges})


def at(edge: Edge, *, method: str = "POST", began: float = T0 + 0.01, status: int | None = 503) -> Call:
    return call(began, proxy=edge.key, method=method, upstream_status=status)


def alone(
    on: Edge, failure: str, *calls: Call, journey: str = "buy", broken: Sequence[Broken] = (), **seen: Any
) -> Result:
    """What came of a single failure, under which these calls were made elsewhere."""
    made = scene(on, failure, **seen)
    made.cell = Cell(on, FAILURES[failure], journey, "front")
    made.calls = [replace(c, proxy=on.key) for c in made.calls]
    made.everywhere = [*made.calls, *calls]
    return Result(made, tuple(broken))


def survey(*results: Result, baselines: Sequence[Baseline] = (), everything: bool = False) -> Survey:
    edges = tuple(e for e in (LEFT, RIGHT, DEEP, NEWS) if any(r.seen.cell.edge == e for r in results))
    failures: Mapping[str, Any] = {
        e.key: [
            f for f in FAILURES.values() if any(r.seen.cell.failure == f and r.seen.cell.edge == e for r in results)
        ]
        for e in edges
    }
    services = {n: Service(n) for n in ("front", "left", "right", "deep", "news")}
    system = System("s", services, (LEFT, RIGHT, DEEP, NEWS), entry="front")
    known = baselines or (goes("buy", *edges),)
    return Survey(system, edges, failures, {b.journey: b for b in known}, results, everything=everything)


def tried(found: Survey) -> tuple[list[str], dict[LeftOut, int]]:
    pairs, left = found.pairs()
    return [p.name for p in pairs], dict(left)


def both(failure: str = "error-503", other: str = "error-503", **seen: Any) -> tuple[Result, Result]:
    """Left and right fail, and under each the other is still asked within the same step."""
    return alone(LEFT, failure, at(RIGHT), **seen), alone(RIGHT, other, at(LEFT), **seen)


def test_two_failures_that_one_step_meets_both_of_are_tried() -> None:
    assert tried(survey(*both())) == (["front:left error-503 + front:right error-503"], {})


def test_where_the_other_edge_is_not_asked_any_more_the_pair_is_the_single_failure_again() -> None:
    _, second = both()

    assert tried(survey(alone(LEFT, "error-503"), second)) == ([], {LeftOut.APART: 1})


def test_a_failure_that_met_nobody_says_nothing_of_pairs() -> None:
    first, _ = both()

    assert tried(survey(first, alone(RIGHT, "error-503", at(LEFT), hit=False))) == ([], {LeftOut.UNSEEN: 1})


def test_of_failures_that_look_the_same_the_first_is_tried() -> None:
    first, second = both()

    found = tried(survey(alone(LEFT, "error-500", at(RIGHT)), first, second))

    assert found == (["front:left error-500 + front:right error-503"], {LeftOut.ALIKE: 1})


def test_failures_of_which_one_breaks_a_promise_do_not_stand_for_each_other() -> None:
    _, second = both()
    sins = alone(LEFT, "error-500", at(RIGHT), broken=[Broken(Kind.ATTEMPTS, "too many")])

    assert len(tried(survey(sins, *both()[:1], second))[0]) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"during": [sample(step(502))]},
        {"during": [sample(step(201))]},
        {"windows": [window(call(T0, 0.4))]},
        {"calls": [call(upstream_status=201)]},
    ],
    ids=["another answer", "served", "kept waiting", "done although it failed"],
)
def test_what_callers_or_users_can_tell_apart_looks_different(other: Mapping[str, Any]) -> None:
    assert looks(alone(LEFT, "error-503")) != looks(alone(LEFT, "malformed", **other))


def test_what_is_asked_elsewhere_tells_failures_apart_but_not_how_often() -> None:
    once = looks(alone(LEFT, "error-503", at(RIGHT)))

    assert looks(alone(LEFT, "error-500", at(RIGHT), at(RIGHT))) == once
    assert looks(alone(LEFT, "error-500", at(RIGHT), at(RIGHT, method="DELETE"))) != once


def test_whether_a_callee_that_is_only_read_from_did_it_makes_no_difference() -> None:
    read = alone(LEFT, "malformed", calls=[call(method="GET", upstream_status=200)])

    assert looks(read) == looks(alone(LEFT, "error-503"))


def test_nobody_waits_for_events_so_only_what_is_broken_tells_their_failures_apart() -> None:
    kept = looks(alone(NEWS, "hang", windows=[window(call(T0, 0.4))]))

    assert kept == looks(alone(NEWS, "error-503", during=[sample(step(201))]))
    assert kept != looks(alone(NEWS, "hang", broken=[Broken(Kind.DELIVERY, "lost")]))


def test_the_caller_of_the_upper_edge_that_hears_nothing_and_asks_once_makes_no_difference_to_what_is_below() -> None:
    upper, lower = alone(LEFT, "truncated", at(DEEP)), alone(DEEP, "error-503", at(LEFT))

    assert tried(survey(upper, lower)) == ([], {LeftOut.HIDDEN: 1})


def test_where_the_upper_caller_asks_again_what_is_below_fails_again() -> None:
    again = {"windows": [window(call(), call(T0 + 0.1))]}

    names, _ = tried(survey(alone(LEFT, "truncated", at(DEEP), **again), alone(DEEP, "error-503", at(LEFT))))

    assert names == ["front:left truncated + left:deep error-503"]


def test_two_edges_that_neither_a_step_nor_a_service_meets_both_of_are_strangers() -> None:
    later = T0 + 3  # after the step has ended

    found = survey(
        alone(RIGHT, "error-503", at(DEEP, began=later)),
        alone(DEEP, "error-503", at(RIGHT, began=later), calls=[call(later)]),
    )

    assert tried(found) == ([], {LeftOut.STRANGERS: 1})


def test_a_failure_that_only_takes_time_matters_where_the_other_takes_time_too() -> None:
    slow, prompt = both("slow")
    waits = alone(RIGHT, "hang", at(LEFT), windows=[window(call(T0, 0.5))])

    assert tried(survey(slow, prompt)) == ([], {LeftOut.ADDS_NOTHING: 1})
    assert tried(survey(slow, waits))[0] == ["front:left slow + front:right hang"]
    assert tried(survey(*both("slow", "slow")))[0] == ["front:left slow + front:right slow"]


def test_a_failure_that_only_takes_time_matters_where_the_other_brings_more_calls_to_it() -> None:
    slow, _ = both("slow")
    undoes = alone(RIGHT, "error-503", at(LEFT), at(LEFT, method="DELETE"))

    assert tried(survey(slow, undoes))[0] == ["front:left slow + front:right error-503"]


def test_what_is_asked_for_by_name_is_tried_whatever_is_known() -> None:
    _, second = both()

    names, left = tried(survey(alone(LEFT, "error-503"), second, everything=True))

    assert (names, left) == (["front:left error-503 + front:right error-503"], {})


def test_an_edge_that_only_a_failure_brings_is_tried_with_it() -> None:
    fallback = alone(LEFT, "error-503", at(RIGHT))
    others = [alone(RIGHT, name, journey="look") for name in ("error-500", "hang")]

    found = survey(fallback, *others, baselines=[goes("buy", LEFT), goes("look", RIGHT)])

    assert found.lookouts() == []
    names, _ = tried(found)
    assert names[0] == "front:left error-503 + front:right hang"
    assert {p.journey for p in found.pairs()[0]} == {"buy"}


def test_a_failure_is_first_tried_alone_in_the_journey_in_which_its_pair_will_be() -> None:
    browsing = [alone(LEFT, name, journey="look") for name in ("error-500", "error-503", "hang")]
    found = survey(*browsing, both()[1], baselines=[goes("buy", LEFT, RIGHT), goes("look", LEFT, weight=5)])

    cells = found.lookouts()

    assert [(c.name, c.journey, c.named, c.sibling) for c in cells] == [("front:left hang", "buy", True, "")]
    assert tried(found) == ([], {LeftOut.UNSEEN: 3})
    pairs, _ = found.pairs([alone(LEFT, "hang", at(RIGHT))])
    assert [p.name for p in pairs] == ["front:left hang + front:right error-503"]


def test_the_journey_beside_a_pair_uses_neither_of_its_edges() -> None:
    found = survey(*both(), baselines=[goes("buy", LEFT, RIGHT), goes("half", RIGHT), goes("apart")])

    [pair] = found.pairs()[0]

    assert {c.sibling for c in pair.cells} == {"apart"}


def test_edges_that_no_journey_meets_both_of_are_told_apart() -> None:
    found = survey(*both(), baselines=[goes("buy", LEFT), goes("look", RIGHT)])

    assert found.apart == ()  # each brings the other in its own journey
    alone_left, alone_right = alone(LEFT, "error-503"), alone(RIGHT, "error-503", journey="look")
    assert survey(alone_left, alone_right, baselines=[goes("buy", LEFT), goes("look", RIGHT)]).apart == ((LEFT, RIGHT),)
