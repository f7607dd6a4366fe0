"""The door of this room: the chaos stage. Brings the system up behind proxies, runs the experiments, checks invariants."""

from __future__ import annotations

import os
import shutil
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from harness.chaos.settings import ChaosSettings
from harness.errors import first_of
from harness.evidence import Measure, StageResult
from harness.pipeline import Environment, Need, StageContext
from harness.pipeline.stage import journeys_need
from harness.system.fields import StageSettings
from harness.system.model import Edge, RuntimeKind, System

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.chaos.experiments import Experiment
    from harness.chaos.explore.run import Exploration
    from harness.chaos.journal import Journal
    from harness.chaos.written import Written
    from harness.system.machine import Machine

__all__ = ["ChaosStage"]

#: So many failures, or this share of all, may be left untold on a busy machine before the stage is inconclusive.
_MOST_UNTOLD = 2
_SHARE_UNTOLD = 0.1


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

    def check_selection(self, system: System, only: Mapping[str, str]) -> None:
        """See `ChecksSelection.check_selection`."""
        from harness.chaos.explore.run import check_selection

        check_selection(system, only)

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
            return context.result(work=dict.fromkeys(("experiments", "faults_injected", "journeys"), 0), reason=reason)
        return await _Run(context, chosen).whole()


class _Run:
    """Failures on edges and written experiments side by side: both mostly wait, each with copies of the system of its own."""

    def __init__(self, context: StageContext, experiments: tuple[Experiment, ...]) -> None:
        self.context, self.experiments = context, experiments
        self._parts: dict[str, tuple[float, float]] = {}

    async def whole(self) -> StageResult:
        from harness.chaos.journal import Journal
        from harness.system.machine import watched

        journal = Journal(self.context.directory / "journal.jsonl")
        try:
            async with watched() as machine:
                return await self._watched(machine, journal)
        except ExceptionGroup as group:  # one thing in the way is enough to be told
            raise first_of(group) from None
        finally:
            journal.close()

    async def _watched(self, machine: Machine, journal: Journal) -> StageResult:
        import anyio

        from harness.chaos.explore.run import Exploration, explore
        from harness.chaos.turnstile import Turnstile
        from harness.chaos.written import Written
        from harness.system.guardian import Guardian

        began, turnstile = time.time(), Turnstile()
        explored = Exploration({})
        written = Written(
            self.context,
            self.experiments,
            journal,
            turnstile,
            machine,
            partial(self._progress, "experiments"),
        )

        async def explore_all() -> None:
            nonlocal explored
            progress = partial(self._progress, "exploration")
            explored = await explore(self.context, journal, guardian, progress, turnstile, machine)

        with Guardian(owns_processes=False) as guardian:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(explore_all)
                if self.experiments:
                    await written.carry_out(guardian)
        return self._conclude(journal, explored, written, machine.added_s(began, time.time()) / (time.time() - began))

    def _progress(self, part: str, done: float, total: float, note: str = "") -> None:
        """Say how far both parts together are."""
        self._parts[part] = (done, total)
        done, total = (sum(column) for column in zip(*self._parts.values(), strict=True))
        self.context.progress(done, total, note)

    def _conclude(self, journal: Journal, explored: Exploration, written: Written, waited: float) -> StageResult:
        context = self.context
        work = written.work()
        for what, count in explored.work.items():
            work[what] = work.get(what, 0) + count
        untold, tried = explored.untold + len(written.untold), explored.tried + len(self.experiments)
        return context.result(
            work={k: v if work["faults_injected"] else 0 for k, v in work.items()}
            | ({"invariants": written.invariants_walked} if work["faults_injected"] else {}),
            measures=[
                *written.measures(),
                *explored.measures,
                Measure("chaos.processors.waited_for", waited, "ratio"),
                Measure("chaos.untold", untold, "count"),
            ],
            artifacts=[
                context.artifact(journal.path, "journal of faults", "application/x-ndjson"),
                *explored.artifacts,
                *written.artifacts(),
            ],
            reason=written.cut_short or explored.cut_short or _too_busy(untold, tried, waited),
        )


def _too_busy(untold: int, tried: int, waited: float) -> str:
    """Why so much could not be judged that nothing should be made of the rest; empty when it was not so much."""
    if untold <= max(_MOST_UNTOLD, tried * _SHARE_UNTOLD):
        return ""
    return (
        f"this machine was too busy to tell {untold} of {tried} failures: processes of the system waited for a processor "
        f"for {waited:.1f} s in each second, all together; see the findings that say so, and try with less beside it"
    )


def _starts_any(system: System) -> bool:
    return system.runtime.kind is RuntimeKind.PROCESS and any(s.command for s in system.services.values())


def _can_be_told(system: System, edge: Edge) -> bool:
    started = system.runtime.kind is RuntimeKind.PROCESS and bool(system.services[edge.caller].command)
    return bool(edge.env) and started
