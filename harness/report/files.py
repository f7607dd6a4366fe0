"""Writes the reports of a run into a folder, each file whole or not at all; what is in them is written elsewhere."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from harness.errors import InfrastructureError
from harness.evidence import RunResult
from harness.evidence.store import PastRun
from harness.pipeline.events import PlannedStage
from harness.report.grids import grids_of
from harness.report.junit import junit_xml
from harness.report.markdown import summary_markdown
from harness.report.result_json import read_result, result_json
from harness.system.model import System

__all__ = ["rebuild_reports", "write_reports", "write_result"]


def write_reports(
    result: RunResult,
    plan: tuple[PlannedStage, ...],
    system: System,
    run_directory: Path,
    out: Path,
    *,
    history: Sequence[PastRun] = (),
    known: Collection[str] | None = None,
    settled: bool = True,
) -> tuple[Path, ...]:
    """Write `result.json`, `junit.xml`, `summary.md` and `report.html`.

    `result.json` is written into the run's directory as well, first: whatever goes wrong later, the run can be reported again.

    Args:
        run_directory: where the artifacts of `result` are.
        out: where the reports go; made when missing.
        history: earlier runs, newest first.
        known: fingerprints that earlier runs had; None when nothing is known of earlier runs.
        settled: whether this is the run's last word; else nothing is written into its directory.

    Returns:
        The files written into `out`.

    Raises:
        InfrastructureError: when a file cannot be written.
    """
    from harness.report.html import report_html

    trouble: list[InfrastructureError] = []
    if settled and run_directory.resolve() != out.resolve():
        try:
            write_result(result, run_directory)
        except InfrastructureError as error:  # `out` may be on a disk that has room
            trouble.append(error)
    written = (
        write_result(result, out),
        _write(out / "junit.xml", (junit_xml(result),)),
        _write(out / "summary.md", (summary_markdown(result, grids_of(result, run_directory)).encode(),)),
        _write(
            out / "report.html", report_html(result, plan, system, run_directory, out, history=history, known=known)
        ),
    )
    if trouble:
        raise trouble[0]
    return written


def write_result(result: RunResult, folder: Path) -> Path:
    """Write `result.json` alone.

    Raises:
        InfrastructureError: when it cannot be written.
    """
    return _write(folder / "result.json", (p.encode() for p in result_json(result)))


def rebuild_reports(
    run_directory: Path,
    plan: tuple[PlannedStage, ...],
    system: System,
    out: Path | None = None,
    *,
    history: Sequence[PastRun] = (),
    known: Collection[str] | None = None,
) -> tuple[Path, ...]:
    """Write the reports of a run that has ended once more, from its `result.json` and artifacts.

    Args:
        out: where they go; the run's directory when None.

    Raises:
        UsageError: when there is no `result.json` in `run_directory`, or it is not one.
        InfrastructureError: when a file cannot be written.
    """
    result = read_result(run_directory / "result.json")
    return write_reports(result, plan, system, run_directory, out or run_directory, history=history, known=known)


def _write(path: Path, chunks: Iterable[bytes]) -> Path:
    """Write into a temporary file beside `path`, then rename it: a reader never sees half a report.

    Such a file is for its owner only (0600), as everything a run leaves: what was found may hold what must not be known.
    """
    temporary = ""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the name and not what is in it
        Path(temporary).replace(path)
    except OSError as error:
        raise InfrastructureError(
            f"cannot write {path}: {error.strerror or error}. Free space or name another folder with --out; "
            f"`harness report` writes the reports again."
        ) from None
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
    return path
