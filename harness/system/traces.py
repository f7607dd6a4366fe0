"""Finds what the services logged about one trace; knows nothing of what the lines mean."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path

__all__ = ["last_lines", "trace_lines"]

_READ_B = 4 * 1024 * 1024


def trace_lines(logs: Mapping[str, Path], trace_id: str, *, per_service: int = 8, width: int = 400) -> tuple[str, ...]:
    """Collect the last log lines that carry `trace_id`, each as `service | line`, service by service.

    Args:
        logs: log file of each service; only the last 4 MB of each are read.
        per_service: how many lines of one service at most.
        width: longer lines are cut.
    """
    if not trace_id:
        return ()
    found: list[str] = []
    for service, file in logs.items():
        last: deque[str] = deque(maxlen=per_service)
        for line in _tail(file).splitlines():
            if trace_id in line:
                last.append(f"{service} | {line[:width]}")
        found += last
    return tuple(found)


def last_lines(
    logs: Mapping[str, Path], *, since: float = 0.0, per_service: int = 4, width: int = 400
) -> tuple[str, ...]:
    """Collect the last log lines of each service, for systems whose lines carry no trace ids.

    Args:
        since: seconds since the epoch; a log nobody wrote to since then is left out.
    """
    found: list[str] = []
    for service, file in logs.items():
        try:
            quiet = file.stat().st_mtime < since
        except OSError:
            continue
        lines = [] if quiet else [line for line in _tail(file).splitlines() if line.strip()]
        found += [f"{service} | {line[:width]}" for line in lines[-per_service:]]
    return tuple(found)


def _tail(file: Path) -> str:
    try:
        with file.open("rb") as source:
            source.seek(0, os.SEEK_END)
            source.seek(max(0, source.tell() - _READ_B))
            return source.read().decode(errors="replace")
    except OSError:
        return ""
