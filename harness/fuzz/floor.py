"""Has Schemathesis do a least amount of work however long that takes, and only then mind its time limit; see `hooks`.

A verdict must not depend on the speed of the machine. Schemathesis shares its time limit out to phases and operations, so that
a slow machine has fewer examples of each, and may not get to a sequence of requests at all. Here its first cycle through the
phases is measured in examples; the time limit is for the cycles after it, which a fast machine has more of.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["FLOOR_VARIABLE", "Floor", "stand_on"]

#: Carries a `Floor` to the process that Schemathesis runs in.
FLOOR_VARIABLE = "HARNESS_FUZZ_FLOOR"


@dataclass(frozen=True, slots=True)
class Floor:
    """The least that is done.

    Args:
        examples: for each operation that is fuzzed, and sequences of requests.
        hard_s: when to give it up nevertheless, in seconds since the start.
        note: file that is made when it was given up.
    """

    examples: int
    hard_s: float
    note: str

    def environment(self) -> dict[str, str]:
        """What the process is given."""
        return {FLOOR_VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def given(cls) -> Floor | None:
        """The one that this process was given."""
        told = os.environ.get(FLOOR_VARIABLE)
        return cls(**json.loads(told)) if told else None


class _Cycles:
    """Which cycle Schemathesis is in, and what that means for its limits."""

    def __init__(self, floor: Floor) -> None:
        self.floor, self.first = floor, True

    def deadline(self, control: Any) -> float | None:
        if control.max_time is None:
            return None
        return float(control._start_time + (self.floor.hard_s if self.first else control.max_time))

    def remaining(self, control: Any) -> float | None:
        deadline = self.deadline(control)
        return None if deadline is None else max(deadline - time.monotonic(), 0.0)

    def is_late(self, control: Any) -> bool:
        deadline = self.deadline(control)
        return deadline is not None and self.given_up(late=time.monotonic() >= deadline)

    def given_up(self, *, late: bool) -> bool:
        """Whether it is late; in the first cycle, somebody has to know."""
        if late and self.first:
            Path(self.floor.note).touch()
        return late

    def settings(self, usual: Any) -> Any:
        import hypothesis

        if not self.first or usual.max_examples <= self.floor.examples:
            return usual
        return hypothesis.settings(usual, max_examples=self.floor.examples)


def stand_on(floor: Floor) -> None:
    """Change Schemathesis in this process accordingly."""
    from schemathesis.config import ProjectConfig
    from schemathesis.engine.context import EngineContext
    from schemathesis.engine.control import ExecutionControl
    from schemathesis.engine.core import ExecutionPlan

    cycles = _Cycles(floor)
    settings, run_phase = ProjectConfig.get_hypothesis_settings, ExecutionPlan._run_phase
    share_is_over: Callable[[Any], bool] = vars(EngineContext)["is_operation_slice_expired"].fget

    def settings_of_cycle(self: Any, **named: Any) -> Any:
        return cycles.settings(settings(self, **named))

    def run_phase_of_cycle(self: Any, engine: Any, phase: Any, **named: Any) -> Iterator[Any]:
        cycles.first = engine.cycle_index == 0
        yield from run_phase(self, engine, phase, **named)

    # Theirs, with the limits of the cycle they are in.
    ExecutionControl.deadline = property(cycles.deadline)  # type: ignore[assignment,method-assign]
    ExecutionControl.remaining_time = property(cycles.remaining)  # type: ignore[assignment,method-assign]
    ExecutionControl.has_reached_time_limit = property(cycles.is_late)  # type: ignore[assignment,method-assign]
    EngineContext.is_operation_slice_expired = property(lambda e: cycles.given_up(late=share_is_over(e)))  # type: ignore[assignment,method-assign]
    ProjectConfig.get_hypothesis_settings = settings_of_cycle  # type: ignore[method-assign]
    ExecutionPlan._run_phase = run_phase_of_cycle  # type: ignore[method-assign,assignment]
