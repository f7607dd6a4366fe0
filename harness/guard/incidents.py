"""What a guard had to step in for, written down where whoever started this process reads it: one JSON line each.

A refusal is an exception where it happens, and code that swallows it would hide it; the incident is told all the same.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

__all__ = ["INCIDENTS_FILE", "Incident", "Kind", "read_incidents", "report", "report_to"]

#: What the file is called, in the folder of whoever is guarded.
INCIDENTS_FILE = "incidents.ndjson"

#: More of them say nothing new, and an endless loop must not fill the disk.
_MOST = 200
_LONGEST = 600


class Kind(StrEnum):
    """What happened."""

    UNINVITED = "uninvited"
    TOO_MUCH = "too_much"
    BROKE = "broke"


@dataclass(frozen=True, slots=True)
class Incident:
    """One time that a guard stepped in.

    Args:
        asked: what was asked for: a place, a URL, a request.
        text: what was wrong with it, as a sentence.
        by: whose code it was, as well as can be told: a journey and its step, a line of a file.
        sent_by: who named the address, where it came out of an answer; empty when nobody did.
    """

    kind: Kind
    asked: str
    text: str
    by: str = ""
    sent_by: str = ""


_file: Path | None = None
_told: set[Incident] = set()
_lock = threading.Lock()


def report_to(file: Path | None) -> None:
    """Have the incidents of this process written to a file; None: nowhere."""
    global _file  # noqa: PLW0603 - one file for the whole process
    _file = file
    _told.clear()


def report(incident: Incident) -> None:
    """Write an incident down; the same one is written once."""
    if _file is None:
        return
    short = Incident(incident.kind, *(v[:_LONGEST] for v in list(asdict(incident).values())[1:]))
    with _lock:
        if short in _told or len(_told) >= _MOST:
            return
        _told.add(short)
    line = json.dumps(asdict(short)).encode() + b"\n"
    with suppress(OSError):
        handle = os.open(_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)


def read_incidents(folder: Path) -> tuple[Incident, ...]:
    """What was written down in a folder and those below it, each once, in the order it came."""
    found: dict[Incident, None] = {}
    for file in sorted(folder.rglob(INCIDENTS_FILE)):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, TypeError):  # a torn last line
                told = json.loads(line)
                found[Incident(Kind(told.pop("kind")), **told)] = None
    return tuple(found)
