"""The folders of runs: made, found, forgotten; whether a run is still going on is decided by the lock on its journal alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.errors import InfrastructureError, UsageError, did_you_mean
from harness.pipeline.journal import JOURNAL, Journal, is_journal, open_journal
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
            place = _elsewhere(folder, error, begin, ending)
        else:
            _forget_old_runs(root)
        if place.journal:
            ending.callback(place.journal.close)
        yield place


def _elsewhere(refused: Path, error: OSError, begin: Callable[[Path], Journal], ending: ExitStack) -> RunPlace:
    why = f"cannot write {error.filename or refused}: {error.strerror}"
    try:
        folder = ending.enter_context(private_folder("harness-run-", keep=True))
    except OSError as worse:
        if refused.is_dir():  # no room anywhere; what the stages make of that, they say
            return RunPlace(refused, None, f"this run is lost if it is killed: {why}")
        raise InfrastructureError(f"there is no place for the evidence of a run: {why}; {worse}") from None
    with suppress(OSError):
        refused.rmdir()
    journal = None
    with suppress(OSError):  # no room there either
        journal = begin(folder)
    return RunPlace(
        folder,
        journal,
        f"the evidence of this run is in {folder}: {why}",
    )


def run_folder(root: Path, run_id: str = "") -> Path:
    """Find the folder of a run, the latest when none is named; `state_of` says whether it has ended.

    Raises:
        UsageError: when there is none.
    """
    runs = root / RUNS_FOLDER
    known = [f.name for f in _folders(root) if (f / RESULT).is_file() or is_journal(f / JOURNAL)]
    if not known:
        raise UsageError(f"no run has been recorded in {runs}. Start one with `harness run`.")
    if not run_id or run_id == "latest":
        return runs / known[-1]
    if run_id not in known:
        raise UsageError(f'there is no run "{run_id}" in {runs}.{did_you_mean(run_id, known)} Latest: {known[-1]}.')
    return runs / run_id


def unended(root: Path) -> list[Path]:
    """The folders of runs that are going on or were killed, oldest first."""
    return [f for f in _folders(root) if is_journal(f / JOURNAL)]


def _folders(root: Path) -> list[Path]:
    """Every folder of a run, oldest first; none where they may not be looked at."""
    with suppress(OSError):
        return sorted(p for p in (root / RUNS_FOLDER).iterdir() if p.is_dir() and not p.is_symlink())
    return []


def state_of(folder: Path) -> RunState:
    """Whether a run has ended, is going on, or was killed."""
    if not is_journal(folder / JOURNAL):
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
        descriptor = open_journal(folder / JOURNAL)
    except OSError:
        yield False
        return
    try:
        about = os.fstat(descriptor)
        ours = False
        if about.st_uid == os.geteuid():
            with suppress(OSError):  # no locks on this file system: hands off
                ours = lock(descriptor) and is_this(folder / JOURNAL, descriptor)
        yield ours
    finally:
        os.close(descriptor)


def _forget_old_runs(root: Path) -> None:
    """Keep the newest runs; the evidence store remembers the results of the others."""
    for folder in _folders(root)[:-_KEPT_RUNS]:
        if (folder / RESULT).is_file() and not is_journal(folder / JOURNAL):  # else it has not ended
            shutil.rmtree(folder, ignore_errors=True)
