"""Adds walks up into a load result; knows nothing of Locust, gevent or HTTP."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.load.result import (
    ErrorCount,
    JourneyLoad,
    Latency,
    LoadResult,
    RequestLoad,
    Second,
    new_histogram,
    record_ms,
)
from harness.system.drive import Sample

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

__all__ = ["Recorder", "Walk", "error_kind", "error_text"]

_VOLATILE = re.compile(r"\b[0-9a-fA-F]{8}[0-9a-fA-F-]*\b|\b\d+\b")
_KEPT_ERRORS = 20
_LONGEST_ERROR = 2_000


@dataclass(frozen=True, slots=True)
class Walk:
    """One arrival and what became of it; `refused` and `unfinished` say that it was not walked to its end."""

    sample: Sample
    refused: bool = False
    unfinished: bool = False


def error_kind(sample: Sample) -> str:
    """One line that is equal for walks that failed alike: ids and counts in it would make each failure its own kind."""
    text = error_text(sample)
    return text if any(s.error for s in sample.steps) else _VOLATILE.sub("…", text)


def error_text(sample: Sample) -> str:
    """What went wrong in one walk, in one line: whole, as a secret in it is recognised only so."""
    step = next((s for s in reversed(sample.steps) if s.error), None)
    if step is not None:
        return f"{step.name}: {step.error}"[:_LONGEST_ERROR]
    return (sample.error.splitlines() or [""])[0][:_LONGEST_ERROR]


@dataclass(slots=True)
class _Counts:
    latency: HdrHistogram = field(default_factory=new_histogram)
    scheduled: int = 0
    failed: int = 0
    refused: int = 0
    unfinished: int = 0
    requests: int = 0
    anything: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    #: Of each kind of error, the first walk.
    examples: dict[str, Sample] = field(default_factory=dict)


@dataclass(slots=True)
class _Request:
    latency: HdrHistogram = field(default_factory=new_histogram)
    failed: int = 0


@dataclass(slots=True)
class _SecondCounts:
    latencies: list[float] = field(default_factory=list)
    arrivals: int = 0
    failed: int = 0


class Recorder:
    """Collects the walks of one run.

    Args:
        journeys: names of all journeys under load, so that one that never ran is seen.
        begun: begin of the schedule, warm-up included, in seconds since the epoch.
        warmup_s: walks due in the first `warmup_s` seconds go into the series only.
    """

    def __init__(self, journeys: Iterable[str], *, begun: float, warmup_s: float) -> None:
        self._begun, self._warmup_s = begun, warmup_s
        self._window = begun + warmup_s
        self._journeys: dict[str, _Counts] = {name: _Counts() for name in journeys}
        self._requests: dict[str, _Request] = {}
        self._seconds: dict[tuple[int, str], _SecondCounts] = {}
        self._lateness = new_histogram()
        self._ends: dict[str, list[float]] = {name: [] for name in self._journeys}
        self._warmup_walks = 0

    def add(self, walk: Walk) -> None:
        """Take one walk."""
        sample = walk.sample
        self._add_to_second(walk)
        if not walk.refused and not walk.unfinished:
            # Walks of the warm-up that end in the window count here: in a steady state as many leave it at its end.
            self._ends.setdefault(sample.journey, []).append(sample.ended)
        if sample.intended < self._window:
            self._warmup_walks += 1
            return
        counts = self._journeys.setdefault(sample.journey, _Counts())
        counts.scheduled += 1
        counts.refused += walk.refused
        counts.unfinished += walk.unfinished
        if not sample.ok:
            counts.failed += 1
            kind = error_kind(sample)
            counts.errors[kind] += 1
            counts.examples.setdefault(kind, sample)
        if walk.refused:
            return
        record_ms(counts.latency, sample.duration_ms)
        record_ms(self._lateness, (sample.started - sample.intended) * 1000)
        counts.requests += len(sample.steps)
        for step in sample.steps:
            counts.anything += step.anything
            request = self._requests.setdefault(step.name, _Request())
            record_ms(request.latency, step.duration_ms)
            request.failed += bool(step.error)

    def _add_to_second(self, walk: Walk) -> None:
        sample = walk.sample
        second = self._seconds.setdefault((int(sample.intended), sample.journey), _SecondCounts())
        second.arrivals += 1
        second.failed += not sample.ok
        if not walk.refused:
            second.latencies.append(sample.duration_ms)

    def result(self, *, ended: float, arrival: str, rate: float, seed: int) -> LoadResult:
        """Conclude.

        Args:
            ended: when the schedule ended, in seconds since the epoch; walks may have ended later.
            rate: arrivals per second that were asked for.
        """
        window_s = max(ended - self._window, 1e-9)
        return LoadResult(
            model="open",
            begun=self._window,
            ended=max(ended, self._window),
            warmup_s=self._warmup_s,
            arrival=arrival,
            rate=rate,
            seed=seed,
            warmup_walks=self._warmup_walks,
            journeys=tuple(self._journey(name, c, ended, window_s) for name, c in self._journeys.items()),
            requests=tuple(
                RequestLoad(name=name, count=r.latency.total_count, failed=r.failed, latency=Latency.of(r.latency))
                for name, r in sorted(self._requests.items())
            ),
            seconds=tuple(_second(at, name, s) for (at, name), s in sorted(self._seconds.items())),
            lateness=Latency.of(self._lateness),
        )

    def _journey(self, name: str, counts: _Counts, ended: float, window_s: float) -> JourneyLoad:
        in_window = sum(self._window <= end <= ended for end in self._ends.get(name, ()))
        return JourneyLoad(
            name=name,
            scheduled=counts.scheduled,
            failed=counts.failed,
            refused=counts.refused,
            unfinished=counts.unfinished,
            rate_intended=counts.scheduled / window_s,
            rate_achieved=in_window / window_s,
            latency=Latency.of(counts.latency),
            requests=counts.requests,
            anything=counts.anything,
            errors=tuple(
                ErrorCount(error_text(first := counts.examples[kind]), n, first.trace_id)
                for kind, n in counts.errors.most_common(_KEPT_ERRORS)
            ),
        )


def _second(at: int, journey: str, counts: _SecondCounts) -> Second:
    ordered = sorted(counts.latencies)
    return Second(
        at=at,
        journey=journey,
        arrivals=counts.arrivals,
        failed=counts.failed,
        p50=nearest_rank(ordered, 0.50),
        p99=nearest_rank(ordered, 0.99),
    )


def nearest_rank(ordered: Sequence[float], quantile: float) -> float:
    """The smallest value that at least `quantile` of the values do not exceed (nearest rank); 0 of nothing."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, max(0, math.ceil(quantile * len(ordered)) - 1))]
