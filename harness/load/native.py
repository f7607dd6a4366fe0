"""Reads Locust's own statistics, for locustfiles that do not use the plugin; a closed model, and coarse percentiles."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from harness.errors import InfrastructureError
from harness.load.result import Latency, LoadResult, RequestLoad, Second, new_histogram, record_ms

__all__ = ["read_stats"]


class _Entry(BaseModel):
    """One line of Locust's statistics (`locust.stats.StatsEntry`)."""

    model_config = ConfigDict(extra="ignore")

    name: str
    method: str | None = None
    num_requests: int
    num_failures: int
    start_time: float
    last_request_timestamp: float | None = None
    response_times: dict[float, int] = {}
    num_reqs_per_sec: dict[int, int] = {}
    num_fail_per_sec: dict[int, int] = {}

    @property
    def label(self) -> str:
        return f"{self.method} {self.name}" if self.method else self.name


def read_stats(file: Path, *, seed: int) -> LoadResult:
    """Read what `locust --json-file` wrote.

    Raises:
        InfrastructureError: when the file is not that.
    """
    if not file.stat().st_size:
        raise InfrastructureError(f"{file} is empty: Locust could not write its result; is the disk full?")
    try:
        entries = TypeAdapter(list[_Entry]).validate_python(json.loads(file.read_bytes()))
    except (ValueError, ValidationError) as error:
        raise InfrastructureError(f"{file} is not what Locust 2.47 writes: {error}") from None
    begun = min((e.start_time for e in entries), default=0.0)
    ended = max((e.last_request_timestamp or e.start_time for e in entries), default=0.0)
    return LoadResult(
        model="closed",
        begun=begun,
        ended=ended,
        warmup_s=0.0,
        arrival="closed model",
        rate=0.0,
        seed=seed,
        warmup_walks=0,
        journeys=(),
        requests=tuple(_request(e) for e in entries if e.num_requests),
        seconds=tuple(s for e in entries for s in _seconds(e)),
        lateness=Latency.of(new_histogram()),
    )


def _request(entry: _Entry) -> RequestLoad:
    histogram = new_histogram()
    for milliseconds, count in entry.response_times.items():
        record_ms(histogram, milliseconds, count)
    return RequestLoad(
        name=entry.label, count=entry.num_requests, failed=entry.num_failures, latency=Latency.of(histogram)
    )


def _seconds(entry: _Entry) -> list[Second]:
    # Locust keeps counts per second, but no latencies.
    return [
        Second(at=at, journey=entry.label, arrivals=n, failed=entry.num_fail_per_sec.get(at, 0), p50=0.0, p99=0.0)
        for at, n in sorted(entry.num_reqs_per_sec.items())
    ]
