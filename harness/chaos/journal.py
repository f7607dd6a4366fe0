"""The journal of a chaos run: what was done when, what was seen, what was rolled back; one JSON object a line."""

from __future__ import annotations

import json
import time
from pathlib import Path

__all__ = ["Journal"]


class Journal:
    """Appends to a file and is never behind: after a crash it tells what was in force."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")

    def write(self, what: str, *, experiment: str = "", edge: str = "", **facts: object) -> float:
        """Write down one event.

        Args:
            what: `fault injected`, `fault lifted`, `recovered` ...

        Returns:
            Its time, in seconds since the epoch.
        """
        at = time.time()
        entry = {"at": at, "experiment": experiment, "edge": edge, "what": what, **facts}
        self._file.write(json.dumps(entry, default=str) + "\n")
        self._file.flush()
        return at

    def close(self) -> None:
        """Close the file."""
        self._file.close()
