"""`report.html`: one file that shows a run; drawn from the result, the plan and the system, nothing is fetched.

Three walls keep hostile text from doing anything: every value is escaped by jinja2 (after control characters and marks
that turn text around were made visible), the Content-Security-Policy allows only the report's own scripts, by hash, and
no network at all, and data for the charts stands in an element that is never executed.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from harness.evidence import Artifact, RunResult
from harness.evidence.grid import GRID_MEDIA_TYPE
from harness.evidence.series import CHART_MEDIA_TYPE
from harness.evidence.store import PastRun
from harness.pipeline.events import PlannedStage
from harness.report import text, views
from harness.report.charts import charts_json, charts_of, csp_hash, plotly_chunks, plotly_file
from harness.report.edges import edge_stories
from harness.report.grids import grids_of
from harness.report.gridviews import grid_pages
from harness.report.measures import measure_tables
from harness.system.model import System

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["report_html"]

_TEMPLATES = Path(__file__).parent / "templates"
#: Where the template wants plotly.js; no value can write this, `<` is escaped in all of them.
_PLOTLY_HERE = "<!-- plotly.js -->"
#: Characters of a request or response that are shown; the whole text is in `result.json`.
_MANY, _BODY_LIMIT, _BODY_LIMIT_OF_MANY = 100, 12_000, 2_000

#: What files of our own are called.
_KINDS = {CHART_MEDIA_TYPE: "chart data", GRID_MEDIA_TYPE: "grid data"}


def report_html(
    result: RunResult,
    plan: Sequence[PlannedStage],
    system: System,
    run_directory: Path,
    out: Path,
    *,
    history: Sequence[PastRun] = (),
    known: Collection[str] | None = None,
) -> Iterator[bytes]:
    """The report in chunks of UTF-8.

    Args:
        run_directory: where the artifacts are.
        out: folder the report will stand in; links to artifacts are relative to it.
        history: earlier runs, newest first.
        known: fingerprints earlier runs had; findings beyond them are marked as new. None: nothing is marked.
    """
    charts = charts_of(result, run_directory)
    drawable = any(not c.problem for c in charts)
    plotly = plotly_file() if drawable else None
    script = _read("report.js")
    allowed = [csp_hash(iter((script.encode(),)))]
    if plotly is not None:
        allowed.append(csp_hash(plotly_chunks(plotly)))
    stories = edge_stories(system, result)
    groups = views.finding_groups(result, known)
    pieces = (
        _environment()
        .get_template("report.html.j2")
        .generate(
            result=result,
            csp=" ".join(allowed),
            css=_markup(_read("report.css")),
            script=_markup(script),
            plotly_here=_markup(_PLOTLY_HERE) if plotly else "",
            plotly_missing=drawable and plotly is None,
            charts=charts,
            charts_json=_markup(charts_json(charts)),
            titles={p.name: p.title for p in plan},
            findings=groups,
            reasons=views.reasons(result),
            gates=views.gates_of(result),
            cards=views.cards(result, known),
            timeline=views.timeline(result, plan),
            map=views.system_map(system, stories, result, groups),
            stories=stories,
            grids=grid_pages(grids_of(result, run_directory), groups),
            links={s.name: [_link(a, run_directory, out) for a in s.artifacts] for s in result.stages},
            measures={s.name: measure_tables(s.name, s.measures) for s in result.stages},
            history=views.trend(result, history),
            body_limit=_BODY_LIMIT if sum(len(s.findings) for s in result.stages) <= _MANY else _BODY_LIMIT_OF_MANY,
        )
    )
    for piece in pieces:
        if piece == _PLOTLY_HERE and plotly is not None:
            yield b"<script>"
            yield from plotly_chunks(plotly)
            yield b"</script>"
        else:
            yield piece.encode("utf-8", "replace")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from harness.report.bytecode import BesideTheSource

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        bytecode_cache=BesideTheSource(_TEMPLATES),
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = {
        "duration": text.duration,
        "clip": text.clip,
        "line": text.line,
        "first": text.first_line,
        "work": text.work_text,
        "word": text.result_word,
        "value": text.value_text,
        "labels": text.labels_text,
        "severities": text.severities_text,
        "count": text.count,
        "moment": views.moment,
    }
    environment.filters.update(filters)
    environment.globals["headline"] = text.headline
    return environment


def _harmless(value: object) -> object:
    """Every value on its way into the page; markup made by the template itself passes."""
    return text.plain(str(value)) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _markup(trusted: str) -> str:
    """Mark text of our own (style, script, JSON made for a script element) as fit to be written as it is."""
    from markupsafe import Markup

    return Markup(trusted)


@cache
def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _link(artifact: Artifact, run_directory: Path, out: Path) -> views.Link:
    """A link to an artifact, if it is a file inside of the run's directory."""
    kind = _KINDS.get(artifact.media_type, artifact.media_type)
    try:
        base = run_directory.resolve()
        file = (base / artifact.path).resolve()
        if not file.is_relative_to(base):
            return views.Link(artifact.name, "", kind)
        relative = os.path.relpath(file, out.resolve())
    except ValueError:  # a NUL in the path, or a report on another drive
        return views.Link(artifact.name, "", kind)
    return views.Link(artifact.name, quote(Path(relative).as_posix(), errors="replace"), kind)
