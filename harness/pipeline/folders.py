"""The folders of runs: made, found, forgotten; whether a run is still going on is decided by the lock on its journal alone."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.errors import InfrastructureError, UsageError, did_you_mean
from harness.pipeline.journal import JOURNAL, Journal
from harness.system.scratch import is_this, lock, private_folder

__all__ = ["RESULT", "RUNS_FOLDER", "RunPlace", "RunState", "place_for", "run_folder", "state_of", "taken", "unended"]

RUNS_FOLDER = ".harness/runs"
RESULT = "result.json"
_KEPT_RUNS = 20


class RunState(StrEnum):
    """Of a run's folder: ended with a result, going on, or killed and not yet brought to an end."""

    ENDED = "ended"
    RUNNING = "running"
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class RunPlace:
    """Where a run leaves its evidence.

    Args:
        journal: None where not even that can be written.
        trouble: why the folder is not the project's own.
    """

    folder: Path
    journal: Journal | None
    trouble: str = ""


@contextmanager
def place_for(root: Path, run_id: str, begin: Callable[[Path], Journal]) -> Iterator[RunPlace]:
    """Make the folder of a run; where the project takes none, a private one in the folder for temporary files.

    Args:
        begin: begins the journal in a folder.

    Raises:
        InfrastructureError: when there is no room for that either.
    """
    folder = root / RUNS_FOLDER / run_id
    with ExitStack() as ending:
        try:
            folder.mkdir(parents=True)
            place = RunPlace(folder, begin(folder))
        except OSError as error:
            with suppress(OSError):
                folder.rmdir()
            place = _elsewhere(error, begin, ending)
        else:
            with suppress(OSError):
                _forget_old_runs(folder.parent)
        if place.journal:
            ending.callback(place.journal.close)
        yield place


def _elsewhere(error: OSError, begin: Callable[[Path], Journal], ending: ExitStack) -> RunPlace:
    try:
        folder = ending.enter_context(private_folder("harness-run-", keep=True))
    except OSError as worse:
        raise InfrastructureError(f"there is no place for the evidence of a run: {error}; {worse}") from None
    journal = None
    with suppress(OSError):  # no room there either; what the stages make of that, they say
        journal = begin(folder)
    return RunPlace(
        folder,
        journal,
        f"cannot write {error.filename or RUNS_FOLDER}: {error.strerror}. The evidence of this run is in {folder} instead; "
        f"`harness report` does not know it, --out keeps its reports",
    )


def run_folder(root: Path, run_id: str = "") -> Path:
    """Find the folder of a run, the latest when none is named; `state_of` says whether it has ended.

    Raises:
        UsageError: when there is none.
    """
    runs = root / RUNS_FOLDER
    known = sorted({p.parent.name for name in (RESULT, JOURNAL) for p in runs.glob(f"*/{name}")})
    if not known:
        raise UsageError(f"no run has been recorded in {runs}. Start one with `harness run`.")
    if not run_id or run_id == "latest":
        return runs / known[-1]
    if run_id not in known:
        raise UsageError(f'there is no run "{run_id}" in {runs}.{did_you_mean(run_id, known)} Latest: {known[-1]}.')
    return runs / run_id


def unended(root: Path) -> list[Path]:
    """The folders of runs that are going on or were killed, oldest first."""
    return sorted(p.parent for p in (root / RUNS_FOLDER).glob(f"*/{JOURNAL}"))


def state_of(folder: Path) -> RunState:
    """Whether a run has ended, is going on, or was killed."""
    if not (folder / JOURNAL).exists():
        return RunState.ENDED
    with taken(folder) as ours:
        return RunState.KILLED if ours else RunState.RUNNING


@contextmanager
def taken(folder: Path) -> Iterator[bool]:
    """Hold the lock on the journal of a run that was killed, so that one harness alone brings it to its end.

    Yields:
        False when its writer or another harness holds it, when it is gone by now, and when that cannot be told.
    """
    try:
        descriptor = _open_journal(folder / JOURNAL)
    except OSError:
        yield False
        return
    try:
        about = os.fstat(descriptor)
        ours = False
        if stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid():
            with suppress(OSError):  # no locks on this file system: hands off
                ours = lock(descriptor) and is_this(folder / JOURNAL, descriptor)
        yield ours
    finally:
        os.close(descriptor)


def _open_journal(file: Path) -> int:
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(file, os.O_RDWR | flags)  # what a lock takes on a network's file system
    except OSError:
        return os.open(file, os.O_RDONLY | flags)


def _forget_old_runs(runs: Path) -> None:
    """Keep the newest runs; the evidence store remembers the results of the others."""
    folders = sorted(p for p in runs.iterdir() if p.is_dir() and not p.is_symlink())
    for folder in folders[:-_KEPT_RUNS]:
        if (folder / RESULT).is_file() and not (folder / JOURNAL).exists():  # else it has not ended
            shutil.rmtree(folder, ignore_errors=True)
