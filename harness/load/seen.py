"""What happened in Locust's process beside its own statistics, as a file; `watch` sees and writes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness.evidence import from_json

__all__ = ["SEEN_VARIABLE", "TIMEOUT_VARIABLE", "Seen", "read_seen"]

SEEN_VARIABLE = "HARNESS_LOAD_SEEN"
#: How long one exchange may take, in seconds.
TIMEOUT_VARIABLE = "HARNESS_LOAD_TIMEOUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What happened beside Locust's own statistics.

    Args:
        requests: all requests.
        starting: those made in `on_start` of a user or a task set.
        lasted_s: how long load was made, in seconds.
        errors: exceptions that ended a task, as `ValueError: no such item`, and how often.
    """

    requests: int = 0
    starting: int = 0
    lasted_s: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)


def read_seen(file: Path) -> Seen:
    """Read what a Locust that has ended left; nothing seen when it left nothing."""
    try:
        return from_json(Seen, file.read_bytes())
    except (OSError, ValueError):
        return Seen()
