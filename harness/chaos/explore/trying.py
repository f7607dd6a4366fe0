"""Tries one cell on one replica: the failure goes in, journeys are walked, it is lifted, and all must go well again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import anyio

from harness.chaos.explore.breaking import watch_breaker
from harness.chaos.explore.catalogue import Effect
from harness.chaos.explore.observation import Cell, Observation
from harness.chaos.explore.promises import promise
from harness.chaos.explore.replica import Replica
from harness.chaos.journal import Journal
from harness.system.drive import Sample
from harness.system.model import EdgeKind, OnFailure

__all__ = ["Effort", "recover", "try_cell", "until_ready", "walk_under"]

_PAUSE_S = 0.1
#: How long a recovery that comes too late is watched beyond its limit, so that it can be said how late it came.
_CONFIRM_S = 3.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard a cell is tried.

    Args:
        at_once: journeys walked at once under the failure, and once it is over.
        recovery_s: the longest it may take until all goes well again, in seconds.
        invariants_s: the longest to wait for the invariants, in seconds.
        wait_s: what an answer may take where nobody promised a budget, in seconds.
    """

    at_once: int
    recovery_s: float
    invariants_s: float
    wait_s: float

    def patience_s(self, promised_s: float | None, fan: int) -> float:
        """How long an answer is waited for, in seconds: whoever waits for ever is told from whoever waits too long.

        Args:
            promised_s: what is promised for one answer at the entry, in seconds; None when nothing is.
            fan: the most different things the entry wants for one step.
        """
        return (promised_s or self.wait_s) * max(1, fan) * 2 + 2.0


async def try_cell(cell: Cell, on: Replica, effort: Effort, journal: Journal) -> Observation:
    """Carry one cell out. Whatever happens, the failure is lifted."""
    seen = on.observation(Observation, cell)
    promised = promise(on.system, cell.entry, cell.edge, cell.failure)
    after = await on.mark()
    seen.injected = journal.write("failure injected", experiment=cell.failure.name, edge=cell.edge.name)
    try:
        await on.rig.put(cell.edge, cell.failure.injections(cell.edge), cell.failure.name)
        if cell.failure.lasts:
            await watch_breaker(seen, on, after, effort.at_once, promised.open_s)
        else:
            seen.during, seen.siblings = await walk_under(on, effort, cell, cell.name, promised.waits_s)
            if cell.edge.kind is EdgeKind.HTTP:
                seen.ready_during = await on.ready(on.system.services[cell.edge.caller])
        calls = await on.calls_at(cell.edge, seen.during, after, counted=cell.failure.counted)
    finally:
        with anyio.CancelScope(shield=True):
            await on.rig.clear(cell.edge)
        seen.lifted = journal.write("failure lifted", experiment=cell.failure.name, edge=cell.edge.name)
    seen.calls = [c for c in calls if c.proxy == cell.edge.key]
    # Where connections are refused nobody can count them; that these journeys use the edge is known from better times.
    seen.hit = bool(seen.calls) or not cell.failure.counted
    seen.windows = on.windows(cell.edge, seen.during, calls, seen.lifted)
    if cell.failure.effect is Effect.FAILS:
        seen.fallbacks = on.fallbacks(cell.edge, seen.windows)
    seen.undeclared = on.undeclared(seen.during, calls, cell.edge)
    seen.died = on.rig.runtime.died()
    if not seen.died:
        await recover(seen, on, effort, promised.open_s)
        if cell.edge.kind is EdgeKind.EVENTS:
            # Also what was asked afterwards: what still waits there would stand before the events of whatever is tried next.
            told = [s for s in (*seen.during, *seen.after) if s.ok]
            seen.undelivered = await on.undelivered(cell.edge, told, after, effort.invariants_s)
        seen.invariants = await on.broken_invariants(effort.invariants_s)
    seen.everywhere = await on.calls(seen.during, after)
    journal.write(
        "failure judged",
        experiment=cell.failure.name,
        edge=cell.edge.name,
        calls=len(seen.calls),
        failed=sum(not s.ok for s in seen.during),
        recovery_s=seen.recovery_s,
        died=seen.died,
    )
    return seen


