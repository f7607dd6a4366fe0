"""The door of this room: the chaos stage. Brings the system up behind proxies, runs the experiments, checks invariants."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from harness.chaos.settings import ChaosSettings
from harness.errors import StartError, UsageError, first_of
from harness.evidence import StageResult
from harness.pipeline import Environment, Need, StageContext
from harness.pipeline.stage import journeys_need
from harness.system.fields import StageSettings
from harness.system.model import Edge, RuntimeKind, System

if TYPE_CHECKING:
    from anyio import Event

    from harness.chaos.experiments import Experiment
    from harness.chaos.invariants import Invariants
    from harness.chaos.journal import Journal
    from harness.chaos.rig import Rig
    from harness.chaos.tell import Teller
    from harness.chaos.trial import Ground, Outcome
    from harness.chaos.walks import Walks
    from harness.system.guardian import Guardian

__all__ = ["ChaosStage"]


class ChaosStage:
    """Faults on the edges between services, and what becomes of the users' journeys before, during and after."""

    name: ClassVar[str] = "chaos"
    title: ClassVar[str] = "users are served when a neighbour is slow or gone"
    settings: ClassVar[type[StageSettings]] = ChaosSettings
    narrows: ClassVar[tuple[str, ...]] = ("edge", "fault", "experiment", "journey")
    after: ClassVar[tuple[str, ...]] = ("smoke",)
    requires: ClassVar[tuple[str, ...]] = ("smoke",)
    exclusive: ClassVar[bool] = True
    environment: ClassVar[Environment] = Environment.NONE

    def inputs(self, system: System, settings: StageSettings) -> tuple[str, ...]:  # noqa: ARG002 - as the protocol has it
        """Experiments, invariants, journeys, and the services' own code."""
        folder = system.suites.experiments
        own = tuple(f"{s.cwd}/**/*" for s in system.services.values() if s.cwd != ".")
        return (f"{folder}/**/*.toml", f"{folder}/**/*.py", system.suites.journeys, *own)

    def needs(self, system: System, root: Path) -> tuple[Need, ...]:
        """Experiments, journeys, and edges that can be put behind a proxy."""
        from harness.chaos.script import script_files
        from harness.system.files import files_in

        folder = system.suites.experiments
        return (
            Need(
                f"experiments in {folder}/*.toml or *.py",
                bool(files_in(root / folder, "*.toml", folder) or script_files(system, root)),
                "none needed: every failure is tried on every edge; what that cannot know is written: docs/how-to/chaos.md",
                optional=True,
            ),
            journeys_need(system, root),
            Need(
                "an edge whose caller can be told another address, or a service that the harness starts",
                _starts_any(system) or any(_can_be_told(system, e) for e in system.service_edges()),
                "set services.CALLER.command and services.CALLER.uses.CALLEE.env: proxies go only between services "
                "that the harness starts",
            ),
            Need(
                "a real Toxiproxy server",
                bool(os.environ.get("TOXIPROXY_URL") or shutil.which("toxiproxy-server")),
                "none needed: the built-in one is used; TOXIPROXY_URL or toxiproxy-server on PATH take its place",
                optional=True,
            ),
        )

    def check(self, system: System, root: Path) -> None:
        """See `ChecksFiles.check`."""
        from harness.chaos.experiments import INVARIANTS_FILE, load_experiments
        from harness.chaos.script import script_files
        from harness.system.files import shown_path
        from harness.system.journeyscan import check_journey_names
        from harness.system.mistakes import check_syntax

        experiments = load_experiments(system, root)
        for script in script_files(system, root):
            check_syntax(root, shown_path(script, root))
        check_syntax(root, f"{system.suites.experiments}/{INVARIANTS_FILE}")
        check_syntax(root, system.suites.journeys)
        check_journey_names(root, system.suites.journeys, ((e.file, "journeys", e.journeys) for e in experiments))

    def rules(self, root: Path) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """See `ListsRules.rules`."""
        from harness.chaos.rules import rules

        return rules()

    async def run(self, context: StageContext) -> StageResult:
        """See `Stage.run`."""
        from harness.chaos.experiments import load_experiments, select, unique
        from harness.chaos.explore.pairs.asked import asks_for_pair
        from harness.chaos.explore.run import planned
        from harness.chaos.rig import refuse_where_uninvited
        from harness.chaos.script import load_scripts

        refuse_where_uninvited(context.system)
        written = load_experiments(context.system, context.root)
        known = unique((*written, *load_scripts(context.system, context.root, context.seed)))
        chosen = () if asks_for_pair(context.only) or "fault" in context.only else select(known, context.only)
        if not chosen and not planned(context):
            folder = context.system.suites.experiments
            asked = ", ".join(f"{k}={v}" for k, v in context.only.items())
            reason = (
                f"no experiment matches {asked}" if known else f"there are no experiments in {folder}/*.toml or *.py"
            )
            return context.result(work=_work([]), reason=reason)
        return await _Run(context, chosen).whole()


