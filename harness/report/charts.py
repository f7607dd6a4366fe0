"""Charts of a run, read from its artifacts and made ready for plotly.js; the library itself is never imported here."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.evidence import RunResult
from harness.evidence.series import CHART_MEDIA_TYPE, Chart, Series, read_chart

__all__ = ["ChartView", "WindowView", "charts_json", "charts_of", "csp_hash", "plotly_chunks", "plotly_file"]

#: More points than a line has pixels say nothing more.
_POINTS = 1_500
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class WindowView:
    """A shaded span: seconds since the run's first stage, the number it carries in the picture."""

    number: int
    start: float
    end: float
    label: str
    kind: str


@dataclass(frozen=True, slots=True)
class ChartView:
    """A chart as the template takes it; `problem` says why there is none."""

    stage: str
    title: str
    unit: str = ""
    series: tuple[Series, ...] = ()
    windows: tuple[WindowView, ...] = ()
    problem: str = ""


def charts_of(result: RunResult, run_directory: Path) -> list[ChartView]:
    """Every chart among the artifacts; one that cannot be read is a chart with a problem, not an error."""
    zero = min((s.started for s in result.stages if s.started), default=0.0)
    return [
        _chart(stage.name, artifact.name, run_directory / artifact.path, zero)
        for stage in result.stages
        for artifact in stage.artifacts
        if artifact.media_type == CHART_MEDIA_TYPE
    ]


def _chart(stage: str, name: str, path: Path, zero: float) -> ChartView:
    try:
        chart = read_chart(path)
    except OSError as error:
        return ChartView(stage, name, problem=f"cannot be read: {error.strerror}")
    except ValueError as error:
        return ChartView(stage, name, problem=f"is not a chart: {str(error).splitlines()[0]}")
    return ChartView(stage, chart.title, chart.unit, _lines(chart, zero), _windows(chart, zero))


def _lines(chart: Chart, zero: float) -> tuple[Series, ...]:
    lines = []
    for series in chart.series:
        finite = [(at - zero, value) for at, value in series.points if math.isfinite(at) and math.isfinite(value)]
        lines.append(Series(series.name, tuple(_thin(finite))))
    return tuple(lines)


def _windows(chart: Chart, zero: float) -> tuple[WindowView, ...]:
    return tuple(
        WindowView(i, w.start - zero, w.end - zero, w.label, w.kind)
        for i, w in enumerate(sorted(chart.windows, key=lambda w: w.start), 1)
        if math.isfinite(w.start) and math.isfinite(w.end)
    )


def _thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep lowest and highest of each bucket: peaks are what such charts are read for."""
    if len(points) <= _POINTS:
        return list(points)
    size = math.ceil(len(points) / (_POINTS // 2))
    kept: list[tuple[float, float]] = []
    for start in range(0, len(points), size):
        bucket = points[start : start + size]
        extremes = {min(bucket, key=lambda p: p[1]), max(bucket, key=lambda p: p[1])}
        kept += sorted(extremes)
    return kept


def charts_json(charts: Sequence[ChartView]) -> str:
    """The charts as JSON that may stand inside of a script element: nothing in it can end the element."""
    data = [
        {
            "title": c.title,
            "unit": {"ratio": "share", "1/s": "per second"}.get(c.unit, c.unit),
            "series": [
                {"name": s.name, "x": [round(p[0], 3) for p in s.points], "y": [_short(p[1]) for p in s.points]}
                for s in c.series
            ],
            "windows": [{"n": w.number, "x0": w.start, "x1": w.end, "kind": w.kind} for w in c.windows],
        }
        for c in charts
        if not c.problem
    ]
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def plotly_file() -> Path | None:
    """`plotly.min.js` of the installed plotly package, found without importing it; None when it is missing."""
    spec = importlib.util.find_spec("plotly")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder) / "package_data" / "plotly.min.js"
        if file.is_file():
            return file
    return None


def plotly_chunks(file: Path) -> Iterator[bytes]:
    """The script in pieces: it has megabytes, and nobody needs them all in memory."""
    with file.open("rb") as script:
        while chunk := script.read(_CHUNK):
            yield chunk


def csp_hash(chunks: Iterator[bytes]) -> str:
    """A Content-Security-Policy source that allows exactly this script (CSP level 3, section 2.3.1)."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return f"'sha256-{b64encode(digest.digest()).decode()}'"
