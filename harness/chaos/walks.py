"""The journeys walked in the background of an experiment: open loop, at a rate this machine and this system can keep up with."""

from __future__ import annotations

import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import anyio.abc

from harness.chaos.experiments import Experiment, Wait
from harness.chaos.settings import Timing
from harness.errors import HarnessError
from harness.system.arrivals import ArrivalKind, schedule
from harness.system.drive import Sample
from harness.system.walker import Walker

__all__ = ["CONFIRM_S", "Walks", "fault_s"]

#: A recovery that comes too late is watched this much longer, so that it can be said how late it came.
CONFIRM_S = 3.0
#: How many times the allowed latency an answer is waited for before it counts as none.
_PATIENCE = 3.0
#: A fault outlasts the allowed latency by the first arrival and a half, and by this much for the way to the edge: the walks
#: that begin with it can then be seen to exceed what is allowed.
_MARGIN_S = 0.3
#: How long walks that are still under way at the end are waited for, in seconds.
_DRAIN_S = 2.0
#: Slower than this nothing is learnt in the time there is, in walks per second.
_SLOWEST = 0.5


def fault_s(experiment: Experiment, timing: Timing, rate: float) -> float:
    """How long the fault lasts: longer than an answer may take, or nobody could tell a caller without a time limit.

    Where nothing stays in force (a restart is over when the service is ready again) it is watched for an arrival or two; what
    is written in Python lasts as long as it waits.

    Args:
        rate: journeys per second.
    """
    if experiment.steps:
        return sum(s.seconds for s in experiment.steps if isinstance(s, Wait))
    if experiment.fault_s is None and not experiment.faults and not any(p.action.lasts for p in experiment.processes):
        return 1.5 / rate + _MARGIN_S
    return max(experiment.fault_s or timing.fault, experiment.during.latency_s + 1.5 / rate + _MARGIN_S)


@dataclass(slots=True)
class Walks:
    """Walks the journeys of an experiment as long as a block lasts.

    Args:
        rate: journeys per second; less once `slow_down` was called.
        samples: every walk that has ended, in the order they did.
        open: the journey of each walk that has not ended, and when it was to begin, in seconds since the epoch.
    """

    experiment: Experiment
    walker: Walker
    journeys: Path
    seed: int
    rate: float
    samples: list[Sample] = field(default_factory=list)
    open: dict[int, tuple[str, float]] = field(default_factory=dict)
    _ended: anyio.Event = field(default_factory=anyio.Event)

    @property
    def timeout_s(self) -> float:
        """The longest one request may take before it counts as not answered, in seconds."""
        return self.experiment.during.latency_s * _PATIENCE + 2.0

    def slow_down(self) -> bool:
        """Walk half as often from now on; False where nobody would learn anything then."""
        if self.rate / 2 < _SLOWEST:
            return False
        self.rate /= 2
        return True

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Walk until the block ends, and then until what is under way has ended, if that is soon.

        Raises:
            HarnessError: when the journeys cannot be walked.
        """
        try:
            async with anyio.create_task_group() as tasks:
                async with anyio.create_task_group() as arrivals:
                    arrivals.start_soon(self._arrive, tasks)
                    yield
                    arrivals.cancel_scope.cancel()
                tasks.cancel_scope.deadline = anyio.current_time() + _DRAIN_S
        except BaseExceptionGroup as group:
            error = _expected(group)
            if error is None:
                raise
            raise error from None

    async def _arrive(self, tasks: anyio.abc.TaskGroup) -> None:
        names = self.experiment.journeys
        known = {k.name: k for k in await self.walker.known(self.journeys)}
        # One that nobody knows is for the walker to tell.
        wanted = [replace(known[n], weight=max(1, known[n].weight)) for n in names if n in known]
        if len(wanted) < len(names):
            await self.walker.walk(self.journeys, next(n for n in names if n not in known), [0])
        at = time.monotonic()
        seed = self.seed ^ zlib.crc32(self.experiment.name.encode())
        for arrival in schedule(wanted, rate=1.0, kind=ArrivalKind.CONSTANT, seed=seed):
            await anyio.sleep(max(0.0, at - time.monotonic()))
            intended = time.time() - (time.monotonic() - at)
            tasks.start_soon(self._walk, arrival.index, arrival.journey.name, arrival.seed, intended)
            at += 1 / self.rate

    async def _walk(self, number: int, journey: str, seed: int, intended: float) -> None:
        self.open[number] = (journey, intended)
        [sample] = await self.walker.walk(self.journeys, journey, [seed], timeout_s=self.timeout_s)
        if self.open.pop(number, None):
            # From when it was to begin: a stall of the system delays those behind it as well.
            self.samples.append(replace(sample, intended=intended, duration_ms=(sample.ended - intended) * 1000))
        ended, self._ended = self._ended, anyio.Event()
        ended.set()

    async def collect(self, start: float, end: float) -> None:
        """Wait for every walk that was to begin between two moments: one that hangs must not get away unseen.

        Args:
            start, end: seconds since the epoch.
        """
        with anyio.move_on_after(self.timeout_s + 1.0):
            while self._missing(start, end):
                await self._ended.wait()
        for number in self._missing(start, end):
            self._give_up(number)

    def _missing(self, start: float, end: float) -> list[int]:
        return [number for number, (_, at) in self.open.items() if start <= at < end]

    def _give_up(self, number: int) -> None:
        journey, intended = self.open.pop(number)
        waited_s = time.time() - intended
        error = f"no answer within {waited_s:.1f} s"
        self.samples.append(
            Sample(
                journey=journey, intended=intended, started=intended, duration_ms=waited_s * 1000, ok=False, error=error
            )
        )


def _expected(group: BaseExceptionGroup[BaseException]) -> HarnessError | None:
    error: BaseException | None = group.subgroup(HarnessError)
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, HarnessError) else None
