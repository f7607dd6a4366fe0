"""The journeys walked in the background of experiments: one driver for a row of experiments that walk the same ones."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path

import anyio

from harness.chaos.experiments import Experiment, Wait
from harness.chaos.rig import Rig
from harness.chaos.settings import Timing
from harness.errors import HarnessError
from harness.system.drive import DriveSpec, Sample, drive

__all__ = ["CONFIRM_S", "DRIVER_START_S", "Walks", "fault_s", "rows"]

#: A driver has to start its interpreter and import the project's journeys before the first walk.
DRIVER_START_S = 15.0
#: A service that was stopped may take this long to be ready again before walks end on their own.
START_S = 30.0
#: A recovery that comes too late is watched this much longer, so that it can be said how late it came.
CONFIRM_S = 3.0
#: How many times the allowed latency an answer is waited for before it counts as none.
_PATIENCE = 3.0
#: A fault outlasts the allowed latency by the first arrival and a half, and by this much for the way to the edge: the walks
#: that begin with it can then be seen to exceed what is allowed.
_MARGIN_S = 0.3


def rows(experiments: Sequence[Experiment], timing: Timing) -> list[tuple[Experiment, ...]]:
    """Put experiments that walk the same journeys at the same rate together; each row can share a driver."""

    def key(experiment: Experiment) -> tuple[tuple[str, ...], float]:
        return experiment.journeys, experiment.rate or timing.rate

    return [tuple(row) for _, row in groupby(sorted(experiments, key=key), key)]


def fault_s(experiment: Experiment, timing: Timing) -> float:
    """How long the fault lasts: longer than an answer may take, or nobody could tell a caller without a time limit.

    Where nothing stays in force (a restart is over when the service is ready again) it is watched for an arrival or two; what
    is written in Python lasts as long as it waits.
    """
    if experiment.steps:
        return sum(s.seconds for s in experiment.steps if isinstance(s, Wait))
    seen_late = experiment.during.latency_s + 1.5 / (experiment.rate or timing.rate) + _MARGIN_S
    if experiment.fault_s is None and not experiment.faults and not any(p.action.lasts for p in experiment.processes):
        return 1.5 / (experiment.rate or timing.rate) + _MARGIN_S
    return max(experiment.fault_s or timing.fault, seen_late)


def _starts_s(experiment: Experiment) -> float:
    """The longest its services may take to start again, in seconds."""
    return sum(p.delay_s + 2 * START_S for p in experiment.processes)


class Walks:
    """Walks the journeys of a row of experiments, open loop, as long as its block lasts.

    `samples`: every walk so far, in the order they ended. `rate`: journeys per second. `timeout_s`: the longest one request
    may take before it counts as not answered.
    """

    def __init__(self, row: Sequence[Experiment], timing: Timing) -> None:
        self.samples: list[Sample] = []
        self.rate = row[0].rate or timing.rate
        self.timeout_s = max(e.during.latency_s for e in row) * _PATIENCE + 2.0
        self._row = row
        self._longest = sum(
            timing.settle
            + timing.before
            + fault_s(e, timing)
            + _starts_s(e)
            + e.recovery_s
            + CONFIRM_S
            + self.timeout_s
            + 10.0
            for e in row
        )

    @asynccontextmanager
    async def going_on(
        self, rig: Rig, *, root: Path, journeys: Path, entry: str, seed: int, log: Path
    ) -> AsyncIterator[None]:
        """Walk until the block ends.

        Raises:
            HarnessError: when the journeys cannot be walked.
        """
        spec = DriveSpec(
            journeys_file=str(journeys),
            base_urls=rig.runtime.addresses,
            entry=entry,
            allowed=rig.runtime.system.runtime.allow_targets,
            names=self._row[0].journeys,
            rate=self.rate,
            duration_s=self._longest,
            seed=seed ^ zlib.crc32(self._row[0].name.encode()),
            timeout_s=self.timeout_s,
        )

        async def walk() -> None:
            limit = self._longest + DRIVER_START_S + self.timeout_s
            await drive(spec, root=root, log=log, time_limit_s=limit, on_sample=self.samples.append)

        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(walk)
                yield
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            error = _expected(group)
            if error is None:
                raise
            raise error from None


def _expected(group: BaseExceptionGroup[BaseException]) -> HarnessError | None:
    error: BaseException | None = group.subgroup(HarnessError)
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, HarnessError) else None
