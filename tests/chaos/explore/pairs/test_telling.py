"""What came of pairs becomes findings, a grid of their own and a sentence on what was left out."""

from __future__ import annotations

import pytest

from harness.chaos.explore.catalogue import FAILURES
from harness.chaos.explore.judging import Broken, Kind
from harness.chaos.explore.observation import Cell
from harness.chaos.explore.pairs.telling import PairTelling, summary
from harness.chaos.explore.pairs.values import Pair, PairResult, PairSeen, PairsTried
from harness.evidence import Finding, Redactor, Severity
from harness.evidence.grid import GridState
from tests.chaos.explore.scenes import edge, sample, scene, step

LATE = Broken(Kind.BUDGET, "shop waited 2.0 s", "Once.", (sample(step(503, 2.0)),), key="shop:bank:")
ODD = Broken(Kind.ANSWER, "shop answered 500 to POST /orders", key="shop:500")


def pair_seen(*, hit: bool = True, between: tuple[str, str] = ("shop:bank", "shop:stock"), failure: str = "hang"):
    cells = [
        Cell(edge(between=b), FAILURES[f], "buy", "shop") for b, f in zip(between, (failure, "error-503"), strict=True)
    ]
    first, second = (scene(c.edge, c.failure.name) for c in cells)
    second.hit = hit
    return PairSeen(Pair(*cells), first, second)


def telling(*, asked: bool = False) -> PairTelling:
    return PairTelling(Redactor(), lambda **only: f"again {only['edge']} {only['fault']}", asked=asked)


def found(*results: PairResult, asked: bool = False, **more) -> list[Finding]:
    return list(telling(asked=asked).findings(PairsTried(list(results), **more)))


def test_a_broken_promise_names_both_failures_and_the_command_that_tries_both_again() -> None:
    [finding] = found(PairResult(pair_seen(), (LATE,)))

    assert (finding.rule, finding.severity) == ("chaos.promise.budget", Severity.ERROR)
    assert finding.title == "While bank hangs and stock answers 503, shop waited 2.0 s"
    assert "Neither failure does this alone." in finding.detail
    assert finding.reproduce == "again shop:bank+shop:stock hang+error-503"
    assert (finding.place.edge, finding.place.experiment) == ("shop:bank + shop:stock", "hang + error-503")
    assert finding.trace_id == "a" * 32


def test_failures_of_one_service_are_told_apart_by_whom_they_meet() -> None:
    [finding] = found(PairResult(pair_seen(between=("door:bank", "shop:bank")), (ODD,)))

    assert finding.title.startswith("While bank hangs towards door and answers 503 towards shop, shop answered 500")


@pytest.mark.parametrize(("broken", "severity"), [(LATE, Severity.INFO), (ODD, Severity.WARNING)])
def test_what_was_seen_once_turns_no_run_red(broken: Broken, severity: Severity) -> None:
    [finding] = found(PairResult(pair_seen(), (), (broken,)))

    assert finding.severity is severity
    assert finding.detail.startswith("Seen once")


def test_the_fingerprint_tells_pairs_apart() -> None:
    prints = {found(PairResult(pair_seen(failure=name), (ODD,)))[0].fingerprint for name in ("hang", "slow")}

    assert len(prints) == 2


def test_a_pair_that_met_nobody_is_told_where_it_was_asked_for_and_else_shown_in_the_grid() -> None:
    missed = PairResult(pair_seen(hit=False))

    assert found(missed) == []
    assert [f.rule for f in found(missed, asked=True)] == ["chaos.no_traffic"]
    assert [c.state for c in telling().grid(PairsTried([missed])).cells] == [GridState.NOT_TRIED]


def test_edges_that_no_journey_meets_both_of_are_told() -> None:
    [finding] = found(apart=((edge(between="a:b"), edge(between="c:d")),))

    assert finding.title == "No journey uses both a -> b and c -> d, so they were not tried together"


def test_the_grid_has_a_row_for_two_edges_and_a_column_for_two_failures() -> None:
    results = [PairResult(pair_seen(), (ODD, LATE)), PairResult(pair_seen(failure="slow"), (), (LATE,))]

    grid = telling().grid(PairsTried(results, possible=2))

    assert grid.rows == ("shop:bank + shop:stock",)
    assert grid.columns == ("hang + error-503", "slow + error-503")
    red = grid.cell("shop:bank + shop:stock", "hang + error-503")
    assert red is not None
    assert (red.state, red.text, red.reproduce) == (
        GridState.BROKEN,
        "answer",
        "again shop:bank+shop:stock hang+error-503",
    )
    assert red.detail.splitlines()[:2] == ["While bank hangs and stock answers 503:", ODD.text]
    assert "0 of 1 of buy went well, 1 and 1 calls at the two edges" in red.detail


def test_the_note_says_how_many_were_left_out_and_why() -> None:
    results = [PairResult(pair_seen())]

    assert summary(PairsTried(results, 1)) == "1 pair of 1 possible was tried."
    assert summary(PairsTried(results, 1_300, {"they look alike": 1_200, "they meet nobody": 99})) == (
        "1 pair of 1,300 possible was tried; the rest cannot differ from what was tried "
        "(1,200: they look alike; 99: they meet nobody)."
    )


def test_measures_are_how_many_there_are_and_the_recovery_from_each() -> None:
    measures = list(telling().measures(PairsTried([PairResult(pair_seen())], possible=7)))

    assert [(m.name, m.value) for m in measures] == [
        ("chaos.pairs.possible", 7),
        ("chaos.pairs.tried", 1),
        ("chaos.recovery", 0.1),
    ]
    assert measures[-1].labels == {"edge": "shop:bank + shop:stock", "fault": "hang + error-503"}
