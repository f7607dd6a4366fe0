"""What a run of consumer tests writes down: one JSON record a line. Written by the pytest plugin, read by the stage."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

__all__ = ["CollectionProblem", "Published", "Record", "Session", "TestEnded", "append", "read"]


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
    """A test file that could not be collected."""

    file: str
    message: str
    detail: str = ""
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
    """

    exit_code: int
    collected: int
    complete: bool
    why_partial: str = ""
    conflicts: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    kind: Literal["session"] = "session"


Record = Annotated[TestEnded | CollectionProblem | Published | Session, "kind"]


def append(file: Path, record: TestEnded | CollectionProblem | Published | Session) -> None:
    """Add one record."""
    # Plain json: this runs in the user's test process, which should not pay for pydantic.
    with file.open("a", encoding="utf-8") as sink:
        sink.write(json.dumps(asdict(record)) + "\n")


def read(file: Path) -> list[TestEnded | CollectionProblem | Published | Session]:
    """Read every whole record; a last line that was cut off is left out, and a file that is not there is empty."""
    from pydantic import TypeAdapter, ValidationError

    adapter: TypeAdapter[TestEnded | CollectionProblem | Published | Session] = TypeAdapter(Record)
    records = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            records.append(adapter.validate_json(line))
        except ValidationError:
            continue
    return records
