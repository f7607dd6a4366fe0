"""What the map says of each edge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.evidence import Finding, Measure, Place, RunResult, Severity, StageResult, Status
from harness.report.edges import EdgeState, EdgeStory, edge_stories
from harness.report.views import reasons
from tests.report.fakes import fake_result, fake_system


def story(*stages: StageResult) -> EdgeStory:
    result: RunResult = replace(fake_result(), stages=stages)
    return next(s for s in edge_stories(fake_system(), result) if s.edge.key == "orders:payments")


def provider(labels: dict[str, str]) -> StageResult:
    return StageResult(
        name="provider", status=Status.PASS, measures=(Measure("provider.verified", 7, "count", labels),)
    )


def chaos(*experiments: str, severity: Severity | None = None) -> StageResult:
    labels = {"edge": "orders -> payments"}
    measures = tuple(Measure("chaos.recovery", 1.0, "s", {**labels, "experiment": e}) for e in experiments)
    place = Place(edge="orders:payments", experiment=experiments[0])
    found = (Finding(rule="chaos.slow", severity=severity, title="slow", place=place),) if severity else ()
    return StageResult(name="chaos", status=Status.PASS, measures=measures, findings=found)


@pytest.mark.parametrize(
    "labels",
    [{"edge": "orders -> payments"}, {"edge": "orders:payments"}, {"consumer": "orders", "provider": "payments"}],
)
def test_an_edge_is_known_by_either_of_its_names_or_by_consumer_and_provider(labels: dict[str, str]) -> None:
    told = story(provider(labels))
    assert (told.contracts, told.state, told.badge) == (7, EdgeState.PARTLY, "C7")


def test_faults_are_counted_by_experiment_not_by_measure() -> None:
    assert story(chaos("slow", "slow", "refused")).faults == 2


def test_faults_of_an_exploration_are_counted_by_their_names() -> None:
    labels = {"edge": "orders -> payments"}
    measures = tuple(Measure("chaos.waited", 1.0, "s", {**labels, "fault": f}) for f in ("hang", "hang", "refused"))
    found = Finding(
        rule="chaos.promise.budget",
        severity=Severity.ERROR,
        title="slow",
        place=Place(edge="orders -> payments", experiment="hang"),
    )
    stage = StageResult(name="chaos", status=Status.PASS, measures=measures, findings=(found,))
    assert story(stage).faults == 2


def test_an_edge_held_when_contracts_and_faults_found_nothing() -> None:
    assert story(provider({"edge": "orders:payments"}), chaos("slow")).state is EdgeState.HELD


@pytest.mark.parametrize(
    ("severity", "state"), [(Severity.ERROR, EdgeState.ERROR), (Severity.WARNING, EdgeState.WARNING)]
)
def test_findings_outweigh_what_held(severity: Severity, state: EdgeState) -> None:
    told = story(provider({"edge": "orders:payments"}), chaos("slow", severity=severity))
    assert (told.state, len(told.findings)) == (state, 1)


def test_an_edge_nobody_looked_at_says_so() -> None:
    told = story()
    assert told.state is EdgeState.UNSEEN
    assert "no contract verified, no fault injected" in told.summary


def test_what_was_promised_is_told() -> None:
    assert story().promise == "at most 1.5 s, 2 attempts, then reject"


def test_a_failed_gate_that_is_a_finding_too_is_told_once() -> None:
    result = fake_result()
    load = replace(
        result.stages[5],
        status=Status.FAIL,
        findings=(Finding(rule="load.gate", severity=Severity.ERROR, title="p99: 612 ms, at most 400ms"),),
    )
    told = reasons(replace(result, stages=(load,)))
    assert [r.text for r in told] == ["p99: 612 ms, at most 400ms"]
