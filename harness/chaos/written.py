"""The experiments people wrote, as a part of the chaos stage: a copy of the system, one after the other, invariants."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import anyio

from harness.chaos.experiments import Experiment
from harness.chaos.invariants import Invariants
from harness.chaos.journal import Journal
from harness.chaos.judge import Breach
from harness.chaos.rig import Rig, proxied_edges
from harness.chaos.settings import ChaosSettings
from harness.chaos.settling import Settler, Tried
from harness.chaos.tell import Teller, chart, measures
from harness.chaos.toxiproxy import toxiproxy_server
from harness.chaos.trial import Ground, Outcome, carry_out
from harness.chaos.turnstile import Turnstile
from harness.errors import StartError, UsageError
from harness.evidence import Artifact, Measure
from harness.evidence.series import CHART_MEDIA_TYPE
from harness.pipeline import StageContext
from harness.system.guardian import Guardian
from harness.system.machine import Machine
from harness.system.walker import walker

__all__ = ["Written"]


class Progress(Protocol):
    """Told how far things are."""

    def __call__(self, done: float, total: float, note: str = "") -> None:
        """So many are done, of so many; what has begun."""


@dataclass(slots=True)
class Written:
    """Carries experiments out.

    Args:
        turnstile: what else of this stage is at work goes through it as well.
        machine: watched meanwhile.
        outcomes: of every try.
        untold: names of experiments that could not be judged on this machine.
        cut_short: why not everything was tried; empty when it was.
    """

    context: StageContext
    experiments: tuple[Experiment, ...]
    journal: Journal
    turnstile: Turnstile
    machine: Machine
    progress: Progress
    outcomes: list[Outcome] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    invariants_walked: int = 0
    cut_short: str = ""

    async def carry_out(self, guardian: Guardian) -> None:
        """All of them, on a copy of the system of their own."""
        context = self.context
        log = context.directory / "toxiproxy.log"
        allowed = context.system.runtime.allow_targets
        async with toxiproxy_server(seed=context.seed, log=log, allow_targets=allowed) as server:
            context.note(f"faults through {server.name}")
            prefix = "" if server.ours else f"harness-{secrets.token_hex(4)}-"
            rig = Rig(server, context.runtime(), guardian, prefix)
            try:
                await self._with(rig)
            finally:
                with anyio.CancelScope(shield=True):
                    await rig.close()

    async def _with(self, rig: Rig) -> None:
        context, system = self.context, self.context.system
        await rig.wire(proxied_edges(system))
        self._check_proxied(rig)
        async with AsyncExitStack() as stack:
            async with self.turnstile.among_others():  # it takes as much of the machine as a try does
                runtime = await stack.enter_async_context(rig.runtime.running())
                walks = await stack.enter_async_context(
                    walker(
                        base_urls=runtime.addresses,
                        entry=system.entry,
                        root=context.root,
                        log=context.directory / "journeys.log",
                        allowed=system.runtime.allow_targets,
                    )
                )
            settings = context.settings_as(ChaosSettings)
            ground = Ground(
                rig=rig,
                journal=self.journal,
                timing=settings.timing(context.profile),
                entry=system.entry,
                seed=context.seed,
                walker=walks,
                journeys=system.file(context.root, system.suites.journeys),
                died=runtime.died,
                added=rig.added(self.machine, walks.pid),
            )
            self.journal.write("system up behind proxies", services=list(runtime.addresses))
            file = Invariants.file_of(context.root, system.suites.experiments)
            await self._all(ground, Invariants(file, ground, settings.invariants_within))

    def _check_proxied(self, rig: Rig) -> None:
        for e in self.experiments:
            for edge in e.edges:
                if not rig.has(edge):
                    raise UsageError(
                        f"{e.file}: no proxy can be put on {edge.name}: {edge.caller} is not started by the harness, "
                        f"or {edge.callee} is behind TLS"
                    )

    async def _all(self, ground: Ground, invariants: Invariants) -> None:
        teller = Teller(self.context.system, self.context.redactor, lambda name: self.context.again(experiment=name))
        settler = Settler(partial(self._revive, ground), self.turnstile)
        total = len(self.experiments) + 1
        for number, e in enumerate(self.experiments):
            self.progress(number, total, f"{e.name}: {e.fault} on {e.where}")
            last = await self._one(e, ground, settler, teller)
            await self._revive(ground)
            if self.cut_short:
                return
            if e.after and last.steady:
                await self._check(invariants, teller, e)
        self.progress(total - 1, total, "invariants")
        await self._check(invariants, teller)
        self.progress(total, total)

    async def _one(self, experiment: Experiment, ground: Ground, settler: Settler, teller: Teller) -> Outcome:
        tries: list[Outcome] = []

        async def attempt() -> tuple[Outcome, list[Breach]]:
            if self.cut_short:  # what did not start again cannot be tried again
                return tries[-1], tries[-1].breaches
            outcome = await carry_out(experiment, ground)
            tries.append(outcome)
            self.outcomes.append(outcome)
            return outcome, outcome.breaches

        repeated = partial(ground.journal.write, "repeated", experiment=experiment.name, edge=experiment.edge_names)
        _, broken, doubtful = await settler.settle(attempt, repeated)
        last = next((o for o in reversed(tries) if o.steady), tries[-1])
        for finding in teller.findings(last, broken, doubtful):
            self.context.found(finding)
        if not broken and any(b.excused for b in doubtful):
            self.untold.append(experiment.name)
        return last

    async def _check(self, invariants: Invariants, teller: Teller, experiment: Experiment | None = None) -> None:
        async with self.turnstile.among_others():
            samples = await invariants.check(experiment.after if experiment else ())
        self.invariants_walked += len(samples)
        for sample in samples:
            if not sample.ok:
                words = sample.journey.replace("_", " ")
                self.context.found(teller.invariant(sample, words, experiment))

    async def _revive(self, ground: Ground, _seen: Tried | None = None) -> None:
        """Start again what has died; where that does not work, no more experiments make sense."""
        for service in ground.died():
            ground.journal.write("service restarted", service=service)
            try:
                await ground.rig.runtime.restart(service)
            except StartError as error:
                tried = len({o.experiment.name for o in self.outcomes})
                self.cut_short = f"stopped after {tried} of {len(self.experiments)} experiments: {error}"
                return

    def work(self) -> dict[str, int]:
        """What counts: experiments whose steady state held and whose fault met traffic."""
        valid = [o for o in self.outcomes if o.steady and o.hit is True]
        return {
            "experiments": len({o.experiment.name for o in valid}),
            "faults_injected": sum(len(o.experiment.faults) + len(o.experiment.processes) for o in valid),
            "journeys": sum(len(o.samples) for o in valid),
        }

    def measures(self) -> Iterator[Measure]:
        """Numbers of every experiment."""
        return measures(self.outcomes)

    def artifacts(self) -> Iterator[Artifact]:
        """The chart of all walks, where there were any."""
        if self.outcomes:
            drawn = chart(self.context.directory / "journeys.json", self.outcomes)
            yield self.context.artifact(drawn, "journeys under faults", CHART_MEDIA_TYPE)
