"""`harness plan`: the plan as data, or as a table."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import config_option, profile_option, project_from

__all__ = ["command"]


@click.command("plan")
@click.argument("stages", nargs=-1, metavar="[STAGE]...")
@config_option
@profile_option
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def command(stages: tuple[str, ...], config: Path | None, profile: str, as_json: bool) -> None:
    """Show which stages would run, in what order and why; runs nothing."""
    from harness.evidence.wire import to_json
    from harness.pipeline.events import PlannedStage
    from harness.pipeline.plan import build_plan, check_files

    project = project_from(config)
    plan = build_plan(project, chosen=stages, profile=profile, keys=as_json)
    check_files(project, plan)
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
