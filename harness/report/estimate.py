"""How much longer a run will take, from the last run's durations and this one's progress; no clock of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.pipeline.events import PlannedStage

__all__ = ["StageClock", "stage_left", "time_left"]

#: Below this share of a stage, its progress says nothing about its end.
_ENOUGH = 0.05


@dataclass(frozen=True, slots=True)
class StageClock:
    """What is known of one stage's time: seconds since it started (None: not yet), share done (0..1), whether it ended."""

    elapsed_s: float | None = None
    share: float = 0.0
    ended: bool = False


def stage_left(expected_s: float, clock: StageClock) -> float | None:
    """Seconds a stage still needs; None when nothing is known.

    The last run's duration is trusted until it has passed; after that, the stage's own progress is.
    """
    if clock.ended:
        return 0.0
    if clock.elapsed_s is None:
        return expected_s or None
    if expected_s > clock.elapsed_s:
        return expected_s - clock.elapsed_s
    if clock.share >= _ENOUGH:
        return clock.elapsed_s * (1 - min(clock.share, 1.0)) / clock.share
    return None


def time_left(
    stages: Sequence[PlannedStage], expected_s: Mapping[str, float], clocks: Mapping[str, StageClock]
) -> float | None:
    """Seconds the run still needs: exclusive stages one after another, beside the longest chain of the others.

    Returns:
        None while a stage is left of which nothing is known.
    """
    left: dict[str, float] = {}
    for stage in stages:
        needed = (
            0.0 if stage.skip else stage_left(expected_s.get(stage.name, 0.0), clocks.get(stage.name, StageClock()))
        )
        if needed is None:
            return None
        left[stage.name] = needed
    shared = {s.name: s for s in stages if not s.exclusive}
    chains: dict[str, float] = {}

    def chain(name: str, seen: frozenset[str]) -> float:
        if name not in chains:
            before = [n for n in shared[name].after if n in shared and n not in seen]
            chains[name] = left[name] + max((chain(n, seen | {name}) for n in before), default=0.0)
        return chains[name]

    return sum(left[s.name] for s in stages if s.exclusive) + max(
        (chain(n, frozenset((n,))) for n in shared), default=0.0
    )
