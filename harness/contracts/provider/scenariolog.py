"""What scenarios write down: which there are, and what each asked of its provider. Written under pytest, read by a stage."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from harness.contracts.consumer.testlog import opened_privately

__all__ = ["Asked", "Deaf", "Planned", "append", "read"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A scenario that pytest found, before anything could leave it out.

    Args:
        test: pytest's node id.
        file, line: where it is defined; lines start at 1.
        problem: why it cannot be run as it is written; empty when it can.
    """

    test: str
    consumer: str
    provider: str
    file: str
    line: int
    problem: str = ""
    kind: Literal["planned"] = "planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one scenario asked of its provider.

    Args:
        exchanges: request and response as text, oldest first; not redacted. The last few only.
        calls: how many requests there were in all.
        trace_id: W3C trace id that its requests carried.
    """

    test: str
    calls: int
    trace_id: str
    exchanges: tuple[tuple[str, str], ...] = ()
    kind: Literal["asked"] = "asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deaf:
    """A scenario that passed, and passed as well when somebody else answered nonsense in the provider's place."""

    test: str
    kind: Literal["deaf"] = "deaf"


Record = Planned | Asked | Deaf


def append(file: Path, record: Record) -> None:
    """Add one record."""
    with open(file, "a", encoding="utf-8", opener=opened_privately) as sink:
        sink.write(json.dumps(asdict(record)) + "\n")


def read(file: Path) -> list[Record]:
    """Read every whole record; a last line that was cut off is left out, and a file that is not there is empty."""
    records: list[Record] = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            raw = json.loads(line)
        except ValueError:
            continue
        if raw["kind"] == "planned":
            records.append(Planned(**raw))
        elif raw["kind"] == "deaf":
            records.append(Deaf(**raw))
        else:
            raw["exchanges"] = tuple((request, response) for request, response in raw["exchanges"])
            records.append(Asked(**raw))
    return records
