"""How many copies of the system may be at work at once: as many as the machine feeds. Knows not what they do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import anyio

from harness.system.machine import Machine

__all__ = ["Crowd", "wanted"]

_PERIOD_S = 1.0
#: Processes that wait for each processor, on average: above it is one copy too many, below it there is room for one more.
_FULL = 1.5
_ROOM = 0.75


def wanted(now: int, most: int, waiting: float, processors: int) -> int:
    """How many copies there should be.

    Args:
        now: as many may be at work.
        most: as many there are.
        waiting: seconds that all processes together waited for a processor in each second.
    """
    if waiting > _FULL * processors:
        return max(1, now - 1)
    return min(most, now + 1) if waiting < _ROOM * processors else now


class Crowd:
    """Lets one copy begin, and another one whenever the machine has room; the last to come rests first when it has none.

    Args:
        most: copies there are; they are numbered from 0.
        machine: watched meanwhile; None: all may be at work, always.
    """

    def __init__(self, most: int, machine: Machine | None) -> None:
        self._most, self._machine = most, machine
        self._now = most if machine is None else 1
        self._looked = anyio.Event()

    async def watch(self) -> None:
        """Keep deciding; never ends by itself."""
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        while self._machine is not None:
            await anyio.sleep(_PERIOD_S)
            end = time.time()
            waiting = self._machine.added_s(end - _PERIOD_S, end) / _PERIOD_S
            self._now = wanted(self._now, self._most, waiting, processors)
            looked, self._looked = self._looked, anyio.Event()
            looked.set()

    async def has_room(self, number: int, over: Callable[[], bool]) -> bool:
        """Wait until a copy may be at work; False when nothing is left for it meanwhile.

        Args:
            number: of the copy.
            over: whether nothing is left.
        """
        while number >= self._now and not over():
            await self._looked.wait()
        return not over()
