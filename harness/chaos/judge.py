"""Judges samples against what an experiment promises: pure functions on values, no clock, no traffic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.chaos.experiments import Expectation, SteadyState
from harness.system.drive import Sample

__all__ = ["Breach", "BreachKind", "breaches", "holds", "p95_s", "recovered_at", "slots", "success_ratio"]


class BreachKind(StrEnum):
    """In which way an expectation was not met."""

    NO_ANSWER = "no answer"
    SLOW = "slow"
    STATUS = "status"
    FAILED = "failed"
    RATIO = "ratio"


@dataclass(frozen=True, slots=True)
class Breach:
    """One way in which an expectation was not met, over all samples of one journey.

    Args:
        samples: those that show it, worst first.
        worst: seconds waited, the status seen, or the share that succeeded.
    """

    kind: BreachKind
    journey: str
    samples: tuple[Sample, ...]
    worst: float
    text: str = ""


def success_ratio(samples: Sequence[Sample]) -> float:
    """Share of samples that succeeded; NaN when there are none."""
    return sum(s.ok for s in samples) / len(samples) if samples else math.nan


def p95_s(samples: Sequence[Sample]) -> float:
    """95th percentile (nearest rank) of the durations in seconds; NaN when there are none."""
    if not samples:
        return math.nan
    ordered = sorted(s.duration_ms for s in samples)
    return ordered[math.ceil(0.95 * len(ordered)) - 1] / 1000


def holds(samples: Sequence[Sample], steady: SteadyState) -> bool:
    """Whether the steady state holds over these samples; never over none."""
    return bool(samples) and success_ratio(samples) >= steady.success and p95_s(samples) <= steady.p95_s


def slots(anchor: float, rate: float, start: float, end: float) -> list[float]:
    """Intended starts within [start, end) of an evenly spaced schedule of which `anchor` is one."""
    first = math.ceil((start - anchor) * rate - 1e-6)
    last = math.ceil((end - anchor) * rate - 1e-6)
    return [anchor + i / rate for i in range(first, last)]


def recovered_at(samples: Iterable[Sample], lifted: float, steady: SteadyState, consecutive: int) -> float | None:
    """Intended start of the first of `consecutive` good journeys in a row after the fault was lifted.

    Returns:
        Seconds since the epoch; None when there is no such row. A journey is good when it succeeds within the steady
        state's p95.
    """
    row: list[Sample] = []
    for sample in sorted((s for s in samples if s.intended >= lifted), key=lambda s: s.intended):
        if sample.ok and sample.duration_ms <= steady.p95_s * 1000:
            row.append(sample)
            if len(row) == consecutive:
                return row[0].intended
        else:
            row = []
    return None


def breaches(samples: Sequence[Sample], expected: Expectation) -> list[Breach]:
    """Every way in which the samples taken while the fault lasted miss the expectation, by journey."""
    by_journey: dict[str, list[Sample]] = {}
    for sample in samples:
        by_journey.setdefault(sample.journey, []).append(sample)
    return [b for journey, own in sorted(by_journey.items()) for b in _of_journey(journey, own, expected)]


def _of_journey(journey: str, samples: Sequence[Sample], expected: Expectation) -> list[Breach]:
    found: list[Breach] = []
    unanswered = [s for s in samples if any(step.status == 0 for step in s.steps) or (not s.ok and not s.steps)]
    if unanswered:
        unanswered.sort(key=_longest_step_s, reverse=True)
        found.append(
            Breach(
                BreachKind.NO_ANSWER, journey, tuple(unanswered), _longest_step_s(unanswered[0]), unanswered[0].error
            )
        )
    answered = [s for s in samples if s not in unanswered]
    slow = sorted((s for s in answered if _longest_step_s(s) > expected.latency_s), key=_longest_step_s, reverse=True)
    if slow:
        found.append(Breach(BreachKind.SLOW, journey, tuple(slow), _longest_step_s(slow[0])))
    found += _wrong_answers(journey, answered, expected)
    ratio = success_ratio(samples)
    if not found and ratio < expected.success:
        failed = tuple(s for s in samples if not s.ok)
        found.append(Breach(BreachKind.RATIO, journey, failed, ratio, failed[0].error))
    return found


def _wrong_answers(journey: str, samples: Sequence[Sample], expected: Expectation) -> list[Breach]:
    by_status: dict[int, list[Sample]] = {}
    failed: list[Sample] = []
    for sample in samples:
        refused = [step.status for step in sample.steps if step.error]
        wrong = [status for status in refused if status not in expected.statuses]
        if wrong and (expected.statuses or wrong[0] == 500):
            by_status.setdefault(wrong[0], []).append(sample)
        elif not sample.ok and not refused:
            failed.append(sample)
    found = [Breach(BreachKind.STATUS, journey, tuple(s), status) for status, s in sorted(by_status.items())]
    # Without a demand on success only a refusal explains a journey that failed; with one, the share decides.
    if failed and expected.success == 0:
        found.append(Breach(BreachKind.FAILED, journey, tuple(failed), 0, failed[0].error))
    return found


def _longest_step_s(sample: Sample) -> float:
    return max((step.duration_ms for step in sample.steps), default=sample.duration_ms) / 1000