class _Run:
    def __init__(self, context: StageContext, experiments: tuple[Experiment, ...]) -> None:
        from harness.chaos.explore.run import Exploration

        self.context, self.experiments = context, experiments
        self.settings = context.settings_as(ChaosSettings)
        self.outcomes: list[Outcome] = []
        self.invariants_walked = 0
        self.cut_short = ""
        self.explored = Exploration({})
        self._parts: dict[str, tuple[float, float]] = {}

    async def whole(self) -> StageResult:
        import anyio

        from harness.chaos.journal import Journal
        from harness.system.guardian import Guardian

        journal = Journal(self.context.directory / "journal.jsonl")
        try:
            with Guardian(owns_processes=False) as guardian:
                # Side by side: both mostly wait, each with copies of the system of its own.
                async with anyio.create_task_group() as tasks:
                    begun = anyio.Event()
                    tasks.start_soon(self._explore, journal, guardian, begun)
                    if self.experiments:
                        # Not while systems start: that takes all a machine has, and experiments measure time.
                        await begun.wait()
                        await self._experiment(journal, guardian)
        except ExceptionGroup as group:  # one thing in the way is enough to be told
            raise first_of(group) from None
        finally:
            journal.close()
        return self._conclude(journal.path)

    def _progress(self, part: str, done: float, total: float, note: str = "") -> None:
        """Say how far both parts together are."""
        self._parts[part] = (done, total)
        done, total = (sum(column) for column in zip(*self._parts.values(), strict=True))
        self.context.progress(done, total, note)

    async def _explore(self, journal: Journal, guardian: Guardian, begun: Event) -> None:
        from harness.chaos.explore.run import explore

        def progress(done: float, total: float, note: str) -> None:
            begun.set()
            self._progress("exploration", done, total, note)

        try:
            self.explored = await explore(self.context, journal, guardian, progress)
        finally:
            begun.set()

    async def _experiment(self, journal: Journal, guardian: Guardian) -> None:
        from harness.chaos.rig import Rig
        from harness.chaos.toxiproxy import toxiproxy_server

        context = self.context
        log = context.directory / "toxiproxy.log"
        allowed = context.system.runtime.allow_targets
        async with toxiproxy_server(seed=context.seed, log=log, allow_targets=allowed) as server:
            context.note(f"faults through {server.name}")
            prefix = "" if server.ours else f"harness-{secrets.token_hex(4)}-"
            await self._with(Rig(server, context.runtime(), guardian, prefix), journal)

    async def _with(self, rig: Rig, journal: Journal) -> None:
        import anyio

        from harness.chaos.invariants import Invariants
        from harness.chaos.rig import proxied_edges
        from harness.chaos.tell import Teller
        from harness.chaos.trial import Ground

        context = self.context
        system = context.system
        try:
            await rig.wire(proxied_edges(system))
            self._check_proxied(rig)
            async with rig.runtime.running() as runtime:
                ground = Ground(
                    rig=rig,
                    journal=journal,
                    timing=self.settings.timing(context.profile),
                    root=context.root,
                    entry=system.entry,
                    seed=context.seed,
                    log=context.directory / "journeys.log",
                    died=runtime.died,
                )
                journal.write("system up behind proxies", services=list(runtime.addresses))
                file = Invariants.file_of(context.root, system.suites.experiments)
                invariants = Invariants(file, ground, self.settings.invariants_within)
                teller = Teller(system, context.redactor, lambda name: context.again(experiment=name))
                await self._all(ground, teller, invariants)
        finally:
            with anyio.CancelScope(shield=True):
                await rig.close()

    def _check_proxied(self, rig: Rig) -> None:
        for e in self.experiments:
            for edge in e.edges:
                if not rig.has(edge):
                    raise UsageError(
                        f"{e.file}: no proxy can be put on {edge.name}: {edge.caller} is not started by the harness, "
                        f"or {edge.callee} is behind TLS"
                    )

    async def _all(self, ground: Ground, teller: Teller, invariants: Invariants) -> None:
        from harness.chaos.walks import rows

        total = len(self.experiments) + 1
        for row in rows(self.experiments, ground.timing):
            if not await self._row(row, ground, teller, invariants):
                return
        self._progress("experiments", total - 1, total, "invariants")
        await self._check(invariants, teller)
        self._progress("experiments", total, total)

    async def _row(self, row: tuple[Experiment, ...], ground: Ground, teller: Teller, invariants: Invariants) -> bool:
        """Run experiments that walk the same journeys; False when no more of any make sense."""
        from harness.chaos.walks import Walks

        context = self.context
        walks = Walks(row, ground.timing)
        async with walks.going_on(
            ground.rig,
            root=context.root,
            journeys=context.system.file(context.root, context.system.suites.journeys),
            entry=ground.entry,
            seed=context.seed,
            log=ground.log,
        ):
            for e in row:
                done = len({o.experiment.name for o in self.outcomes})
                self._progress("experiments", done, len(self.experiments) + 1, f"{e.name}: {e.fault} on {e.where}")
                await self._one(e, ground, walks, teller, invariants)
                if not await self._revive(ground):
                    return False
        return True

    async def _one(
        self, experiment: Experiment, ground: Ground, walks: Walks, teller: Teller, invariants: Invariants
    ) -> None:
        from harness.chaos.trial import carry_out

        outcome = await carry_out(experiment, ground, walks)
        self.outcomes.append(outcome)
        again = None
        if (outcome.breaches or outcome.late) and not outcome.died:
            # Times on a busy machine mislead: a broken promise is one that is broken twice.
            ground.journal.write("repeated", experiment=experiment.name, edge=experiment.edge_names)
            again = await carry_out(experiment, ground, walks)
            self.outcomes.append(again)
        kept = again is not None and again.steady and not (again.breaches or again.late or again.died)
        for finding in teller.findings(
            again if again and again.steady and not kept else outcome, gone_when_repeated=kept
        ):
            self.context.found(finding)
        if experiment.after and outcome.steady:
            await self._check(invariants, teller, experiment)

    async def _check(self, invariants: Invariants, teller: Teller, experiment: Experiment | None = None) -> None:
        samples = await invariants.check(experiment.after if experiment else ())
        self.invariants_walked += len(samples)
        for sample in samples:
            if not sample.ok:
                words = sample.journey.replace("_", " ")
                self.context.found(teller.invariant(sample, words, experiment))

    async def _revive(self, ground: Ground) -> bool:
        """Start again what has died; False when that does not work, so that no more experiments make sense."""
        for service in ground.died():
            ground.journal.write("service restarted", service=service)
            try:
                await ground.rig.runtime.restart(service)
            except StartError as error:
                tried = len({o.experiment.name for o in self.outcomes})
                self.cut_short = f"stopped after {tried} of {len(self.experiments)} experiments: {error}"
                return False
        return True

    def _conclude(self, journal: Path) -> StageResult:
        from harness.chaos.tell import chart, measures
        from harness.evidence.series import CHART_MEDIA_TYPE

        context = self.context
        artifacts = [context.artifact(journal, "journal of faults", "application/x-ndjson"), *self.explored.artifacts]
        if self.outcomes:
            drawn = chart(context.directory / "journeys.json", self.outcomes)
            artifacts.append(context.artifact(drawn, "journeys under faults", CHART_MEDIA_TYPE))
        work = _work(self.outcomes)
        for what, count in self.explored.work.items():
            work[what] = work.get(what, 0) + count
        return context.result(
            work=work | {"invariants": self.invariants_walked} if work["faults_injected"] else _work([]),
            measures=[*measures(self.outcomes), *self.explored.measures],
            artifacts=artifacts,
            reason=self.cut_short or self.explored.cut_short,
        )


def _work(outcomes: list[Outcome]) -> dict[str, int]:
    """What counts: experiments whose steady state held and whose fault met traffic."""
    valid = [o for o in outcomes if o.steady and o.hit is True]
    return {
        "experiments": len({o.experiment.name for o in valid}),
        "faults_injected": sum(len(o.experiment.faults) + len(o.experiment.processes) for o in valid),
        "journeys": sum(len(o.samples) for o in valid),
    }


def _starts_any(system: System) -> bool:
    return system.runtime.kind is RuntimeKind.PROCESS and any(s.command for s in system.services.values())


def _can_be_told(system: System, edge: Edge) -> bool:
    started = system.runtime.kind is RuntimeKind.PROCESS and bool(system.services[edge.caller].command)
    return bool(edge.env) and started
