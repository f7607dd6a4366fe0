"""The journal of a run: what is known of it, on disk from the moment it is known, so that a kill loses nothing that had ended.

One file, `journal.ndjson`, one JSON text a line, only ever appended to: first the run, then each finding as it comes and each
stage with its whole result and gates when it ends (then on the disk itself, with fsync). The harness holds a lock on it: a
journal that nobody holds is that of a run that was killed. It is gone once the run's result is written and in the history.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from harness.evidence import Finding, GateOutcome, StageResult, Status, from_json, to_json
from harness.pipeline.events import Event, FindingFound, PlannedStage, StageFinished, StageStarted
from harness.system.scratch import lock

__all__ = ["JOURNAL", "Journal", "ProcessesMarked", "Record", "RunBegun", "is_journal", "open_journal", "read_record"]

JOURNAL = "journal.ndjson"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBegun:
    """What is known of a run before its first stage starts; see `RunResult`."""

    run_id: str
    system: str = ""
    profile: str = ""
    seed: int = 0
    started: str = ""
    stages: tuple[PlannedStage, ...] = ()
    commit: str = ""
    branch: str = ""
    environment: str = ""
    command: str = ""
    kind: Literal["run_begun"] = "run_begun"


@dataclass(frozen=True, slots=True)
class ProcessesMarked:
    """The token that every process of the run carries, so that it can be found when its guardian is gone as well."""

    token: str
    kind: Literal["processes_marked"] = "processes_marked"


_Line = RunBegun | ProcessesMarked | StageStarted | FindingFound | StageFinished
_WireLine = Annotated[_Line, Field(discriminator="kind")]


class Journal:
    """Writes the journal; the first handler of a run's events, so that nothing is shown that is not kept.

    A disk that is full does not end a run: it is told once, and what still fits is kept.

    Args:
        folder: the run's.
        trouble: is told, once, when something could not be kept.

    Raises:
        OSError: when the journal cannot be begun.
    """

    def __init__(self, folder: Path, begun: RunBegun, trouble: Callable[[str], None]) -> None:
        self._file, self._trouble = folder / JOURNAL, trouble
        self._torn = self._told = False
        # It gets its name once it is locked and begun: whoever finds it without a lock knows that its writer is dead.
        unnamed = folder / f".{JOURNAL}"
        self._descriptor = os.open(
            unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        try:
            self._lock()
            self._write(begun)
            self._sync()
            unnamed.rename(self._file)
            sync_folder(folder)
        except BaseException:
            os.close(self._descriptor)
            unnamed.unlink(missing_ok=True)
            raise

    def handle(self, event: Event) -> None:
        """Keep what has to outlive the harness."""
        if isinstance(event, StageStarted | FindingFound | StageFinished):
            self.keep(event)

    def keep(self, line: _Line) -> None:
        """Append a line; what has ended is on the disk when this returns, the rest is safe from a kill."""
        try:
            self._write(line)
            if isinstance(line, StageFinished) and line.result.status is not Status.SKIPPED:
                self._sync()
        except OSError as error:
            if not self._told:
                self._told = True
                self._trouble(
                    f"cannot write {self._file}: {error.strerror}. Were the harness killed now, it would be lost."
                )

    def close(self) -> None:
        """Let go of the lock and leave the file: the run is not finished."""
        os.close(self._descriptor)

    def finish(self) -> None:
        """Remove it: all that it says is in the run's result by now."""
        self._file.unlink(missing_ok=True)

    def _lock(self) -> None:
        try:
            lock(self._descriptor)
        except OSError:  # no such locks on this file system: then nobody can find it unlocked either
            return

    def _write(self, line: _Line) -> None:
        # What a full disk cut off stays a line of its own, and is passed over when it is read.
        data = (b"\n" if self._torn else b"") + to_json(line).encode() + b"\n"
        while data:
            self._torn = True
            data = data[os.write(self._descriptor, data) :]
        self._torn = False

    def _sync(self) -> None:
        os.fsync(self._descriptor)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk: a file that was renamed is else only safe from a kill, not from a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some file systems cannot, and need not
        return
    finally:
        os.close(descriptor)


def is_journal(file: Path) -> bool:
    """Whether there is a journal, which is a plain file; what else bears its name is none."""
    with suppress(OSError):
        return stat.S_ISREG(file.lstat().st_mode)
    return False


def open_journal(file: Path) -> int:
    """Open a journal to be read and locked.

    Raises:
        OSError: when it may not be read, or is no plain file.
    """
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    if not is_journal(file):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
    try:
        return os.open(file, os.O_RDWR | flags)  # what a lock takes on a network's file system
    except OSError:
        return os.open(file, os.O_RDONLY | flags)


@dataclass(slots=True)
class Record:
    """What a journal says.

    Args:
        begun: the run; with no more than its id where that line is lost.
        token: what its processes carry; empty when none were started.
        at: stage -> when it began, in seconds since the epoch.
        found: stage -> what it had found until then.
        ended: the stages that had ended.
        damaged: how many lines cannot be read.
        last: when the journal was last written, in seconds since the epoch.
    """

    begun: RunBegun
    token: str = ""
    at: dict[str, float] = field(default_factory=dict)
    found: dict[str, list[Finding]] = field(default_factory=dict)
    ended: dict[str, StageResult] = field(default_factory=dict)
    gates: list[GateOutcome] = field(default_factory=list)
    damaged: int = 0
    last: float = 0.0

    def take(self, line: _Line) -> None:
        """Add what one line says."""
        match line:
            case RunBegun():
                self.begun = line
            case ProcessesMarked(token=token):
                self.token = token
            case StageStarted(stage=stage, at=at):
                self.at[stage] = at
            case FindingFound(stage=stage, finding=finding):
                self.found.setdefault(stage, []).append(finding)
            case StageFinished(result=result, gates=gates):
                self.ended[result.name] = result
                self.gates.extend(gates)


def read_record(file: Path) -> Record:
    """Read a journal, however it ends; lines that are torn or no such lines are counted and passed over.

    Raises:
        OSError: when it cannot be read.
    """
    record = Record(RunBegun(run_id=file.parent.name))
    kind: Any = _WireLine
    with os.fdopen(open_journal(file), "rb") as lines:
        record.last = os.fstat(lines.fileno()).st_mtime
        for text in lines:
            if not text.strip():
                continue
            try:
                record.take(from_json(kind, text))
            except ValueError:  # pydantic's ValidationError is one
                record.damaged += 1
    return record
