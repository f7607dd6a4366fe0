"""`harness run`: the pipeline, or some of its stages, to one verdict and its reports."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from harness.cli.leftovers import end_what_was_killed
from harness.cli.options import (
    config_option,
    make_writable,
    narrowed,
    only_option,
    out_option,
    profile_option,
    project_from,
    read_only,
    store_from,
    store_option,
)
from harness.cli.plan import show
from harness.errors import ExitCode

__all__ = ["command"]


@click.command("run")
@click.argument("stages", nargs=-1, metavar="[STAGE]...")
@config_option
@profile_option
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), help="Drives everything random; drawn from the commit by default."
)
@out_option
@click.option(
    "--jobs", type=click.IntRange(1, 256), help="Processors to keep busy; all of them, at least 2, by default."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
@click.option("--environment", default="local", show_default=True, help="Where the system runs, for the record.")
@store_option
@only_option
@click.option(
    "--dry", is_flag=True, help="Check all that can be checked before anything starts, print the plan, and end."
)
def command(
    stages: tuple[str, ...],
    config: Path | None,
    profile: str,
    seed: int | None,
    out: Path | None,
    jobs: int | None,
    as_json: bool,
    environment: str,
    store: str | None,
    only: tuple[str, ...],
    edge: str,
    fault: str,
    dry: bool,
) -> int:
    """Run the pipeline, or just the stages named, and say whether the system may be released.

    Results go to .harness/runs/<id>/ next to harness.toml, and to --out.
    """
    from harness.evidence.history import RunHistory, is_usable
    from harness.pipeline.plan import build_plan, check_files
    from harness.pipeline.run import RunOptions, default_seed, run_pipeline
    from harness.report import terminal_handler, write_reports
    from harness.system.confidential import keep_private
    from harness.system.runtime import check_startable

    project = project_from(config)
    asked = read_only(narrowed(only, edge, fault), project)
    plan = build_plan(project, chosen=stages, profile=profile, only=asked, keys=dry and as_json)
    check_files(project, plan, asked)
    check_startable(project.system, project.root)
    evidence = store_from(store, project)
    past = RunHistory(
        evidence,
        optional=store is None and not is_usable(project.root / ".harness"),
        tell=lambda text: click.echo(f"harness: {text}", err=True),
    )
    expected = past.stage_durations(profile)
    if dry:
        show(plan, as_json=as_json)
        return ExitCode.OK
    keep_private(project.root)
    make_writable(out)
    end_what_was_killed(project, evidence)
    options = RunOptions(
        profile=profile,
        seed=default_seed(project.root) if seed is None else seed,
        only=asked,
        environment=environment,
        command=shlex.join(["harness", *sys.argv[1:]]),
        expected_s=expected,
        jobs=jobs or max(2, os.cpu_count() or 2),
    )
    terminal = terminal_handler(sys.stdout, sys.stderr, json=as_json, report=out)
    try:
        result = run_pipeline(
            project,
            plan,
            options,
            handlers=[terminal],
            history=lambda name, labels: past.values(name, labels, profile),
            finish=lambda result, directory: write_reports(
                result,
                plan.stages,
                project.system,
                directory,
                out or directory,
                history=past.runs(),
                known=past.known(result),
            ),
            save=past.save,
        )
    finally:
        terminal.close()
    keep_private(project.root)  # what tools of the user's wrote there meanwhile
    return result.exit_code
