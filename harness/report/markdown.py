"""`summary.md` for a CI job's summary page: verdict, stages, grids, gates, findings, with the details folded away."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.evidence import Finding, RunResult, Status
from harness.evidence.grid import GridCell, GridState
from harness.report.grids import SIGNS, WORDS, GridView
from harness.report.text import (
    by_severity,
    clip,
    count,
    duration,
    first_line,
    headline,
    key_measures,
    labels_text,
    line,
    plain,
    result_word,
    value_text,
    work_text,
)

__all__ = ["summary_markdown"]

#: GitHub refuses job summaries over 1 MiB; so few findings, and cut bodies.
_FINDINGS, _BODY_LIMIT = 50, 2_000
_ROWS, _COLUMNS = 40, 25
_SIGNS = {
    Status.PASS: "✅",
    Status.WARN: "⚠️",
    Status.FAIL: "❌",
    Status.INCONCLUSIVE: "❔",
    Status.SKIPPED: "⏭️",
}


def summary_markdown(result: RunResult, grids: Sequence[GridView] = ()) -> str:
    """The result as GitHub-flavoured Markdown; text from services is escaped.

    Args:
        grids: those of the run; drawn where anything did not hold, else told in a line.
    """
    return "\n".join(_lines(result, grids)) + "\n"


def _lines(result: RunResult, grids: Sequence[GridView]) -> Iterator[str]:
    yield f"## {_SIGNS[result.verdict]} {_md(result.system)}: {result_word(result.verdict)}"
    yield ""
    yield _md(headline(result), 1000)
    yield ""
    facts = [f"{_md(result.profile)} profile", duration(result.duration_s), f"seed {result.seed}"]
    if result.commit:
        facts.append(f"commit {_code(result.commit[:12])}" + (f" on {_md(result.branch)}" if result.branch else ""))
    yield " · ".join([*facts, f"run {_code(result.run_id)}"])
    yield ""
    yield "| Stage | Result | Time | Work | Measures |"
    yield "| --- | --- | ---: | --- | --- |"
    for stage in result.stages:
        measures = "<br>".join(
            _md(
                f"{m.name.removeprefix(f'{stage.name}.')}{f' ({labels_text(m.labels)})' if m.labels else ''} {value_text(m)}"
            )
            for m in key_measures(stage, result.gates)
        )
        told = (
            first_line(stage.reason) if stage.status in {Status.SKIPPED, Status.INCONCLUSIVE} else work_text(stage.work)
        )
        took = duration(stage.duration_s) if stage.duration_s else ""
        status = f"{_SIGNS[stage.status]} {result_word(stage.status)}"
        yield f"| {_md(stage.name)} | {status} | {took} | {_md(told, 300)} | {measures} |"
    for grid in grids:
        yield from _grid(grid)
    yield from _gates(result)
    yield from _findings(result)


def _grid(view: GridView) -> Iterator[str]:
    yield ""
    if view.problem or view.all_held:
        yield _md(view.summary, 400)
        if view.note:
            yield _md(view.note, 800)
        return
    yield f"### {_md(view.summary, 400)}"
    yield ""
    if view.note:
        yield _md(view.note, 800)
        yield ""
    rows, columns = view.rows, view.columns
    if len(rows) > _ROWS:
        rows = view.rows_not_held()[:_ROWS]
    if len(columns) > _COLUMNS:
        columns = view.columns_not_held()[:_COLUMNS]
    yield f"| | {' | '.join(_md(c, 60) for c in columns)} |"
    yield f"| --- |{' :---: |' * len(columns)}"
    for row in rows:
        yield f"| {_md(row, 80)} | {' | '.join(_cell(view.cells.get((row, c))) for c in columns)} |"
    left = len(view.rows) - len(rows), len(view.columns) - len(columns)
    yield ""
    yield ", ".join(f"{_md(SIGNS[s])} {WORDS[s]}" for s in SIGNS if any(c.state is s for c in view.cells.values()))
    if any(left):
        yield ""
        yield f"Not shown here: {count(left[0], 'row')}, {count(left[1], 'column')}. The report has them."


def _cell(cell: GridCell | None) -> str:
    if cell is None:
        return ""
    sign = _md(SIGNS[cell.state])
    if cell.state is GridState.HELD:
        return sign
    return f"**{sign}** {_md(cell.text, 60)}".rstrip()


def _gates(result: RunResult) -> Iterator[str]:
    if not result.gates:
        return
    bad = [g for g in result.gates if g.status is not Status.PASS]
    yield ""
    passed = sum(g.status in {Status.PASS, Status.WARN} for g in result.gates)
    yield f"### Gates: {passed} of {len(result.gates)} passed"
    yield ""
    yield "| Gate | Result | Limit | What it says |"
    yield "| --- | --- | --- | --- |"
    for gate in (*bad, *(g for g in result.gates if g.status is Status.PASS)):
        status = f"{_SIGNS[gate.status]} {result_word(gate.status)}"
        yield f"| {_md(gate.gate)} | {status} | {_md(gate.limit)} | {_md(gate.reason, 300)} |"


def _findings(result: RunResult) -> Iterator[str]:
    findings = by_severity(f for s in result.stages for f in s.findings)
    yield ""
    yield f"### {count(len(findings), 'finding').capitalize()}"
    for finding in findings[:_FINDINGS]:
        yield ""
        yield from _finding(finding)
    if len(findings) > _FINDINGS:
        yield ""
        yield f"… and {len(findings) - _FINDINGS:,} more in the report."


def _finding(finding: Finding) -> Iterator[str]:
    yield f"<details><summary><b>{finding.severity}</b> {_html(finding.title)}</summary>"
    yield ""
    yield " · ".join(p for p in (_code(finding.rule), _md(str(finding.place))) if p)
    if finding.detail:
        yield ""
        yield _md(finding.detail, _BODY_LIMIT)
    exchange = finding.exchange
    for name, text in (
        ("Request", exchange.request if exchange else ""),
        ("Response", exchange.response if exchange else ""),
        ("Expected", exchange.expected if exchange else ""),
        ("Reproduce", finding.reproduce),
    ):
        if text:
            yield ""
            yield f"{name}:"
            yield from _block(text)
    if finding.trace_id:
        yield ""
        yield f"Trace {_code(finding.trace_id)}"
    yield ""
    yield "</details>"


def _md(text: str, limit: int = 300) -> str:
    """Text that means only itself, on one line: HTML, Markdown, table cells and mentions are taken apart."""
    return re.sub(r"([\\`*_{}\[\]|~!])", r"\\\1", _html(text, limit))


def _html(text: str, limit: int = 300) -> str:
    """The same inside of an HTML element, where Markdown has no say."""
    text = line(text, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("@", "&commat;").replace("#", "&num;")


def _code(text: str) -> str:
    """An inline code span no backtick can leave."""
    text = line(text).replace("|", "¦")
    if not text:
        return ""
    fence = "`" * (1 + max((len(r) for r in re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def _block(text: str) -> Iterator[str]:
    text = clip(plain(text), _BODY_LIMIT)
    fence = "`" * (1 + max((len(r) for r in re.findall("`{3,}", text)), default=2))
    yield fence
    yield text
    yield fence
