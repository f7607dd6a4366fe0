"""Tries a pair on one replica: both failures go in, the journey is walked, both are lifted, and all must go well again."""

from __future__ import annotations

import time
from dataclasses import replace

import anyio

from harness.chaos.explore.catalogue import Effect
from harness.chaos.explore.observation import Observation
from harness.chaos.explore.pairs.promises import pair_promises
from harness.chaos.explore.pairs.values import Pair, PairSeen
from harness.chaos.explore.replica import Replica
from harness.chaos.explore.trying import Effort, recover, until_ready, walk_under
from harness.chaos.journal import Journal
from harness.system.model import EdgeKind

__all__ = ["try_pair"]


async def try_pair(pair: Pair, on: Replica, effort: Effort, journal: Journal) -> PairSeen:
    """Carry one pair out. Whatever happens, both failures are lifted."""
    each = [on.observation(Observation, c) for c in pair.cells]
    seen = PairSeen(pair, *each)
    after = await on.mark()
    injected = journal.write("failures injected", experiment=pair.failures, edge=pair.edges)
    try:
        for cell in pair.cells:
            await on.rig.put(cell.edge, cell.failure.injections(cell.edge), cell.failure.name)
        await _under_both(seen, on, effort)
        calls = []
        for cell in pair.cells:
            calls = await on.calls_at(cell.edge, seen.during, after, counted=cell.failure.counted)
    finally:
        with anyio.CancelScope(shield=True):
            await on.rig.clear(*(cell.edge for cell in pair.cells))
        lifted = journal.write("failures lifted", experiment=pair.failures, edge=pair.edges)
    undeclared = on.undeclared(seen.during, calls, *(c.edge for c in pair.cells))
    died = on.rig.runtime.died()
    for one in each:
        edge = one.cell.edge
        one.injected, one.lifted, one.undeclared, one.died = injected, lifted, undeclared, died
        one.calls = [c for c in calls if c.proxy == edge.key]
        one.hit = bool(one.calls) or not one.cell.failure.counted
        one.windows = on.windows(edge, one.during, calls, lifted)
    if not died:
        await _afterwards(seen, on, effort, after)
    journal.write(
        "failures judged",
        experiment=pair.failures,
        edge=pair.edges,
        calls=[len(one.calls) for one in each],
        failed=sum(not s.ok for s in seen.during),
        recovery_s=seen.first.recovery_s,
        died=died,
    )
    return seen


async def _under_both(seen: PairSeen, on: Replica, effort: Effort) -> None:
    pair = seen.pair
    promised, _ = pair_promises(on.system, pair)
    walking = next((c for c in pair.cells if c.failure.holds), pair.first)
    if not all(c.failure.holds for c in pair.cells):
        # What one of them takes from those beside it is known from when it was alone; only two that hold take more.
        walking = replace(walking, sibling="")
    during, siblings = await walk_under(on, effort, walking, pair.name, promised.waits_s)
    unready = {c.edge.caller for c in pair.cells if not c.edge.contract.goes_on}
    for one in seen.each:
        one.during, one.siblings = during, siblings
        edge = one.cell.edge
        # A caller that may say it is not ready because of the one cannot be blamed for it because of the other.
        if edge.kind is EdgeKind.HTTP and edge.caller not in unready:
            one.ready_during = await on.ready(on.system.services[edge.caller])


async def _afterwards(seen: PairSeen, on: Replica, effort: Effort, after: int) -> None:
    pair = seen.pair
    open_s = pair_promises(on.system, pair)[0].open_s
    limit = time.monotonic() + effort.recovery_s + open_s
    await recover(seen.first, on, effort, open_s)
    walked, recovery_s = seen.first.after, seen.first.recovery_s
    for one, other in ((seen.first, seen.second), (seen.second, seen.first)):
        one.after, one.recovery_s = walked, recovery_s
        await until_ready(one, on, limit)
        if one.cell.edge.kind is EdgeKind.EVENTS:
            # A walk that another failure made less of may rightly have sent fewer events.
            whole = one.during if other.cell.failure.effect is Effect.HARMLESS else ()
            told = [s for s in (*whole, *walked) if s.ok]
            one.undelivered = await on.undelivered(one.cell.edge, told, after, effort.invariants_s)
    broken = await on.broken_invariants(effort.invariants_s)
    for one in seen.each:
        one.invariants = broken
