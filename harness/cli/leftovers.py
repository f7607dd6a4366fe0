"""What commands that may find runs that were killed do first; composed here, done in `pipeline.recovery`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.evidence.store import EvidenceStore
    from harness.system.config import Project

__all__ = ["end_what_was_killed"]


def end_what_was_killed(project: Project, evidence: EvidenceStore) -> None:
    """Bring runs of the project that were killed to an end, and remove what they and `harness up` left; told on stderr."""
    from harness.evidence.sweep import sweep
    from harness.pipeline.recovery import Keeper, end_killed_runs
    from harness.report import read_result, write_result

    keeper = Keeper(
        read=lambda folder: read_result(folder / "result.json"), write=write_result, save=evidence.save, mask=sweep
    )
    end_killed_runs(project.root, keeper, tell=lambda text: click.echo(f"harness: {text}", err=True))
