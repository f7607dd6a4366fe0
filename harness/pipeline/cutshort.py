"""The result of a run that did not come to its end, or not yet, made of what is known of it. A stage cut short never passes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from harness.errors import ExitCode
from harness.evidence import CUT_SHORT, RunResult, StageResult, Status, worst
from harness.pipeline.events import PlannedStage
from harness.pipeline.journal import Record

__all__ = ["BROKE", "KILLED", "STILL_RUNNING", "result_so_far"]

KILLED = f"{CUT_SHORT}: the harness was killed"
BROKE = f"{CUT_SHORT}: the harness broke"
STILL_RUNNING = "still going on"


def result_so_far(record: Record, why: str) -> RunResult:
    """Put together what is known of a run.

    Args:
        why: the reason of the run and of each stage that had not ended, e.g. `KILLED`.

    Returns:
        The result: `fail` when a stage that had ended failed, else inconclusive, whatever passed.
    """
    begun = record.begun
    stages = tuple(_stage(record, s, why) for s in _planned(record))
    verdict = worst((*(s.status for s in stages if s.status is not Status.SKIPPED), *(g.status for g in record.gates)))
    failed = verdict is Status.FAIL
    return RunResult(
        run_id=begun.run_id,
        system=begun.system,
        profile=begun.profile,
        seed=begun.seed,
        verdict=Status.FAIL if failed else Status.INCONCLUSIVE,
        reason="; ".join((why, *_besides(record, stages))),
        exit_code=ExitCode.FAIL if failed else ExitCode.INCONCLUSIVE,
        started=begun.started,
        duration_s=_duration_s(record),
        stages=stages,
        gates=tuple(record.gates),
        commit=begun.commit,
        branch=begun.branch,
        environment=begun.environment,
        command=begun.command,
    )


def _planned(record: Record) -> Iterable[PlannedStage]:
    """The stages in the order of the plan; where the plan is lost, those that are heard of."""
    heard = dict.fromkeys((*record.ended, *record.at, *record.found))
    planned = {s.name: s for s in record.begun.stages}
    return (*planned.values(), *(PlannedStage(n, n) for n in heard if n not in planned))


def _stage(record: Record, stage: PlannedStage, why: str) -> StageResult:
    if stage.name in record.ended:
        return record.ended[stage.name]
    if stage.skip:
        return StageResult(name=stage.name, status=Status.SKIPPED, reason=stage.skip)
    began = record.at.get(stage.name)
    found = tuple(record.found.get(stage.name, ()))
    unended = StageResult(name=stage.name, status=Status.INCONCLUSIVE, reason=why, findings=found)
    if began is None:
        return unended if found else replace(unended, reason=f"{why}, and this stage had not begun")
    return replace(unended, started=began, duration_s=max(0.0, record.last - began))


def _besides(record: Record, stages: Iterable[StageResult]) -> Iterable[str]:
    failed = [s.name for s in stages if s.status is Status.FAIL]
    if failed:
        yield f"failed: {', '.join(failed)}"
    if record.damaged:
        count = record.damaged
        yield f"{count} line{'s' if count > 1 else ''} of its journal cannot be read and {'are' if count > 1 else 'is'} left out"


def _duration_s(record: Record) -> float:
    try:
        return max(0.0, record.last - datetime.fromisoformat(record.begun.started).timestamp())
    except ValueError:  # not known when it started
        return 0.0
