"""Tries a store away on one replica: from a service that runs, and one that starts beside it; judges nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace

import anyio

from harness.chaos.explore.catalogue import Failure
from harness.chaos.explore.observation import Baseline, Cell
from harness.chaos.explore.replica import Replica
from harness.chaos.explore.stores.catalogue import AWAY
from harness.chaos.explore.stores.judging import store_promise
from harness.chaos.explore.stores.observation import Started, StoreObservation
from harness.chaos.explore.stores.outage import Outage, outage_of
from harness.chaos.explore.stores.whereabouts import is_counted
from harness.chaos.explore.trying import Effort, recover
from harness.chaos.journal import Journal
from harness.system.drive import Sample
from harness.system.model import Edge, EdgeKind, Service, System
from harness.system.readiness import probe, wait_until
from harness.system.runtime import Beside

__all__ = ["plan_store_cell", "try_store"]

_POLL_S = 0.05
#: How long readiness may take to notice: it may look at the store now and then only.
_NOTICE_S = 2.0
#: How long a service that says it is not ready is watched on, and the most one that says nothing at all is.
_STEADY_S = 0.4
_SILENT_S = 5.0
_SLACK_S = 1.0


def plan_store_cell(system: System, baselines: Mapping[str, Baseline], edge: Edge, failure: Failure) -> Cell | None:
    """Choose who walks: the commonest journey that comes to the service and its store, and one beside it that does not.

    A journey that comes to the service and never to its store would go well whatever becomes of that.
    """
    edges = tuple(system.edges_to(edge.caller))
    into = {e.key for e in edges}

    def comes(base: Baseline) -> bool:
        return base.entry == edge.caller or not into.isdisjoint(base.edges)

    using = [b for b in baselines.values() if comes(b)]
    # What events do to a store they do at any time, perhaps when the journey has long ended.
    if is_counted(edge) and all(e.kind is not EdgeKind.EVENTS for e in edges):
        using = [b for b in using if b.stores is None or edge.key in b.stores]
    if not using:
        return None
    chosen = min(using, key=lambda b: (-b.weight, len(b.edges), b.journey))
    beside = [b for b in baselines.values() if b.entry == chosen.entry and not comes(b)]
    sibling = min(beside, key=lambda b: (b.slowest_s, b.journey)).journey if beside else ""
    return Cell(edge, failure, chosen.journey, chosen.entry, sibling)


async def try_store(cell: Cell, on: Replica, effort: Effort, journal: Journal) -> StoreObservation:
    """Carry one cell out. Whatever happens, the store is brought back."""
    return await _Trial(cell, on, effort, journal).whole()


class _Trial:
    def __init__(self, cell: Cell, on: Replica, effort: Effort, journal: Journal) -> None:
        self._cell, self._on, self._effort, self._journal = cell, on, effort, journal
        self._service: Service = on.system.services[cell.edge.caller]
        self._promised = store_promise(on.system, cell.entry, cell.edge, cell.failure)
        self._outage: Outage = outage_of(cell.edge, cell.failure, on.rig)
        self._seen = on.observation(StoreObservation, cell)

    async def whole(self) -> StoreObservation:
        seen, after = self._seen, await self._on.mark()
        async with AsyncExitStack() as stack:
            second = await self._while_away(after, stack)
            seen.died = self._on.rig.runtime.died()
            if not seen.died and seen.hit:
                await recover(seen, self._on, self._effort, self._promised.open_s)
            if second is not None:
                await self._until_ready(second)
        if not seen.died:
            seen.untold = await self._untold(after)
            seen.invariants = await self._on.broken_invariants(self._effort.invariants_s)
        self._write(
            "failure judged",
            failed=sum(not s.ok for s in seen.during),
            ready=seen.ready_during,
            recovery_s=seen.recovery_s,
            died=seen.died,
        )
        return seen

    async def _while_away(self, after: int, stack: AsyncExitStack) -> Beside | None:
        """Take the store away from the service that runs, start another beside it, and bring the store back.

        Returns:
            The other one, where it still runs.
        """
        seen, second = self._seen, None
        seen.injected = self._write("failure injected")
        try:
            why_not = await self._outage.cut()
            if why_not:
                seen.notes.append(why_not)
            else:
                await self._walk(after)
            seen.hit = not (why_not and self._outage.returns)
            if seen.hit and self._cell.failure is AWAY:
                name = self._service.name
                self._write("service started beside", service=name)
                second = await stack.enter_async_context(
                    self._on.rig.runtime.beside(name, self._outage.told_at_start())
                )
                seen.started = await self._watch(second)
        finally:
            with anyio.CancelScope(shield=True):
                await self._outage.restore()
            seen.lifted = self._write("failure lifted")
        return second if self._outage.returns else None

    async def _walk(self, after: int) -> None:
        seen, cell, on = self._seen, self._cell, self._on
        timeout_s = self._effort.patience_s(self._promised.waits_s, seen.baseline.fan)
        siblings: list[Sample] = []

        async def beside() -> None:
            siblings.extend(await on.walk(cell.sibling, cell.name, 2, timeout_s))

        async with anyio.create_task_group() as tasks:
            if cell.sibling:
                tasks.start_soon(beside)
            seen.during = await on.walk(cell.journey, cell.name, self._effort.at_once, timeout_s)
        seen.siblings = siblings
        seen.ready_during = await self._readiness(wanted=cell.edge.contract.goes_on)
        calls = await on.calls(seen.during, after)
        into = {e.key for e in on.system.edges_to(self._service.name)}
        seen.given = [c for c in calls if c.proxy in into]
        seen.undeclared = on.undeclared(seen.during, calls)

    async def _readiness(self, *, wanted: bool) -> bool | None:
        """What the service's readiness says; one that says something else than is wanted is given time to notice."""
        limit = time.monotonic() + _NOTICE_S
        while True:
            said = await self._on.ready(self._service)
            if said is None or said is wanted or time.monotonic() > limit:
                return said
            await anyio.sleep(_POLL_S)

    async def _watch(self, second: Beside) -> Started:
        """Look at a service that was just started, for as long as it may take to start."""
        service = self._service
        begun = time.monotonic()
        silent_until = begun + min(_SILENT_S, 2 * self._on.rig.runtime.starts_s[service.name]) + _SLACK_S
        answered = 0.0
        while True:
            if second.exit_code is not None:
                return Started(ready=False, exit_code=second.exit_code)
            seen = await probe(second.address, service.ready)
            now = time.monotonic()
            if not seen:
                return Started(ready=True if service.ready else None)
            if seen.startswith("HTTP"):
                answered = answered or now
            if now > silent_until or (answered and now - answered > _STEADY_S):
                return Started(ready=False)
            await anyio.sleep(_POLL_S)

    async def _until_ready(self, second: Beside) -> None:
        """The store is back: whoever lives and waits for it is given the time to find it."""
        if second.exit_code is None:
            missing = await wait_until(
                second.address,
                self._service.ready,
                limit_s=self._effort.recovery_s,
                gave_up=lambda: "" if second.exit_code is None else "ended",
            )
            if missing and second.exit_code is None and self._seen.started is not None:
                self._seen.started = replace(self._seen.started, late=True)

    async def _untold(self, after: int) -> Mapping[str, list[Sample]]:
        """Walks that went well and whose events did not come to the service, also not afterwards."""
        seen, on = self._seen, self._on
        told = [s for s in (*seen.during, *seen.after) if s.ok]
        found = {}
        for edge in on.system.edges_to(self._service.name):
            if edge.kind is EdgeKind.EVENTS and edge.key in seen.baseline.edges:
                found[edge.caller] = await on.undelivered(edge, told, after, self._effort.invariants_s)
        return {caller: lost for caller, lost in found.items() if lost}

    def _write(self, what: str, **facts: object) -> float:
        cell = self._cell
        return self._journal.write(what, experiment=cell.failure.name, edge=cell.edge.name, **facts)
