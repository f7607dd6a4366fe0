"""`harness report`: the reports of a past run, written again from its evidence; of one that goes on, what has ended so far."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli.leftovers import end_what_was_killed
from harness.cli.options import config_option, make_writable, out_option, project_from, store_from, store_option

__all__ = ["command"]


@click.command("report")
@click.argument("run", default="", metavar="[RUN]")
@config_option
@out_option
@store_option
@click.option("--list", "list_runs", is_flag=True, help="List past runs, newest first, and write nothing.")
def command(run: str, config: Path | None, out: Path | None, store: str | None, list_runs: bool) -> None:
    """Write result.json, junit.xml, summary.md and report.html of RUN (the latest by default) again.

    Of a run that is still going on, what has ended so far is shown; reports of that go to --out only.
    """
    from harness.pipeline.folders import run_folder
    from harness.pipeline.plan import build_plan
    from harness.pipeline.recovery import runs_so_far
    from harness.report import read_result, rebuild_reports, summary_text, write_reports
    from harness.system.confidential import keep_private

    project = project_from(config)
    keep_private(project.root)
    evidence = store_from(store, project)
    end_what_was_killed(project, evidence)
    open_runs = runs_so_far(project.root)
    past = evidence.runs()
    if list_runs:
        for going in reversed(open_runs.values()):
            click.echo(f"{going.run_id}  {going.started}  {going.profile:5}  {going.reason}")
        for one in past:
            cut = "  (cut short)" if one.cut_short else ""
            click.echo(
                f"{one.run_id}  {one.started}  {one.profile:5}  {one.verdict.value:12}  {one.errors} errors{cut}"
            )
        return
    folder = run_folder(project.root, run)
    make_writable(out)
    plan = build_plan(project).stages
    if folder in open_runs:
        result = open_runs[folder]
        click.echo(summary_text(result, sys.stdout))
        files = write_reports(result, plan, project.system, folder, out, history=past, settled=False) if out else ()
    else:
        files = rebuild_reports(folder, plan, project.system, out, history=past)
        result = read_result(folder / "result.json")
    if result.cut_short:
        click.echo(f"harness: run {result.run_id}: {result.verdict}: {result.reason}", err=True)
    for file in files:
        click.echo(file)
