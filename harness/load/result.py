"""What a load run leaves: one JSON file with counts, latency histograms and a line per second. Judging it is done elsewhere.

Latencies are milliseconds from the *intended* start of a journey to its end, of all walks that were started, failed ones
included: a timeout is the slowest answer there is. `histogram` is an HdrHistogram (microseconds, three significant
digits) in its standard compressed base64 form, so files can be merged and read by any HdrHistogram tool.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.evidence import Chart, Series, Window, from_json, to_json

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

__all__ = ["ErrorCount", "JourneyLoad", "Latency", "LoadResult", "RequestLoad", "Second", "new_histogram"]

_HIGHEST_US = 3_600_000_000


def new_histogram() -> HdrHistogram:
    """A histogram of microseconds, from one microsecond to an hour, three significant digits."""
    from hdrh.histogram import HdrHistogram

    return HdrHistogram(1, _HIGHEST_US, 3)


def record_ms(histogram: HdrHistogram, milliseconds: float, count: int = 1) -> None:
    """Add a value; what lies outside the range counts at its edge, so that nothing is lost."""
    histogram.record_value(min(_HIGHEST_US, max(1, round(milliseconds * 1000))), count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Percentiles in milliseconds, and the histogram they come from; all zero when nothing was recorded."""

    count: int
    p50: float
    p95: float
    p99: float
    p999: float
    max: float
    histogram: str

    @classmethod
    def of(cls, histogram: HdrHistogram) -> Latency:
        """Read a histogram of microseconds."""

        def at(percentile: float) -> float:
            return float(histogram.get_value_at_percentile(percentile)) / 1000 if histogram.total_count else 0.0

        encoded = histogram.encode() if histogram.total_count else b""
        return cls(
            count=histogram.total_count,
            p50=at(50),
            p95=at(95),
            p99=at(99),
            p999=at(99.9),
            max=float(histogram.get_max_value()) / 1000 if histogram.total_count else 0.0,
            histogram=encoded.decode() if isinstance(encoded, bytes) else str(encoded),
        )


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """One way to fail, how often, and the trace id of one that did."""

    text: str
    count: int
    trace_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyLoad:
    """One journey in the measured window.

    Args:
        scheduled: arrivals that were due.
        refused: arrivals that could not start because too many were in flight; counted in `failed`.
        failed: walks that did not go as the journey asks, refused and unfinished ones included.
        unfinished: walks still under way when the run gave up waiting; counted in `failed`.
        requests: requests made by walks that were started.
        anything: those of them that would have been taken for good whatever status came.
        rate_intended, rate_achieved: arrivals due, and walks that ended, per second of the window.
    """

    name: str
    scheduled: int
    failed: int
    refused: int
    unfinished: int
    rate_intended: float
    rate_achieved: float
    latency: Latency
    errors: tuple[ErrorCount, ...] = ()
    requests: int = 0
    anything: int = 0

    @property
    def error_rate(self) -> float:
        """Failed walks among those due; 0 when none was due."""
        return self.failed / self.scheduled if self.scheduled else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLoad:
    """One kind of request over all journeys; its latency counts from the moment it was sent."""

    name: str
    count: int
    failed: int
    latency: Latency


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """One journey in one second (of the intended start). `at` in seconds since the epoch, percentiles in milliseconds."""

    at: int
    journey: str
    arrivals: int
    failed: int
    p50: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """One load run; this is the result file.

    Args:
        model: `open` (arrivals on a schedule) or `closed` (Locust's own users, each waiting for its answer).
        begun, ended: the measured window, in seconds since the epoch; the warm-up lies before `begun`.
        lateness: how much later than intended the generator itself started walks.
    """

    model: Literal["open", "closed"]
    begun: float
    ended: float
    warmup_s: float
    arrival: str
    rate: float
    seed: int
    warmup_walks: int
    journeys: tuple[JourneyLoad, ...]
    requests: tuple[RequestLoad, ...]
    seconds: tuple[Second, ...]
    lateness: Latency
    schema_version: int = 1

    @property
    def duration_s(self) -> float:
        """Length of the measured window in seconds."""
        return max(0.0, self.ended - self.begun)

    def write(self, file: Path) -> None:
        """Write the result file."""
        file.write_text(to_json(self), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> LoadResult:
        """Read a result file.

        Raises:
            pydantic.ValidationError: when it is none.
        """
        return from_json(cls, file.read_bytes())

    def latency_chart(self) -> Chart:
        """Latency over time, p50 and p99 of each journey."""
        lines = tuple(
            Series(f"{name} {which}", tuple((s.at, getattr(s, which)) for s in self._of(name) if s.p99))
            for name in self._names()
            for which in ("p50", "p99")
        )
        return Chart("Journey latency under load", "ms", lines, self._windows())

    def rate_chart(self) -> Chart:
        """Arrivals and failures per second, over all journeys."""
        arrivals: dict[int, int] = {}
        failed: dict[int, int] = {}
        for second in self.seconds:
            arrivals[second.at] = arrivals.get(second.at, 0) + second.arrivals
            failed[second.at] = failed.get(second.at, 0) + second.failed
        lines = (
            Series("arrivals", tuple((at, n) for at, n in sorted(arrivals.items()))),
            Series("failed", tuple((at, n) for at, n in sorted(failed.items()))),
        )
        return Chart("Arrivals and failures under load", "1/s", lines, self._windows())

    def _names(self) -> list[str]:
        return sorted({s.journey for s in self.seconds})

    def _of(self, name: str) -> list[Second]:
        return sorted((s for s in self.seconds if s.journey == name), key=lambda s: s.at)

    def _windows(self) -> tuple[Window, ...]:
        if not self.warmup_s:
            return ()
        return (Window(self.begun - self.warmup_s, self.begun, "warm-up (not counted)", "warmup"),)
