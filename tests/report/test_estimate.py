"""How much longer a run takes."""

from __future__ import annotations

from harness.pipeline.events import PlannedStage
from harness.report.estimate import StageClock, stage_left, time_left

PLAN = (
    PlannedStage("schema", ""),
    PlannedStage("fuzz", "", after=("schema",)),
    PlannedStage("consumer", ""),
    PlannedStage("load", "", exclusive=True),
)
EXPECTED = {"schema": 2.0, "fuzz": 30.0, "consumer": 10.0, "load": 20.0}


def test_before_the_start_it_is_the_longest_chain_and_every_exclusive_stage() -> None:
    assert time_left(PLAN, EXPECTED, {}) == 52.0


def test_what_has_run_is_taken_off() -> None:
    clocks = {"schema": StageClock(3.0, 1.0, ended=True), "fuzz": StageClock(25.0, 0.5)}
    assert time_left(PLAN, EXPECTED, clocks) == 10.0 + 20.0  # consumer has not begun and is now the longest chain


def test_a_stage_slower_than_last_time_is_judged_by_its_progress() -> None:
    assert stage_left(10.0, StageClock(20.0, 0.5)) == 20.0


def test_nothing_is_claimed_where_nothing_is_known() -> None:
    assert time_left(PLAN, {}, {}) is None
    assert stage_left(0.0, StageClock(5.0, 0.01)) is None


def test_skipped_stages_cost_nothing() -> None:
    plan = (PlannedStage("schema", "", skip="not asked for"), PlannedStage("load", "", exclusive=True))
    assert time_left(plan, {"load": 5.0}, {}) == 5.0


def test_a_cycle_in_the_plan_does_not_hang() -> None:
    plan = (PlannedStage("a", "", after=("b",)), PlannedStage("b", "", after=("a",)))
    assert time_left(plan, {"a": 1.0, "b": 2.0}, {}) == 3.0
