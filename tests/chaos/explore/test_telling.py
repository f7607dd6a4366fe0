"""What was seen becomes findings, measures and a grid, in words people can act on."""

from __future__ import annotations

from typing import Any

import pytest

from harness.chaos.explore.catalogue import FAILURES
from harness.chaos.explore.explorer import Explored, Result
from harness.chaos.explore.judging import Broken, Kind
from harness.chaos.explore.telling import Telling
from harness.evidence import Finding, Redactor, Severity
from harness.evidence.grid import GridState
from tests.chaos.explore.scenes import T0, call, edge, sample, scene, step, window

LATE = Broken(Kind.BUDGET, "shop waited 2.0 s", "Once.", (sample(step(503, 2.0)),))
TWICE = Broken(Kind.REPEATED, "shop repeated POST /charges", "The first may have had its effect.")


def telling() -> Telling:
    return Telling(Redactor(), lambda **only: f"again {only['edge']} {only['fault']}")


def found(*results: Result, **more: Any) -> list[Finding]:
    return list(telling().findings(Explored(list(results), **more)))


def test_a_broken_promise_is_an_error_with_its_trace_and_the_command_that_tries_just_this() -> None:
    [finding] = found(Result(scene(failure="hang"), (LATE,)))

    assert (finding.rule, finding.severity) == ("chaos.promise.budget", Severity.ERROR)
    assert finding.title == "While bank hangs, shop waited 2.0 s"
    assert finding.reproduce == "again shop:bank hang"
    assert (finding.place.edge, finding.place.experiment, finding.place.journey) == ("shop -> bank", "hang", "buy")
    assert finding.trace_id == "a" * 32
    assert finding.trace_id in finding.detail


@pytest.mark.parametrize(("broken", "severity"), [(LATE, Severity.INFO), (TWICE, Severity.WARNING)])
def test_what_was_seen_once_turns_no_run_red(broken: Broken, severity: Severity) -> None:
    [finding] = found(Result(scene(), (), (broken,)))

    assert finding.severity is severity
    assert finding.detail.startswith("Seen once")


def test_the_same_under_one_failure_after_the_other_is_told_once() -> None:
    names = ("hang", "too-slow", "error-503")
    same = [Result(scene(failure=name), (LATE,)) for name in names]
    other = Result(scene(failure="hang"), (TWICE,))

    folded, apart = found(*same, other)

    assert folded.title == "While bank hangs, shop waited 2.0 s (and so under 2 other failures of shop -> bank)"
    assert [line.partition(":")[0] for line in folded.detail.splitlines()[1:4]] == list(names)
    assert (folded.reproduce, folded.place.edge, folded.place.experiment) == (
        "again shop:bank hang",
        "shop -> bank",
        "",
    )
    assert apart.rule == "chaos.promise.repeated"
    assert len(found(*same[:2])) == 2


def test_a_failure_that_met_nobody_is_told() -> None:
    [finding] = found(Result(scene(hit=False)))

    assert (finding.rule, finding.severity) == ("chaos.no_traffic", Severity.WARNING)


def test_failures_that_met_nobody_on_one_edge_are_told_in_one_finding() -> None:
    missed = [Result(scene(failure=name, hit=False)) for name in ("hang", "slow")]
    elsewhere = Result(scene(edge(between="a:b"), hit=False))

    first, second = found(*missed, elsewhere)

    assert first.title == "No call of buy met the failures of shop -> bank: hang, slow"
    assert second.title == "No call of buy met the failure of a -> b: b answers 503"


def test_edges_without_a_trace_are_told_in_one_finding_and_unused_ones_each() -> None:
    first, second, third = (edge(between=b) for b in ("a:b", "b:c", "c:d"))

    findings = found(untraced=(first, second), unused=(third,))

    assert [f.rule for f in findings] == ["chaos.untraced", "chaos.edge_unused"]
    assert "a -> b, b -> c" in findings[0].title
    assert "traceparent. Let a, b pass" in findings[0].detail


def test_a_journey_that_fails_without_failure_is_told_with_what_it_said() -> None:
    [finding] = found(failing={"buy": sample(step(500), error="POST /orders: answered 500")})

    assert finding.rule == "chaos.steady_state_before"
    assert finding.title == "buy does not go well although nothing fails: POST /orders: answered 500"


def test_the_fingerprint_tells_cells_and_kinds_apart_and_nothing_else() -> None:
    slower = Broken(Kind.BUDGET, "shop waited 2.4 s", "Twice.")
    prints = [
        found(Result(scene(failure=name), (broken,)))[0].fingerprint
        for name, broken in (("hang", LATE), ("hang", slower), ("hang", TWICE), ("too-slow", LATE))
    ]

    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def test_the_grid_has_a_state_a_word_and_figures_for_every_cell() -> None:
    results = [
        Result(scene(failure="too-slow"), (), (LATE,)),
        Result(scene(failure="hang"), (LATE, TWICE), (TWICE,)),
        Result(scene(failure="slow", hit=False)),
        Result(scene(failure="refused")),
    ]

    grid = telling().grid(Explored(results), [edge(), edge(between="a:b")])

    assert grid.rows == ("shop -> bank", "a -> b")
    assert grid.columns == tuple(n for n in FAILURES if n in {"too-slow", "hang", "slow", "refused"})
    states = {c.column: c.state for c in grid.cells}
    assert states == {
        "too-slow": GridState.DOUBTFUL,
        "hang": GridState.BROKEN,
        "slow": GridState.NOT_TRIED,
        "refused": GridState.HELD,
    }
    red = grid.cell("shop -> bank", "hang")
    assert red is not None
    assert (red.text, red.reproduce) == ("budget", "again shop:bank hang")
    assert red.detail.splitlines()[0] == LATE.text
    assert "0 of 1 of buy went well, 1 calls at the edge" in red.detail
    assert grid.cell("a -> b", "hang") is None


def test_measures_are_the_longest_wait_the_most_attempts_and_the_recovery() -> None:
    seen = scene(windows=[window(call(T0, 0.2), call(T0 + 0.3, 0.2)), window(call(path="/other"))], recovery_s=0.7)

    measures = list(telling().measures(Explored([Result(seen)])))

    assert {m.name: (round(m.value, 3), m.unit) for m in measures} == {
        "chaos.recovery": (0.7, "s"),
        "chaos.waited": (0.5, "s"),
        "chaos.attempts": (2, "count"),
    }
    assert all(m.labels == {"edge": "shop -> bank", "fault": "error-503"} for m in measures)


def test_nothing_is_measured_where_nothing_was_seen() -> None:
    assert list(telling().measures(Explored([Result(scene(windows=[], recovery_s=None))]))) == []


def test_secrets_are_kept_out_of_titles_and_details() -> None:
    secret = Broken(
        Kind.SERVED, "buy went wrong: Authorization: Bearer abc.def.ghi", "Authorization: Bearer abc.def.ghi"
    )

    [finding] = found(Result(scene(), (secret,)))

    assert "abc.def.ghi" not in finding.title + finding.detail
