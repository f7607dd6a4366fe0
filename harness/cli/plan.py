"""`harness plan`: the plan as data, or as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import config_option, narrowed, only_option, profile_option, project_from, read_only

if TYPE_CHECKING:
    from harness.pipeline.plan import Plan

__all__ = ["command", "show"]


@click.command("plan")
@click.argument("stages", nargs=-1, metavar="[STAGE]...")
@config_option
@profile_option
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@only_option
def command(
    stages: tuple[str, ...],
    config: Path | None,
    profile: str,
    as_json: bool,
    only: tuple[str, ...],
    edge: str,
    fault: str,
) -> None:
    """Show which stages would run, in what order and why; runs nothing."""
    from harness.pipeline.plan import build_plan, check_files

    project = project_from(config)
    asked = read_only(narrowed(only, edge, fault), project)
    plan = build_plan(project, chosen=stages, profile=profile, only=asked, keys=as_json)
    check_files(project, plan)
    show(plan, as_json=as_json)


def show(plan: Plan, *, as_json: bool) -> None:
    """Print a plan."""
    from harness.evidence.wire import to_json
    from harness.pipeline.events import PlannedStage

    if as_json:
        click.echo(to_json(plan.stages, kind=tuple[PlannedStage, ...], indent=2))
        return
    width = max(len(s.name) for s in plan.stages)
    for stage in plan.stages:
        waits = f"after {', '.join(stage.after)}" if stage.after else "at once"
        alone = ", alone (it measures time)" if stage.exclusive else ""
        needs = f", only if {', '.join(stage.requires)} held" if stage.requires else ""
        says = f"skipped: {stage.skip}" if stage.skip else f"{waits}{needs}{alone}"
        click.echo(f"{stage.name:{width}}  {stage.title}\n{'':{width}}  {says}")
