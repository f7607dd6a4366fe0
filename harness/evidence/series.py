"""Charts as data: lines over time and the windows to shade behind them; drawing them is the report's job.

A chart is one JSON artifact of media type `CHART_MEDIA_TYPE`:

    {"schema_version": 1, "title": "Latency under load", "unit": "ms",
     "series": [{"name": "buy p99", "points": [[1767225600.0, 41.2], [1767225601.0, 39.8]]}],
     "windows": [{"start": 1767225600.0, "end": 1767225602.0, "label": "warm-up", "kind": "warmup"}]}

Times are seconds since the epoch; a gap in a line is a second without a point.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.evidence.wire import from_json, to_json

__all__ = ["CHART_MEDIA_TYPE", "Chart", "Series", "Window", "read_chart", "write_chart"]

CHART_MEDIA_TYPE = "application/vnd.harness.series+json"


@dataclass(frozen=True, slots=True)
class Series:
    """One line: `points` are (seconds since the epoch, value in the chart's unit), by time ascending."""

    name: str
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time to shade, in seconds since the epoch.

    Args:
        label: what is written on it, e.g. `latency 300ms on orders -> payments`.
        kind: what it is, so that like is shaded alike: `fault`, `warmup`, `recovery` ...
    """

    start: float
    end: float
    label: str
    kind: str = "fault"


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines that share a unit (a key of `harness.evidence.measure.UNITS`), and the windows behind them."""

    title: str
    unit: str
    series: tuple[Series, ...]
    windows: tuple[Window, ...] = ()
    schema_version: int = 1


def write_chart(path: Path, chart: Chart) -> Path:
    """Write a chart as JSON; returns `path`, ready for `context.artifact(path, name, CHART_MEDIA_TYPE)`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(chart), encoding="utf-8")
    return path


def read_chart(path: Path) -> Chart:
    """Read what `write_chart` wrote.

    Raises:
        pydantic.ValidationError: when it is not that.
    """
    return from_json(Chart, path.read_bytes())
