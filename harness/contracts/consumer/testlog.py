"""What a run of consumer tests writes down: one JSON record a line. Written by the pytest plugin, read by the stage."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

__all__ = [
    "CollectionProblem",
    "Published",
    "Record",
    "Replayed",
    "Session",
    "TestEnded",
    "append",
    "opened_privately",
    "read",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestEnded:
    """One test is over.

    Args:
        test: pytest's node id.
        outcome: `passed`, `failed`, `skipped` (an expected failure counts as skipped: it proves nothing).
        file: relative to pytest's root folder.
        line: where it failed, else where it is defined; starts at 1.
        message: the assertion or the exception, one line, or the reason for skipping.
        detail: pytest's own report of the failure.
        duration_s: seconds, set-up and teardown included.
    """

    test: str
    outcome: Literal["passed", "failed", "skipped"]
    file: str
    line: int
    message: str = ""
    detail: str = ""
    duration_s: float = 0.0
    kind: Literal["test"] = "test"

    __test__ = False  # pytest: the name starts with Test, but this is none


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionProblem:
    """A test file that could not be collected, or left itself out.

    Args:
        skipped: whether it left itself out (`importorskip`, `skip(allow_module_level=True)`); `message` is its reason.
    """

    file: str
    message: str
    detail: str = ""
    skipped: bool = False
    kind: Literal["collection"] = "collection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One pact file as it was left.

    Args:
        produced: how many of its interactions this run produced.
        kept: how many were there before and were left alone, because not every test was run or passed.
    """

    consumer: str
    provider: str
    file: str
    produced: int
    kept: int
    kind: Literal["published"] = "published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The end of the run; a log without it was cut off.

    Args:
        complete: whether every test of the suite ran and passed, so that what was not produced is not wanted any more.
        why_partial: why not; empty when complete.
        conflicts: interactions two tests define differently, in words.
        stale: pact files that belong to this suite and that no test of a complete run produced.
        not_run: ids of tests that were collected and did not end, sorted; a few where there are many.
        not_run_in_all: how many those are.
    """

    exit_code: int
    collected: int
    complete: bool
    why_partial: str = ""
    conflicts: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    not_run: tuple[str, ...] = ()
    not_run_in_all: int = 0
    kind: Literal["session"] = "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One test was replayed with answers changed inside what its contract allows.

    Args:
        outcome: `tolerant` when nothing broke it, `intolerant` when something did, `not_replayed` with a reason.
        differences: the smallest set of changes that broke it, in words.
        message: what was raised, one line.
        file: where that was, relative to pytest's root folder where it lies there.
        certain: whether it was raised beyond the tests' own code; else it may be the test that is too strict.
        replays: how often the test was run again.
        read: fields the test cannot do without, as `$.items[*].price`.
        unread: fields it passes without; nothing in it reads them.
        pinned: fields of which the contract asks for one value, while the test passes with any.
    """

    test: str
    consumer: str
    provider: str
    outcome: Literal["tolerant", "intolerant", "not_replayed"]
    reason: str = ""
    differences: tuple[str, ...] = ()
    message: str = ""
    detail: str = ""
    file: str = ""
    line: int = 0
    certain: bool = True
    replays: int = 0
    read: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    duration_s: float = 0.0
    kind: Literal["replayed"] = "replayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpublished:
    """The pact of a test that failed: what it sent in confidence is to be known, and nothing else of it is used."""

    pact: dict[str, Any]
    kind: Literal["unpublished"] = "unpublished"


Entry = TestEnded | CollectionProblem | Published | Replayed | Session | Unpublished
Record = Annotated[Entry, "kind"]


def opened_privately(path: str, flags: int) -> int:
    """Make a file that is its user's only, whatever the umask; the `opener` of `open` for what tests sent and got."""
    return os.open(path, flags, 0o600)


def append(file: Path, record: Entry) -> None:
    """Add one record."""
    # Plain json: this runs in the user's test process, which should not pay for pydantic.
    with open(file, "a", encoding="utf-8", opener=opened_privately) as sink:
        sink.write(json.dumps(asdict(record)) + "\n")


def read(file: Path) -> list[Entry]:
    """Read every whole record; a last line that was cut off is left out, and a file that is not there is empty."""
    from pydantic import TypeAdapter, ValidationError

    adapter: TypeAdapter[Entry] = TypeAdapter(Record)
    records = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            records.append(adapter.validate_json(line))
        except ValidationError:
            continue
    return records
