"""Finds fallbacks that lean on what has just failed: other reads of the same callee; judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from harness.chaos.client import Call
from harness.chaos.explore.windows import Window

__all__ = ["Fallback", "fallbacks"]

#: Only these undo nothing and settle nothing: whatever else a caller sends after a failure may be there to make it good.
_READS = {"GET", "HEAD"}


@dataclass(frozen=True, slots=True)
class Fallback:
    """A read that failed, and what the caller then asked the same callee for instead."""

    window: Window
    failed: Call
    instead: Call


def fallbacks(
    windows: Iterable[Window], usual: Collection[str], operation: Callable[[str, str], str]
) -> list[Fallback]:
    """Reads made over an edge after one had failed there, of operations nobody asks for while all is well.

    Args:
        windows: calls given to the edge's caller, each with what it sent over the edge, all of which failed.
        usual: the operations that are asked for while all is well.
        operation: names the operation of a method and a path.
    """
    found = []
    for window in windows:
        reads = [c for c in window.calls if c.method in _READS]
        for instead in reads:
            before = [c for c in reads if c.ended is not None and c.ended <= instead.began]
            if before and operation(instead.method, instead.path) not in usual:
                found.append(Fallback(window, before[0], instead))
    return found
