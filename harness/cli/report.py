"""`harness report`: the reports of a past run, written again from its evidence."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import config_option, out_option, project_from, store_from, store_option

__all__ = ["command"]


@click.command("report")
@click.argument("run", default="", metavar="[RUN]")
@config_option
@out_option
@store_option
@click.option("--list", "list_runs", is_flag=True, help="List past runs, newest first, and write nothing.")
def command(run: str, config: Path | None, out: Path | None, store: str | None, list_runs: bool) -> None:
    """Write result.json, junit.xml, summary.md and report.html of RUN (the latest by default) again."""
    from harness.pipeline.plan import build_plan
    from harness.pipeline.run import run_folder
    from harness.report import rebuild_reports
    from harness.system.confidential import keep_private

    project = project_from(config)
    keep_private(project.root)
    evidence = store_from(store, project)
    past = evidence.runs()
    if list_runs:
        for one in past:
            click.echo(f"{one.run_id}  {one.started}  {one.profile:5}  {one.verdict.value:12}  {one.errors} errors")
        return
    folder = run_folder(project.root, run)
    plan = build_plan(project).stages
    for file in rebuild_reports(folder, plan, project.system, out, history=past):
        click.echo(file)
