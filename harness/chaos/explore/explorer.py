"""Explores: plans the cells, spreads them over copies of the system, tries what was broken once more. Tells nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio

from harness.chaos.crowd import Crowd
from harness.chaos.explore.catalogue import Failure
from harness.chaos.explore.declared import Documents
from harness.chaos.explore.judging import Broken, judge
from harness.chaos.explore.observation import Cell, Observation
from harness.chaos.explore.pairs.rounds import Ground, Rounds
from harness.chaos.explore.pairs.values import PairsTried
from harness.chaos.explore.planning import plan_cell
from harness.chaos.explore.promises import promise
from harness.chaos.explore.replica import Replica, recording, replica
from harness.chaos.explore.result import Result
from harness.chaos.explore.stores.catalogue import EVERY_FAILURE, fits, fitting
from harness.chaos.explore.stores.judging import judge_store, store_promise
from harness.chaos.explore.stores.trying import plan_store_cell, try_store
from harness.chaos.explore.stores.whereabouts import store_edges, why_not
from harness.chaos.explore.trying import Effort, try_cell
from harness.chaos.journal import Journal
from harness.chaos.rig import Rig, proxied_edges
from harness.chaos.settling import Settler, Tried
from harness.chaos.turnstile import Turnstile
from harness.errors import StartError, UsageError, did_you_mean
from harness.system.drive import Sample
from harness.system.machine import Machine
from harness.system.model import Edge, EdgeKind, System

__all__ = ["Explored", "Explorer", "Result", "chosen_edges", "chosen_failures", "copies", "pairings"]

#: Cells one copy of the system gets through while another one starts; below that a further copy does not pay.
_CELLS_PER_COPY = 15
_MAX_COPIES = 4


@dataclass(slots=True)
class Explored:
    """What came of all.

    Args:
        unused: edges no journey uses, so that nothing could be tried there.
        untraced: edges whose calls do not carry the journeys' trace, so that nothing could be tried there.
        failing: a walk of each journey that does not go well although nothing fails.
        unread: why the OpenAPI document of a service could not be read, by the service's name.
        cut_short: why not everything was tried; empty when it was.
        lookouts: single failures tried in further journeys, for what they say of pairs.
        pairs: what came of pairs of failures; None where none were to be tried.
    """

    results: list[Result] = field(default_factory=list)
    lookouts: list[Result] = field(default_factory=list)
    pairs: PairsTried | None = None
    unused: tuple[Edge, ...] = ()
    untraced: tuple[Edge, ...] = ()
    failing: dict[str, Sample] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    cut_short: str = ""


def chosen_failures(names: Iterable[str]) -> tuple[Failure, ...]:
    """The failures of these names, in the catalogue's order; all when none is named.

    Raises:
        UsageError: when there is none of a name.
    """
    wanted = tuple(names)
    for name in wanted:
        if name not in EVERY_FAILURE:
            raise UsageError(
                f'there is no failure "{name}".{did_you_mean(name, EVERY_FAILURE)} Known: {", ".join(EVERY_FAILURE)}.'
            )
    return tuple(f for f in EVERY_FAILURE.values() if not wanted or f.name in wanted)


def chosen_edges(system: System, only: Mapping[str, str]) -> tuple[Edge, ...]:
    """Edges that can be put behind a proxy, and those to stores that can be taken away, narrowed by `only`.

    Raises:
        UsageError: when an edge is asked for that there is not, or that cannot be tried.
    """
    wanted = only.get("edge", "")
    known = (*proxied_edges(system), *store_edges(system))
    chosen = tuple(e for e in known if wanted in {"", e.key, e.name})
    if wanted and not chosen:
        keys = [e.key for e in known]
        raise UsageError(
            f"{_why_not(system, wanted)}.{did_you_mean(wanted, keys)} Edges that can be tried: {', '.join(keys) or 'none'}."
        )
    return chosen


def pairings(edges: Iterable[Edge], failures: Sequence[Failure]) -> list[tuple[Edge, Failure]]:
    """What is to be tried: every edge with every failure that can tell anything there.

    Raises:
        UsageError: when that is nothing.
    """
    edges = list(edges)
    found = fitting(edges, failures)
    if edges and failures and not found:
        raise UsageError(_nothing_to_try(edges, failures))
    return found


def _nothing_to_try(edges: Sequence[Edge], failures: Sequence[Failure]) -> str:
    names = ", ".join(e.name for e in edges)
    if all(f.lasts for f in failures) and any(e.kind is not EdgeKind.RESOURCE for e in edges):
        return (
            f"{names} promises no circuit breaker, so there is none to try. Say what it promises in harness.toml: "
            f'services.{edges[0].caller}.uses.{edges[0].callee}.breaker = {{ failures = 5, open_for = "1s" }}'
        )
    known = ", ".join(f.name for f in EVERY_FAILURE.values() if any(fits(e, f) for e in edges))
    return f"{', '.join(f.name for f in failures)} makes no sense on {names}. What can be tried there: {known}."


def _why_not(system: System, wanted: str) -> str:
    edge = system.edge(wanted)
    if edge is None:
        return f'there is no edge "{wanted}"'
    if edge.kind is EdgeKind.RESOURCE:
        return f'{edge.callee} cannot be taken away from {edge.caller}, as "{wanted}" asks: {why_not(system, edge)}'
    return f'no proxy can be put on "{wanted}"'


def copies(system: System, cells: int, jobs: int) -> int:
    """How many copies of the system are worth starting for so many cells."""
    if any(s.port for s in system.services.values()):
        return 1
    return max(1, min(_MAX_COPIES, jobs + 2, cells // _CELLS_PER_COPY))


@dataclass(slots=True)
class Explorer:
    """Tries failures on edges.

    Args:
        rig_for: makes the rig of a copy, by its number.
        progress: told how many cells are done, of how many, and the one begun.
        journey: only this one is walked, where one is named.
        turnstile: whoever is at work goes through it.
        machine: watched meanwhile; None where nobody does.
    """

    system: System
    root: Path
    seed: int
    log: Path
    journal: Journal
    effort: Effort
    rig_for: Callable[[int], Rig]
    progress: Callable[[int, int, str], None]
    journey: str = ""
    turnstile: Turnstile = field(default_factory=Turnstile)
    machine: Machine | None = None
    _waiting: deque[tuple[Edge, Failure]] = field(default_factory=deque)
    _total: int = 0
    _explored: Explored = field(default_factory=Explored)
    _rounds: Rounds | None = None

    async def explore(
        self, planned: Sequence[tuple[Edge, Failure]], number: int, pairs: Rounds | None = None
    ) -> Explored:
        """Try failures on edges.

        Args:
            planned: each failure with the edge to try it on.
            number: how many copies of the system share the work.
            pairs: tries pairs of failures after them; None for none.
        """
        self._waiting, self._total, self._rounds = deque(planned), len(planned), pairs
        crowd = Crowd(number, self.machine)
        documents = Documents(self.system, self.root)
        self._explored.unread = documents.unread
        async with anyio.create_task_group() as outer:
            outer.start_soon(crowd.watch)
            async with anyio.create_task_group() as tasks:
                for n in range(number):
                    tasks.start_soon(self._copy, n, crowd, documents)
            outer.cancel_scope.cancel()
        if pairs is not None:
            self._explored.lookouts, self._explored.pairs = pairs.extra, pairs.tried
        return self._explored

    async def _copy(self, number: int, crowd: Crowd, documents: Documents) -> None:
        """One copy of the system: takes one cell after another, while the machine has room for it."""
        if self._rounds is None and not await crowd.has_room(number, self._over):
            return  # the others have done it all
        rig = self.rig_for(number)
        if number == 0:
            await recording(rig)
        log = self.log.with_stem(f"{self.log.stem}-{number}")
        try:
            async with AsyncExitStack() as stack:
                async with self.turnstile.among_others():  # it takes as much of the machine as a try does
                    here = await stack.enter_async_context(
                        replica(
                            self.system,
                            rig,
                            root=self.root,
                            seed=self.seed,
                            log=log,
                            documents=documents,
                            machine=self.machine,
                        )
                    )
                self._explored.failing |= here.failing
                settler = Settler(partial(self._mend, here), self.turnstile)
                while await crowd.has_room(number, self._over):
                    edge, failure = self._waiting.popleft()
                    cell = self._plan(here, edge, failure)
                    if cell is None:
                        self._not_tried(edge, here)
                        continue
                    done = len(self._explored.results)
                    self.progress(done, self._total, f"{edge.callee} {failure.words} ({edge.name})")
                    self._explored.results.append(await self._settled(cell, here, settler))
                if self._rounds is not None:
                    await self._rounds.take_part(here, self._lent(settler))
        finally:
            with anyio.CancelScope(shield=True):
                await rig.close()

    def _over(self) -> bool:
        return not self._waiting

    def _plan(self, here: Replica, edge: Edge, failure: Failure) -> Cell | None:
        if edge.kind is EdgeKind.RESOURCE:
            walked = {n: b for n, b in here.baselines.items() if self.journey in {"", n}}
            return plan_store_cell(self.system, walked, edge, failure)
        return plan_cell(here.baselines, edge, failure, self.journey)

    def _lent(self, settler: Settler) -> Ground:
        found = self._explored

        def progress(done: int, total: int, note: str) -> None:
            self.progress(len(found.results) + done, self._total + total, note)

        return Ground(
            effort=self.effort,
            journal=self.journal,
            results=found.results,
            single=partial(self._settled, settler=settler),
            settler=settler,
            progress=progress,
            over=lambda: bool(found.cut_short),
        )

    def _not_tried(self, edge: Edge, here: Replica) -> None:
        found = self._explored
        if edge.key in here.untraced:
            found.untraced = tuple(dict.fromkeys((*found.untraced, edge)))
        else:
            found.unused = tuple(dict.fromkeys((*found.unused, edge)))

    async def _settled(self, cell: Cell, here: Replica, settler: Settler) -> Result:
        """Try a cell; what seems broken is broken when it is so twice."""
        return Result(
            *await settler.settle(
                partial(self._try, cell, here),
                partial(self.journal.write, "repeated", experiment=cell.failure.name, edge=cell.edge.name),
            )
        )

    async def _try(self, cell: Cell, here: Replica) -> tuple[Observation, list[Broken]]:
        if cell.edge.kind is EdgeKind.RESOURCE:
            return await self._try_store(cell, here)
        seen = await try_cell(cell, here, self.effort, self.journal)
        promised = promise(self.system, cell.entry, cell.edge, cell.failure)
        return seen, judge(seen, promised, recovery_s=self.effort.recovery_s, wait_s=self.effort.wait_s)

    async def _try_store(self, cell: Cell, here: Replica) -> tuple[Observation, list[Broken]]:
        seen = await try_store(cell, here, self.effort, self.journal)
        promised = store_promise(self.system, cell.entry, cell.edge, cell.failure)
        return seen, judge_store(seen, promised, recovery_s=self.effort.recovery_s, wait_s=self.effort.wait_s)

    async def _mend(self, here: Replica, seen: Tried) -> None:
        """After what never goes by itself: what has died, or does not add up any more, would spoil all that follows."""
        runtime = here.rig.runtime
        names = set(runtime.died()) if not seen.invariants else set(runtime.pids())
        if seen.recovery_s is None:
            names |= set(runtime.pids())
        async with anyio.create_task_group() as tasks:
            for name in sorted(names):
                tasks.start_soon(self._restart, name, here)

    async def _restart(self, name: str, here: Replica) -> None:
        try:
            await here.rig.runtime.restart(name)
        except StartError as error:
            self._explored.cut_short = f"a service that had ended did not start again: {error}"
            self._waiting.clear()
