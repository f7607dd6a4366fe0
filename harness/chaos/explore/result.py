"""What came of one cell, as a value: what was seen, and which promises were broken."""

from __future__ import annotations

from dataclasses import dataclass

from harness.chaos.explore.judging import Broken
from harness.chaos.explore.observation import Observation

__all__ = ["Result"]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one cell.

    Args:
        broken: promises broken in every try.
        doubtful: promises broken in the first try only.
    """

    seen: Observation
    broken: tuple[Broken, ...] = ()
    doubtful: tuple[Broken, ...] = ()