async def walk_under(
    on: Replica, effort: Effort, cell: Cell, name: str, waits_s: float | None
) -> tuple[list[Sample], list[Sample]]:
    """Walk the cell's journey while a failure lasts, and the one beside it where the failure keeps callers waiting.

    Args:
        name: of what is tried; with the seed it decides the data of the walks.
        waits_s: what is promised for an answer at the entry, in seconds; None when nothing is.

    Returns:
        Walks of the journey, and of the one beside it.
    """
    timeout_s = effort.patience_s(waits_s, on.baselines[cell.journey].fan)
    during: list[Sample] = []
    if cell.edge.kind is EdgeKind.HTTP and cell.failure.effect is Effect.FAILS and not cell.failure.holds:
        # Many at once open the circuit breaker before it can be seen how often one of them comes.
        during = await on.walk(cell.journey, f"{name} alone", 1, timeout_s)
    sibling: list[Sample] = []

    async def beside() -> None:
        # Once the others have filled what they share.
        await anyio.sleep(_PAUSE_S * 2)
        sibling.extend(await on.walk(cell.sibling, name, 2, timeout_s))

    async with anyio.create_task_group() as tasks:
        if cell.failure.holds and cell.sibling:
            tasks.start_soon(beside)
        during += await on.walk(cell.journey, name, effort.at_once, timeout_s)
    return during, sibling


async def recover(seen: Observation, on: Replica, effort: Effort, open_s: float) -> None:
    """Walk until as many at once go well as before, or the time is over; then ask the caller whether it is ready.

    Args:
        open_s: how long circuit breakers on the way may keep it from going well, in seconds.
    """
    limit = time.monotonic() + effort.recovery_s + open_s + _CONFIRM_S
    tries = 0
    while time.monotonic() < limit:
        tries += 1
        first = await on.walk(seen.cell.journey, f"{seen.cell.name} again {tries}")
        seen.after += first
        if not _well(first):
            await anyio.sleep(_PAUSE_S)
            continue
        # One that goes well may be a probe; only when as many as before go well at once is it over.
        burst = await on.walk(seen.cell.journey, f"{seen.cell.name} goodput {tries}", effort.at_once)
        seen.after += burst
        if _well(burst):
            seen.recovery_s = first[0].started - seen.lifted
            break
    if seen.recovery_s is not None and seen.cell.edge.contract.on_failure is OnFailure.DEGRADE:
        await _asked_again(seen, on, limit)
    await until_ready(seen, on, limit)


async def until_ready(seen: Observation, on: Replica, limit: float) -> None:
    """Ask the caller whether it is ready until it is, or the time is over; a journey may go well before it says so.

    Args:
        limit: by the monotonic clock, in seconds; asked once at least.
    """
    service = on.system.services[seen.cell.edge.caller]
    while True:
        seen.ready_after, seen.asked_ready = await on.ready(service), service.ready
        seen.asked_until = time.time()
        if seen.ready_after is not False or time.monotonic() > limit:
            return
        await anyio.sleep(_PAUSE_S)


async def _asked_again(seen: Observation, on: Replica, limit: float) -> None:
    """Walk until somebody comes to the edge once more: where less is served meanwhile, going well does not say so.

    Whoever does not come in time may remember answers. What is tried next on the edge would meet nobody, and be told so.
    """
    tries = 0
    while time.monotonic() < limit:
        tries += 1
        after = await on.mark()
        walked = await on.walk(seen.cell.journey, f"{seen.cell.name} asked again {tries}")
        if any(c.proxy == seen.cell.edge.key for c in await on.calls(walked, after)):
            return
        await anyio.sleep(_PAUSE_S)


def _well(samples: Sequence[Sample]) -> bool:
    return all(s.ok for s in samples)
