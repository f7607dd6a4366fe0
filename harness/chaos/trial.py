"""One experiment, carried out: steady state, fault, recovery, with journeys walked in the background all along."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from harness.chaos.experiments import REFUSED, Experiment, Injection, Lift, Wait
from harness.chaos.journal import Journal
from harness.chaos.judge import Breach, breaches, holds, recovered_at, slots
from harness.chaos.processes import ProcessFault
from harness.chaos.rig import Rig
from harness.chaos.settings import Timing
from harness.chaos.walks import CONFIRM_S, DRIVER_START_S, Walks, fault_s
from harness.errors import InfrastructureError, StartError
from harness.system.drive import Sample
from harness.system.model import Edge

__all__ = ["Ground", "Outcome", "carry_out"]

_TICK_S = 0.03


@dataclass(frozen=True, slots=True)
class Ground:
    """Where experiments take place.

    Args:
        root: folder of `harness.toml`.
        entry: the service users come in through.
        log: output of the journeys and invariants.
        died: names of services whose process has ended.
    """

    rig: Rig
    journal: Journal
    timing: Timing
    root: Path
    entry: str
    seed: int
    log: Path
    died: Callable[[], tuple[str, ...]]


@dataclass(slots=True)
class Outcome:
    """What was seen in one experiment; times in seconds since the epoch, 0 when it did not come to that.

    Args:
        steady: whether the steady state held before the fault.
        before, during, after: samples by window.
        breaches: ways in which the expectation was not met.
        recovery_s: from lifting the fault to the first of several good journeys; None when that was not seen.
        hit: whether traffic met the fault; None when that cannot be told.
        died: services that ended meanwhile.
        not_started: why a service that was stopped did not start again.
    """

    experiment: Experiment
    steady: bool = False
    before: list[Sample] = field(default_factory=list)
    during: list[Sample] = field(default_factory=list)
    after: list[Sample] = field(default_factory=list)
    injected: float = 0.0
    lifted: float = 0.0
    breaches: list[Breach] = field(default_factory=list)
    recovery_s: float | None = None
    hit: bool | None = None
    died: tuple[str, ...] = ()
    not_started: StartError | None = None

    @property
    def late(self) -> bool:
        """Whether it did not recover, or not within its limit."""
        return self.steady and (self.recovery_s is None or self.recovery_s > self.experiment.recovery_s)

    @property
    def samples(self) -> list[Sample]:
        """All of them."""
        return [*self.before, *self.during, *self.after]


async def carry_out(experiment: Experiment, ground: Ground, walks: Walks) -> Outcome:
    """Run one experiment while its journeys are walked; its faults are lifted whatever happens.

    Raises:
        HarnessError: when no journey ends or the Toxiproxy server does not obey.
    """
    trial = _Trial(experiment, ground, walks)
    await trial.run()
    return trial.outcome


class _Trial:
    def __init__(self, experiment: Experiment, ground: Ground, walks: Walks) -> None:
        self.experiment, self.ground, self.timing, self.walks = experiment, ground, ground.timing, walks
        self.outcome = Outcome(experiment)
        self.rate = walks.rate
        self.fault_s = fault_s(experiment, ground.timing)
        self.began = time.time()

    @property
    def samples(self) -> list[Sample]:
        """Walks that began with this experiment or later, in the order they ended."""
        return [s for s in self.walks.samples if s.intended >= self.began]

    async def run(self) -> None:
        """Before, fault, after."""
        bytes_at_first = await self._bytes()
        if not await self._settle():
            self.outcome.died = self.ground.died()
            return
        self.outcome.steady = True
        bytes_before_fault = await self._bytes()
        bytes_under_fault = None
        try:
            self.outcome.injected = time.time()
            await self._disturb()
            bytes_under_fault = await self._bytes()
        except StartError as error:
            self.outcome.not_started = error
        finally:
            with anyio.CancelScope(shield=True):
                await self._lift()
        await self._recover()
        await self._collect()
        self._sort()
        self.outcome.breaches = breaches(self.outcome.during, self.experiment.during)
        self.outcome.died = self.ground.died()
        await self._was_hit(bytes_at_first, bytes_before_fault, bytes_under_fault)
        self._note("judged", breaches=[f"{b.kind} {b.journey}" for b in self.outcome.breaches], hit=self.outcome.hit)

    async def _disturb(self) -> None:
        """Put the faults in and leave them in for their time; or do what is written, step by step."""
        e, rig = self.experiment, self.ground.rig
        if not e.steps:
            self._note(
                "fault injected",
                faults=[(f.type, dict(f.attributes), f.stream) for f in e.faults],
                processes=[(p.service, str(p.action)) for p in e.processes],
            )
            await rig.inject(e, self._note)
            await anyio.sleep(self.fault_s)
            return
        for number, step in enumerate(e.steps):
            match step:
                case Wait(seconds):
                    await anyio.sleep(seconds)
                case Injection():
                    edge = e.edge_of(step)
                    self._note("fault injected", faults=[(step.type, dict(step.attributes), step.stream)], on=edge.name)
                    await rig.put(edge, (step,), f"{e.name}-{number}", e.file)
                case ProcessFault():
                    self._note("fault injected", processes=[(step.service, str(step.action))])
                    await rig.processes.inject(step, self._note)
                case Lift():
                    await rig.lift(e, self._note)
                    self._note("fault lifted")

    async def _lift(self) -> None:
        e = self.experiment
        self.outcome.lifted = time.time()
        try:
            await self.ground.rig.lift(e, self._note)
        except StartError as error:
            self.outcome.not_started = error
        except Exception as error:
            self._note("fault not lifted", error=str(error))
            raise
        if e.processes:
            # Not before the service is ready again: what is timed is how its callers recover.
            self.outcome.lifted = time.time()
        self._note("fault lifted")

    async def _settle(self) -> bool:
        """Wait until the steady state has held for the span of `before`."""
        limit = time.monotonic() + DRIVER_START_S + self.timing.settle
        least = max(3, math.floor(self.timing.before * self.rate * 0.6))
        first = 0.0
        while time.monotonic() < limit:
            samples = self.samples
            if samples and not first:
                first = samples[0].intended
                limit = min(limit, time.monotonic() + self.timing.settle + self.timing.before)
            window = [s for s in samples if s.ended >= time.time() - self.timing.before]
            self.outcome.before = window
            covered = first and time.time() - first >= self.timing.before
            if covered and len(window) >= least and holds(window, self.experiment.steady):
                self._note("steady state held", samples=len(window))
                return True
            await anyio.sleep(_TICK_S)
        if not self.samples:
            raise InfrastructureError(
                f"experiment {self.experiment.name}: no journey ended within {DRIVER_START_S + self.timing.settle:g} s"
            )
        self._note("steady state not reached", samples=len(self.outcome.before))
        return False

    async def _recover(self) -> None:
        e = self.experiment
        # Seen a little beyond the limit too, so that the finding can say how late it came.
        limit = time.monotonic() + e.recovery_s + self.timing.consecutive / self.rate + CONFIRM_S
        while time.monotonic() < limit:
            at = recovered_at(self.samples, self.outcome.lifted, e.steady, self.timing.consecutive)
            if at is not None:
                self.outcome.recovery_s = max(0.0, at - self.outcome.lifted)
                self._note("recovered", after_s=round(self.outcome.recovery_s, 3))
                return
            if self.ground.died():
                break
            await anyio.sleep(_TICK_S)
        self._note("not recovered", waited_s=e.recovery_s)

    async def _collect(self) -> None:
        """Wait for every journey that began under the fault to end: one that hangs must not get away unseen."""
        limit = time.monotonic() + self.walks.timeout_s + 1.0
        while time.monotonic() < limit:
            if not self._missing():
                return
            await anyio.sleep(_TICK_S)
        for at in self._missing():
            waited_ms = (time.time() - at) * 1000
            error = f"no answer within {waited_ms / 1000:.1f} s"
            name = self.experiment.journeys[0] if len(self.experiment.journeys) == 1 else "a journey"
            self.walks.samples.append(
                Sample(journey=name, intended=at, started=at, duration_ms=waited_ms, ok=False, error=error)
            )

    def _missing(self) -> list[float]:
        if not self.walks.samples:
            return []
        wanted = slots(self.walks.samples[0].intended, self.rate, self.outcome.injected, self.outcome.lifted)
        seen = sorted(s.intended for s in self.walks.samples)
        return [at for at in wanted if not _near(seen, at, 0.25 / self.rate)]

    def _sort(self) -> None:
        o, samples = self.outcome, self.samples
        o.before = [s for s in samples if o.injected - self.timing.before * 2 <= s.ended <= o.injected]
        o.during = [s for s in samples if o.injected <= s.intended < o.lifted]
        o.after = [s for s in samples if s.intended >= o.lifted]

    def _watched(self) -> list[Edge]:
        """Edges whose traffic tells whether anybody met the fault: its own, and those that lead to its services."""
        e, rig = self.experiment, self.ground.rig
        to_services = (x for s in e.services for x in rig.runtime.system.edges_to(s))
        return [x for x in {x.key: x for x in (*e.edges, *to_services)}.values() if rig.has(x)]

    async def _bytes(self, *, settle: bool = False) -> int | None:
        """Bytes that went through the watched edges so far; None when nobody counts them."""
        counts = [await self.ground.rig.bytes_through(edge, settle=settle) for edge in self._watched()]
        known = [c for c in counts if c is not None]
        return sum(known) if known else None

    async def _was_hit(self, first: int | None, before: int | None, under_fault: int | None) -> None:
        o, rig = self.outcome, self.ground.rig
        if self.ground.entry in self.experiment.services:
            o.hit = True  # every journey comes in there
        elif first is None or before is None:
            o.hit = True if _visible(o) else None
        elif rig.server.live_counters:
            refused = any(f.type == REFUSED for f in self.experiment.faults)
            refused = refused or any(p.action.ends for p in self.experiment.processes)
            # Nobody counts a refused connection; that the same journeys used the edge until then must do.
            o.hit = (under_fault or 0) > before or (refused and before > first)
        else:
            o.hit = (await self._bytes(settle=True) or 0) > first

    def _note(self, what: str, **facts: object) -> None:
        e = self.experiment
        self.ground.journal.write(what, experiment=e.name, edge=e.edge_names, **facts)


def _near(ordered: list[float], at: float, tolerance: float) -> bool:
    from bisect import bisect_left

    i = bisect_left(ordered, at - tolerance)
    return i < len(ordered) and ordered[i] <= at + tolerance


def _visible(outcome: Outcome) -> bool:
    """Whether the fault showed at the entry: failures, or answers clearly later than before."""

    def middle(samples: list[Sample]) -> float:
        return sorted(s.duration_ms for s in samples)[len(samples) // 2] if samples else 0.0

    return any(not s.ok for s in outcome.during) or middle(outcome.during) > 1.5 * middle(outcome.before) + 5
