"""Judges samples against what an experiment promises: pure functions on values, no clock, no traffic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.chaos.allowance import Taken, all_strained, longest_over, recovered_late
from harness.chaos.experiments import Expectation, SteadyState
from harness.system.drive import Sample
from harness.system.machine import Added, nothing_added

__all__ = ["Breach", "BreachKind", "breaches", "holds", "late", "p95_s", "recovered_at", "success_ratio"]


class BreachKind(StrEnum):
    """In which way an experiment did not go as promised."""

    UNSTEADY = "unsteady"
    NOT_STARTED = "not started"
    DIED = "died"
    NO_ANSWER = "no answer"
    SLOW = "slow"
    STATUS = "status"
    FAILED = "failed"
    RATIO = "ratio"
    LATE = "late"


#: What a busy machine alone can have caused.
_TIMES = {BreachKind.SLOW, BreachKind.RATIO, BreachKind.LATE, BreachKind.UNSTEADY}


@dataclass(frozen=True, slots=True)
class Breach:
    """One way in which an experiment did not go as promised, over all samples of one journey.

    Args:
        journey: empty where it is not about one.
        samples: those that show it, worst first.
        worst: seconds waited, the status seen, the share that succeeded; NaN where there is no such figure.
        text: an error in words.
        service: of one that ended, or did not start again.
        of: how many samples there were.
        excused: whether the machine was seen to add so much meanwhile that nobody can tell.
    """

    kind: BreachKind
    journey: str = ""
    samples: tuple[Sample, ...] = ()
    worst: float = math.nan
    text: str = ""
    service: str = ""
    of: int = 0
    excused: bool = False

    @property
    def key(self) -> str:
        """Tells two of one kind apart, the same in every try."""
        return f"{self.journey}{self.service}:{self.worst if self.kind is BreachKind.STATUS else ''}"

    @property
    def timing(self) -> bool:
        """Whether a busy machine alone can have caused it."""
        return self.excused or self.kind in _TIMES


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


def breaches(samples: Sequence[Sample], expected: Expectation, added: Added = nothing_added) -> list[Breach]:
    """Every way in which the samples taken while the fault lasted miss the expectation, by journey.

    Args:
        added: what the machine added between two moments.
    """
    by_journey: dict[str, list[Sample]] = {}
    for sample in samples:
        by_journey.setdefault(sample.journey, []).append(sample)
    return [
        replace(b, of=len(samples))
        for journey, own in sorted(by_journey.items())
        for b in _of_journey(journey, own, expected, added)
    ]


def _of_journey(journey: str, samples: Sequence[Sample], expected: Expectation, added: Added) -> list[Breach]:
    found: list[Breach] = []
    unanswered = [s for s in samples if any(step.status == 0 for step in s.steps) or (not s.ok and not s.steps)]
    if unanswered:
        unanswered.sort(key=_longest_step_s, reverse=True)
        worst = unanswered[0]
        excused = all_strained(added, unanswered)
        found.append(
            Breach(
                BreachKind.NO_ANSWER,
                journey,
                tuple(unanswered),
                _longest_step_s(worst),
                worst.error,
                excused=excused,
            )
        )
    answered = [s for s in samples if s not in unanswered]
    found += _slow(journey, answered, expected, added)
    found += _wrong_answers(journey, answered, expected)
    ratio = success_ratio(samples)
    if not found and ratio < expected.success:
        failed = tuple(s for s in samples if not s.ok)
        excused = all_strained(added, failed)
        found.append(Breach(BreachKind.RATIO, journey, failed, ratio, failed[0].error, excused=excused))
    return found


def _slow(journey: str, samples: Sequence[Sample], expected: Expectation, added: Added) -> Iterator[Breach]:
    """What is allowed here is what people wrote down: nothing is added to it but what the machine was seen to add."""
    taken = [Taken(start, took, expected.latency_s, s) for s in samples for start, took in [_longest_step(s)]]
    over = longest_over(taken, added)
    if over:
        slow = sorted((t for t in taken if t.took_s > t.allowed_s), key=lambda t: (t.what is not over.what, -t.took_s))
        yield Breach(BreachKind.SLOW, journey, tuple(t.what for t in slow), over.took_s, excused=over.excused)


def late(
    samples: Sequence[Sample],
    lifted: float,
    recovery_s: float | None,
    *,
    within_s: float,
    steady: SteadyState,
    added: Added = nothing_added,
) -> Iterator[Breach]:
    """What there is to say of a recovery that did not come in time.

    Args:
        samples: walks since the fault was lifted, at `lifted` (seconds since the epoch).
        recovery_s: when it came, in seconds; None when it did not.
        within_s: the longest it may take, in seconds.
    """
    if recovery_s is not None and recovery_s <= within_s:
        return
    bad = tuple(s for s in samples if not s.ok or s.duration_ms > steady.p95_s * 1000)
    seen_s = samples[-1].ended - lifted if samples else 0.0
    text = f"did not recover within {seen_s:.1f} s" if recovery_s is None else f"took {recovery_s:.1f} s to recover"
    recovered = None if recovery_s is None else lifted + recovery_s
    yield Breach(
        BreachKind.LATE, samples=bad, text=text, excused=recovered_late(added, bad, lifted + within_s, recovered)
    )


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


def _longest_step(sample: Sample) -> tuple[float, float]:
    """When the longest step began, in seconds since the epoch, and how long it took, in seconds."""
    step = max(sample.steps, key=lambda s: s.duration_ms, default=None)
    return (step.at, step.duration_ms / 1000) if step else (sample.intended, sample.duration_ms / 1000)


def _longest_step_s(sample: Sample) -> float:
    return _longest_step(sample)[1]
