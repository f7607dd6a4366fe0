"""The summary a run ends with on stdout: stages, grids, findings, gates, the verdict in one line, where the report is."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from harness.evidence import Finding, GateOutcome, Measure, RunResult, Severity, Status
from harness.pipeline.events import RunFinished
from harness.report.grids import GridView, grids_of
from harness.report.text import (
    by_severity,
    count,
    duration,
    first_line,
    headline,
    key_measures,
    labels_text,
    line,
    plain,
    result_word,
    severities_text,
    value_text,
    work_text,
    write,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["SEVERITY_STYLE", "STATUS_STYLE", "print_closing", "summary_text"]

STATUS_STYLE = {
    Status.PASS: "green",
    Status.WARN: "yellow",
    Status.FAIL: "bold red",
    Status.INCONCLUSIVE: "magenta",
    Status.SKIPPED: "dim",
}
SEVERITY_STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
#: Findings told in full; the rest is counted by rule and is in the report.
_TOLD, _TOLD_PER_RULE = 20, 3
_PLAIN_WIDTH = 120


def print_closing(stdout: TextIO, event: RunFinished, *, json: bool = False, report: Path | None = None) -> None:
    """Write the summary, or with `json` the result as one JSON document.

    Args:
        report: folder of `report.html`; the run's directory when None.
    """
    if json:
        from harness.report.result_json import result_json

        write(stdout, "".join(result_json(event.result)) + "\n")
        return
    directory = Path(event.directory)
    text = render(
        event.result,
        (report or directory) / "report.html",
        grids=grids_of(event.result, directory),
        terminal=stdout.isatty(),
        encoding=stdout.encoding or "utf-8",
    )
    write(stdout, text)


def summary_text(result: RunResult, stdout: TextIO) -> str:
    """The summary of a run that has no reports (yet)."""
    return render(result, None, terminal=stdout.isatty(), encoding=stdout.encoding or "utf-8")


def render(
    result: RunResult,
    report: Path | None,
    *,
    terminal: bool,
    width: int = 0,
    grids: Sequence[GridView] = (),
    encoding: str = "utf-8",
) -> str:
    """The summary as text; with colours when it goes to a terminal (and `NO_COLOR` is not set).

    Args:
        report: the page it is told in more detail; None when there is none.
        width: columns; those of the terminal when 0.
        encoding: of the stream the text goes to; grids are drawn in ASCII where it is too small for their signs.
    """
    from rich.console import Console
    from rich.text import Text

    out = io.StringIO()
    columns = width or (shutil.get_terminal_size().columns if terminal else _PLAIN_WIDTH)
    console = Console(file=out, force_terminal=terminal, width=columns, highlight=False, emoji=False, markup=False)
    console.print()
    console.print(_stages(result))
    _print_grids(console, grids, columns, encoding)
    _print_reasons(console, result)
    _print_findings(console, result)
    for gate in result.gates:
        if gate.status is not Status.PASS:
            console.print(_gate(gate), soft_wrap=True)
    console.print()
    verdict = Text(f" {result.verdict.upper()} ", style=f"{STATUS_STYLE[result.verdict]} reverse")
    console.print(Text.assemble(verdict, f" {line(headline(result), 400)}"), soft_wrap=True)
    facts = f"{duration(result.duration_s)} · seed {result.seed} · {line(result.profile)} profile"
    console.print(
        Text(f"{facts}\nreport: {report}" if report else facts, style="dim" if terminal else ""), soft_wrap=True
    )
    return "\n".join(row.rstrip() for row in out.getvalue().split("\n"))


def _stages(result: RunResult) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("stage", no_wrap=True)
    table.add_column("result", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("work", ratio=3)
    table.add_column("measures", ratio=3)
    for stage in result.stages:
        measures = [_measure(m, stage.name) for m in key_measures(stage, result.gates)]
        bare = stage.status in {Status.SKIPPED, Status.INCONCLUSIVE}
        table.add_row(
            Text(line(stage.name, 40)),
            Text(result_word(stage.status), style=STATUS_STYLE[stage.status]),
            duration(stage.duration_s) if stage.duration_s else "",
            Text(first_line(stage.reason) if bare and stage.reason else line(work_text(stage.work))),
            Text("\n".join(measures)),
        )
    return table


def _measure(measure: Measure, stage: str) -> str:
    labels = f" ({line(', '.join(measure.labels.values()), 60)})" if measure.labels else ""
    return f"{line(measure.name.removeprefix(f'{stage}.'), 60)}{labels} {value_text(measure)}"


def _print_grids(console: Console, grids: Sequence[GridView], width: int, encoding: str) -> None:
    from harness.report.matrix import ASCII, UNICODE, matrix

    try:
        "".join((*UNICODE.states.values(), UNICODE.corner, UNICODE.stem, UNICODE.more)).encode(encoding)
        signs = UNICODE
    except (UnicodeEncodeError, LookupError):
        signs = ASCII
    for grid in grids:
        console.print()
        for row in matrix(grid, width, signs):
            console.print(row, soft_wrap=True)


def _print_reasons(console: Console, result: RunResult) -> None:
    """What did not fit into the table: the log and the hint beside a service that did not start, told once."""
    told: set[str] = set()
    for stage in result.stages:
        head, _, rest = stage.reason.strip().partition("\n")
        if rest and head.split(" at http")[0] not in told:
            told.add(head.split(" at http")[0])
            console.print()
            console.print(f"{line(stage.name, 40)}: {line(head, 400)}", soft_wrap=True)
            console.print("\n".join(f"  {line(row, 300)}" for row in rest.splitlines()[:20]), soft_wrap=True)


def _print_findings(console: Console, result: RunResult) -> None:
    from rich.text import Text

    findings = by_severity(f for s in result.stages for f in s.findings)
    console.print()
    if not findings:
        console.print("no findings")
        return
    console.print(severities_text(findings), style="bold")
    told = _told(findings)
    for finding in told:
        head = Text.assemble((f"{finding.severity:<8}", SEVERITY_STYLE[finding.severity]), line(finding.title))
        console.print(head, soft_wrap=True)
        place = line(str(finding.place))
        console.print(
            Text(f"        {line(finding.rule, 80)}{' · ' if place else ''}{place}", style="dim"), soft_wrap=True
        )
        if finding.reproduce:
            command = plain(finding.reproduce).replace("\n", "\n          ")
            console.print(Text(f"        $ {command}"), soft_wrap=True)
    if len(told) < len(findings):
        console.print(f"... and {count(len(findings) - len(told), 'more finding')} in the report")


def _told(findings: list[Finding]) -> list[Finding]:
    told: list[Finding] = []
    for finding in findings:
        if len(told) < _TOLD and sum(f.rule == finding.rule for f in told) < _TOLD_PER_RULE:
            told.append(finding)
    return told


def _gate(gate: GateOutcome) -> object:
    from rich.text import Text

    on = f" ({labels_text(gate.measure.labels)})" if gate.measure and gate.measure.labels else ""
    on = "" if on.strip(" ()") in gate.gate else on
    return Text.assemble(
        (f"gate {result_word(gate.status)}: ", STATUS_STYLE[gate.status]), line(f"{gate.gate}{on}: {gate.reason}", 300)
    )
