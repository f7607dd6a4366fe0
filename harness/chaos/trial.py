"""One experiment, carried out: steady state, fault, recovery, with journeys walked in the background all along."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from harness.chaos.experiments import REFUSED, Experiment, Injection, Lift, Wait
from harness.chaos.journal import Journal
from harness.chaos.judge import Breach, BreachKind, breaches, holds, late, recovered_at
from harness.chaos.processes import ProcessFault
from harness.chaos.rig import Rig
from harness.chaos.settings import Timing
from harness.chaos.walks import CONFIRM_S, Walks, fault_s
from harness.errors import StartError
from harness.system.drive import Sample
from harness.system.machine import Added
from harness.system.model import Edge
from harness.system.walker import Walker

__all__ = ["Ground", "Outcome", "carry_out"]

_TICK_S = 0.03
#: In so many parts of the time there is for it the steady state is waited for at one rate.
_RATES = 3


@dataclass(frozen=True, slots=True)
class Ground:
    """Where experiments take place.

    Args:
        entry: the service users come in through.
        walker: walks journeys and invariants.
        journeys: the project's journeys file.
        died: names of services whose process has ended.
        added: what the machine added between two moments.
    """

    rig: Rig
    journal: Journal
    timing: Timing
    entry: str
    seed: int
    walker: Walker
    journeys: Path
    died: Callable[[], tuple[str, ...]]
    added: Added

    def walks(self, experiment: Experiment) -> Walks:
        """Who walks while it is carried out."""
        rate = experiment.rate or self.timing.rate
        return Walks(experiment, self.walker, self.journeys, self.seed, rate)


@dataclass(slots=True)
class Outcome:
    """What was seen in one experiment; times in seconds since the epoch, 0 when it did not come to that.

    Args:
        steady: whether the steady state held before the fault.
        before, during, after: samples by window.
        breaches: ways in which it did not go as promised.
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
    def samples(self) -> list[Sample]:
        """All of them."""
        return [*self.before, *self.during, *self.after]

    @property
    def tried(self) -> bool:
        """Whether somebody met the fault, as far as can be told."""
        return self.hit is not False

    @property
    def invariants(self) -> Sequence[Sample]:
        """None are walked within an experiment."""
        return ()


async def carry_out(experiment: Experiment, ground: Ground) -> Outcome:
    """Run one experiment while its journeys are walked; its faults are lifted whatever happens.

    Raises:
        HarnessError: when no journey ends or the Toxiproxy server does not obey.
    """
    walks = ground.walks(experiment)
    trial = _Trial(experiment, ground, walks)
    async with walks.going_on():
        await trial.run()
    return trial.outcome


class _Trial:
    def __init__(self, experiment: Experiment, ground: Ground, walks: Walks) -> None:
        self.experiment, self.ground, self.timing, self.walks = experiment, ground, ground.timing, walks
        self.outcome = Outcome(experiment)

    async def run(self) -> None:
        """Before, fault, after."""
        o = self.outcome
        bytes_at_first = await self._bytes()
        o.steady = await self._settle()
        if not o.steady:
            o.died = self.ground.died()
            o.breaches = [*self._endings()] or [Breach(BreachKind.UNSTEADY, samples=tuple(o.before))]
            return
        bytes_before_fault = await self._bytes()
        bytes_under_fault = None
        try:
            o.injected = time.time()
            await self._disturb()
            bytes_under_fault = await self._bytes()
        except StartError as error:
            o.not_started = error
        finally:
            with anyio.CancelScope(shield=True):
                await self._lift()
        await self._recover()
        await self.walks.collect(o.injected, o.lifted)
        self._sort()
        o.died = self.ground.died()
        o.breaches = [*self._endings(), *self._broken()]
        await self._was_hit(bytes_at_first, bytes_before_fault, bytes_under_fault)
        self._note("judged", breaches=[f"{b.kind} {b.journey}" for b in o.breaches], hit=o.hit)

    def _endings(self) -> Iterator[Breach]:
        o = self.outcome
        stopped = o.not_started
        if stopped is not None:
            yield Breach(BreachKind.NOT_STARTED, service=stopped.service, text=str(stopped))
        for service in o.died:
            if stopped is None or service != stopped.service:
                yield Breach(BreachKind.DIED, service=service)

    def _broken(self) -> Iterator[Breach]:
        o, e, added = self.outcome, self.experiment, self.ground.added
        yield from breaches(o.during, e.during, added)
        yield from late(o.after, o.lifted, o.recovery_s, within_s=e.recovery_s, steady=e.steady, added=added)

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
            await anyio.sleep(fault_s(e, self.timing, self.walks.rate))
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
        """Wait until the steady state has held for the span of `before`.

        What cannot keep up with so many walks is walked less often, unless the experiment says how often: a slow machine is
        no reason to learn nothing.
        """
        part_s = self.timing.settle / _RATES
        for _ in range(_RATES):
            if await self._holds_within(part_s):
                self._note("steady state held", samples=len(self.outcome.before), rate=self.walks.rate)
                return True
            if self.experiment.rate is None:
                self.walks.slow_down()
        self._note("steady state not reached", samples=len(self.outcome.before))
        return False

    async def _holds_within(self, limit_s: float) -> bool:
        least = max(3, math.floor(self.timing.before * self.walks.rate * 0.6))
        span = max(self.timing.before, least / self.walks.rate)
        began = time.monotonic()
        while time.monotonic() < began + limit_s + span:
            window = [s for s in self.walks.samples if s.ended >= time.time() - span]
            self.outcome.before = window
            covered = time.monotonic() - began >= span
            if covered and len(window) >= least and holds(window, self.experiment.steady):
                return True
            await anyio.sleep(_TICK_S)
        return False

    async def _recover(self) -> None:
        e = self.experiment
        # Seen a little beyond the limit too, so that the finding can say how late it came.
        limit = time.monotonic() + e.recovery_s + self.timing.consecutive / self.walks.rate + CONFIRM_S
        while time.monotonic() < limit:
            at = recovered_at(self.walks.samples, self.outcome.lifted, e.steady, self.timing.consecutive)
            if at is not None:
                self.outcome.recovery_s = max(0.0, at - self.outcome.lifted)
                self._note("recovered", after_s=round(self.outcome.recovery_s, 3))
                return
            if self.ground.died():
                break
            await anyio.sleep(_TICK_S)
        self._note("not recovered", waited_s=e.recovery_s)

    def _sort(self) -> None:
        o, samples = self.outcome, self.walks.samples
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


def _visible(outcome: Outcome) -> bool:
    """Whether the fault showed at the entry: failures, or answers clearly later than before."""

    def middle(samples: list[Sample]) -> float:
        return sorted(s.duration_ms for s in samples)[len(samples) // 2] if samples else 0.0

    return any(not s.ok for s in outcome.during) or middle(outcome.during) > 1.5 * middle(outcome.before) + 5
