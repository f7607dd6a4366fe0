"""`harness doctor`: what is missing, for which stage, and how to get it."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import config_option, profile_option, project_from

__all__ = ["command"]


@click.command("doctor")
@config_option
@profile_option
def command(config: Path | None, profile: str) -> int:
    """Say what each stage needs and whether it is there; exit code 1 when a stage cannot do its work."""
    from harness.pipeline.doctor import examine
    from harness.pipeline.plan import build_plan, check_files

    project = project_from(config)
    plan = build_plan(project, profile=profile)
    check_files(project, plan)
    checkups = examine(project, plan)
    width = max(len(c.name) for c in checkups)
    for checkup in checkups:
        word = "skipped" if checkup.skip else "ready" if checkup.ready else "missing"
        click.echo(f"{checkup.name:{width}}  {word}{f': {checkup.skip}' if checkup.skip else ''}")
        for need in checkup.needs:
            mark = "+" if need.met else "o" if need.optional else "-"
            click.echo(
                f"{'':{width}}    {mark} {need.what}" + ("" if need.met else f"\n{'':{width}}      -> {need.remedy}")
            )
    return 0 if all(c.ready for c in checkups) else 1
