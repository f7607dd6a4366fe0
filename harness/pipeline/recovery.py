"""Brings runs that were killed to an end at the next start, and removes what they left; never touches one that is alive."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from harness.errors import HarnessError
from harness.evidence import RunResult
from harness.pipeline.cutshort import KILLED, STILL_RUNNING, result_so_far
from harness.pipeline.folders import RESULT, RunState, state_of, taken, unended
from harness.pipeline.journal import JOURNAL, Record, read_record
from harness.system.guardian import kill_marked
from harness.system.scratch import sweep

__all__ = ["Keeper", "clean_run_folder", "end_killed_runs", "runs_so_far"]


class Keeper:
    """What is done with the results of runs; the composing is the command's.

    Args:
        read: reads the `result.json` of a folder.
        write: writes it, whole or not at all.
        save: puts a result into the history.
        mask: takes secrets out of the logs of a run's folder; a run that was killed did not come to that itself.
    """

    def __init__(
        self,
        *,
        read: Callable[[Path], RunResult],
        write: Callable[[RunResult, Path], object],
        save: Callable[[RunResult], object],
        mask: Callable[[Path], object] = lambda _folder: None,
    ) -> None:
        self.read, self.write, self.save, self.mask = read, write, save, mask


def end_killed_runs(root: Path, keeper: Keeper, tell: Callable[[str], object]) -> None:
    """Complete the result of every run of a project that was killed, keep it in the history, and remove its leftovers.

    Leftovers of this user in the folder for temporary files go as well. Nothing here ends a command: what cannot be done is
    told, and tried again at the next start.
    """
    sweep()
    for folder in unended(root):
        with taken(folder) as ours:
            if ours:
                try:
                    tell(_ended(folder, keeper))
                except (HarnessError, OSError) as error:
                    tell(f"run {folder.name} was killed and cannot be brought to an end: {error}")


def runs_so_far(root: Path) -> dict[Path, RunResult]:
    """What is known of the runs of a project that go on, or were killed and could not be brought to an end; oldest first."""
    found = {}
    for folder in unended(root):
        why = STILL_RUNNING if state_of(folder) is RunState.RUNNING else KILLED
        with suppress(OSError):  # it has ended by now, or is somebody else's
            found[folder] = result_so_far(read_record(folder / JOURNAL), why)
    return found


def _ended(folder: Path, keeper: Keeper) -> str:
    """Bring one run to its end; gives what there is to tell of it."""
    record = read_record(folder / JOURNAL)
    if record.token:
        kill_marked(record.token)  # its guardian has done so, unless that was killed as well
    result = _whole_result(folder, keeper)
    told = f"run {folder.name} was killed when it had its result"
    if result is None:
        result = result_so_far(record, KILLED)
        told = f"run {folder.name} was killed; what had ended is kept ({result.verdict})"
        _leave_out_raw(folder, record)
        keeper.write(result, folder)
    clean_run_folder(folder, (folder / a.path for s in result.stages for a in s.artifacts))
    keeper.mask(folder)
    try:
        keeper.save(result)
    except HarnessError as error:  # as at the end of any run: its folder stands
        told += f", but it is not in the history: {error}"
    (folder / JOURNAL).unlink(missing_ok=True)
    return f"{told}: harness report {folder.name}"


def _leave_out_raw(folder: Path, record: Record) -> None:
    """Empty the files that the run had not yet masked: what it was told in confidence, nobody knows any more."""
    from harness.pipeline.scheduler import hands_on

    masked = {stage: hands_on(stage) for stage in record.ended}
    for above, _, files in os.walk(folder):
        stage, *parts = Path(above).relative_to(folder).parts or ("",)
        if not stage or (stage in masked and not (parts and parts[0] in masked[stage])):
            continue
        for name in files:
            _empty(Path(above, name))


def _empty(file: Path) -> None:
    about = file.lstat()
    if stat.S_ISREG(about.st_mode) and about.st_size:
        file.write_text(
            f"[{about.st_size:,} bytes left out: the run was killed before they were looked through for secrets]\n"
        )


def _whole_result(folder: Path, keeper: Keeper) -> RunResult | None:
    """The result a run had written before it was killed, if it had."""
    if not (folder / RESULT).exists():
        return None
    try:
        return keeper.read(folder)
    except HarnessError:
        return None


def clean_run_folder(folder: Path, evidence: Iterable[Path]) -> None:
    """Remove what is no evidence: stores of services, scratch folders, half-written files, pipes and sockets.

    Args:
        evidence: files that are kept wherever they lie.
    """
    kept = {parent for file in evidence for parent in (file, *file.parents)}
    for above, folders, files in os.walk(folder):
        for name in list(folders):
            path = Path(above, name)
            if path not in kept and (name == "data" or name.endswith(".tmp")):
                folders.remove(name)
                if not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
        for name in files:
            path = Path(above, name)
            if path not in kept and (_is_half(name) or _is_no_file(path)):
                path.unlink(missing_ok=True)


def _is_half(name: str) -> bool:
    """Whether a file is one that would have been renamed when it was whole; see `report.files`, `contracts.pacts`."""
    return name.endswith(".tmp") or name.startswith((f".{RESULT}.", ".junit.xml.", ".summary.md.", ".report.html."))


def _is_no_file(path: Path) -> bool:
    mode = path.lstat().st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
