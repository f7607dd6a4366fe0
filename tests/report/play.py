"""Plays a made-up run through a terminal handler, for tests and for looking at it: `python -m tests.report.play [seconds]`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from harness.evidence import RunResult
from harness.pipeline.events import (
    Event,
    EventHandler,
    FindingFound,
    Note,
    PlannedStage,
    RunFinished,
    RunStarted,
    StageFinished,
    StageProgress,
    StageStarted,
)
from harness.report import terminal_handler
from tests.report.fakes import STARTED, fake_plan, fake_result


def events(result: RunResult, plan: tuple[PlannedStage, ...], steps: int = 10) -> Iterator[tuple[float, Event]]:
    """Every event of a run with the second of the run at which it comes."""
    expected = {s.name: s.duration_s for s in result.stages}
    yield (
        0.0,
        RunStarted(
            run_id=result.run_id,
            system=result.system,
            profile=result.profile,
            seed=result.seed,
            started=result.started,
            stages=plan,
            expected_s=expected,
        ),
    )
    timed: list[tuple[float, Event]] = []
    for stage in result.stages:
        begin = stage.started - STARTED
        timed.append((begin, StageStarted(stage=stage.name, at=stage.started)))
        timed.append((begin + 0.01, Note(stage=stage.name, text="services are ready")))
        for i in range(1, steps + 1):
            at = begin + stage.duration_s * i / (steps + 1)
            timed.append((at, StageProgress(stage=stage.name, done=i, total=steps, note=f"step {i}")))
        for i, finding in enumerate(stage.findings, 1):
            at = begin + stage.duration_s * i / (len(stage.findings) + 1)
            timed.append((at, FindingFound(stage=stage.name, finding=finding)))
        timed.append((begin + stage.duration_s, StageFinished(result=stage)))
    yield from sorted(timed, key=lambda t: t[0])
    yield result.duration_s, RunFinished(result=result, directory=f".harness/runs/{result.run_id}")


def play(handler: EventHandler, result: RunResult, wait_until: Callable[[float], None]) -> None:
    for at, event in events(result, fake_plan()):
        wait_until(at)
        handler.handle(event)
    handler.close()


if __name__ == "__main__":
    length = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    began = time.monotonic()
    made = fake_result(passing="pass" in sys.argv, hostile="hostile" in sys.argv)
    speed = made.duration_s / length
    play(
        terminal_handler(sys.stdout, sys.stderr, json="json" in sys.argv),
        replace(made),
        lambda at: time.sleep(max(0.0, at / speed - (time.monotonic() - began))),
    )
