"""What the machine adds to every time taken on it: processes of ours that could go on and had to wait, clocks that jumped.

Linux says of every thread how long it was ready to run and waited for a processor (`/proc/PID/schedstat`, the second figure;
https://www.kernel.org/doc/html/latest/scheduler/sched-stats.html). Summed over everything we have started, that is the most a
busy machine can have added to an answer that went through these processes one after the other. Where there is no such file,
what our own event loop was late stands for it. Judges nothing.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import anyio
import psutil

__all__ = ["Added", "Machine", "nothing_added", "watched"]

_PERIOD_S = 0.1
#: How often it is looked which processes there are, in ticks.
_LOOK = 10
#: By so much two clocks may differ from one tick to the next, in seconds.
_SAME_S = 0.05
#: So late we are ourselves only when everything stood still, in seconds; less is in what we waited for a processor.
_STILL_S = 1.0
_PROC = Path("/proc")


class Added(Protocol):
    """What a machine added to whatever went on between two moments."""

    def __call__(self, start: float, end: float, *services: str) -> float:
        """Say it.

        Args:
            start, end: seconds since the epoch.
            services: only what these had to wait for; all that was at work for this copy of the system by default.

        Returns:
            Seconds.
        """
        ...


def nothing_added(start: float, end: float, *services: str) -> float:  # noqa: ARG001 - an `Added`
    """As if the machine had done nothing else."""
    return 0.0


@dataclass(frozen=True, slots=True)
class _Tick:
    """A moment, and what came from the first one until then, in seconds.

    Args:
        waited: for a processor, by session.
        lost: by clocks and standstills, to everybody.
    """

    at: float
    waited: Mapping[int, float] = field(default_factory=dict)
    lost: float = 0.0


@dataclass(slots=True)
class Machine:
    """Keeps watch; made by `watched`.

    Args:
        processes: of whom it is asked how long they waited; looked up anew from time to time.
    """

    processes: Callable[[], Iterable[int]]
    _ticks: list[_Tick] = field(default_factory=list)
    #: What a clock that went back has told twice: from when to when, and how many seconds that is.
    _twice: list[tuple[float, float, float]] = field(default_factory=list)
    _seen: dict[str, float] = field(default_factory=dict)
    _sessions: dict[int, int] = field(default_factory=dict)
    _clocks: tuple[float, float] = (0.0, 0.0)
    _until_look: int = 0

    def added_s(self, start: float, end: float, sessions: Collection[int] | None = None) -> float:
        """The most that was added to whatever went on between two moments.

        Args:
            start, end: seconds since the epoch.
            sessions: only what these sessions waited; all by default.

        Returns:
            Seconds; of a moment between two looks the whole time between them counts.
        """
        if not self._ticks or end <= start:
            return 0.0
        if end > self._ticks[-1].at:
            self.look()
        first = self._ticks[max(0, bisect_right(self._ticks, start, key=_at) - 1)]
        last = self._ticks[min(len(self._ticks) - 1, bisect_left(self._ticks, end, key=_at))]
        wanted = last.waited.keys() if sessions is None else sessions
        waited = sum(last.waited.get(g, 0.0) - first.waited.get(g, 0.0) for g in wanted)
        twice = sum(back_s for low, high, back_s in self._twice if start <= high and end >= low)
        return waited + last.lost - first.lost + twice

    def look(self) -> None:
        """Take down what was added since the last look."""
        if self._until_look <= 0:
            self._sessions, self._until_look = dict(_grouped(self.processes())), _LOOK
        self._until_look -= 1
        wall, steady = time.time(), time.monotonic()
        waited = self._waited_since()
        if not self._ticks:
            self._ticks.append(_Tick(wall))
        else:
            before = self._ticks[-1]
            if wall < self._clocks[0]:
                self._twice.append((wall, before.at, before.at - wall))
            total = {g: before.waited.get(g, 0.0) + waited.get(g, 0.0) for g in before.waited.keys() | waited.keys()}
            # Moments go forwards, whatever the clock does: they are looked up by bisection.
            self._ticks.append(_Tick(max(wall, before.at), total, before.lost + self._lost(wall, steady)))
        self._clocks = (wall, steady)

    def _waited_since(self) -> Mapping[int, float]:
        """How long the threads of each session waited for a processor since the last look."""
        found: dict[int, float] = {}
        seen: dict[str, float] = {}
        for pid, session in self._sessions.items():
            for path, waited in _waited(pid):
                seen[path] = waited
                found[session] = found.get(session, 0.0) + max(0.0, waited - self._seen.get(path, waited))
        self._seen = seen
        return found

    def _lost(self, wall: float, steady: float) -> float:
        """What the clocks tell: one that jumped, a machine that was suspended, and how late we were ourselves."""
        passed, jumped = steady - self._clocks[1], wall - self._clocks[0] - (steady - self._clocks[1])
        late = passed - _PERIOD_S
        still = late if late > (_STILL_S if self._seen else 0.0) else 0.0
        return still + (abs(jumped) if abs(jumped) > _SAME_S else 0.0)


@asynccontextmanager
async def watched(processes: Callable[[], Iterable[int]] | None = None) -> AsyncIterator[Machine]:
    """Watch the machine while a block goes on.

    Args:
        processes: see `Machine`; by default this process and all it has started.
    """
    machine = Machine(processes or _family)

    async def keep_looking() -> None:
        while True:
            machine.look()
            await anyio.sleep(_PERIOD_S)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep_looking)
        yield machine
        tasks.cancel_scope.cancel()


def _at(tick: _Tick) -> float:
    return tick.at


def _family() -> list[int]:
    own = psutil.Process()
    with suppress(psutil.Error):
        return [own.pid, *(child.pid for child in own.children(recursive=True))]
    return [own.pid]


def _grouped(pids: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Each process with its session: what a service has started itself is in the service's."""
    for pid in pids:
        with suppress(OSError):
            yield pid, os.getsid(pid)


def _waited(pid: int) -> Iterator[tuple[str, float]]:
    """Each thread of a process, and how long it has waited for a processor so far, in seconds; nothing once it is gone."""
    try:
        threads = list((_PROC / str(pid) / "task").iterdir())
    except OSError:
        return
    for thread in threads:
        with suppress(OSError, ValueError, IndexError):
            yield str(thread), int((thread / "schedstat").read_bytes().split()[1]) / 1e9
