"""Watches a caller's circuit breaker while its callee goes on failing: it opens, stays open, probes, opens again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from harness.chaos.client import Call
from harness.chaos.explore.observation import BreakerSeen, Observation
from harness.chaos.explore.replica import Replica
from harness.chaos.explore.windows import Window
from harness.system.drive import Sample
from harness.system.model import BreakerPromise

__all__ = ["watch_breaker"]

_PAUSE_S = 0.05
_TIMEOUT_S = 10.0
#: How many times as many calls as promised are let fail before it is said that it does not open.
_PATIENCE = 2
#: How long a probe is waited for after it is due: as a share of the time until then, and in seconds.
_PROBE = 1.0
_PROBE_S = 2.0
#: How long the caller is waited for to be asked at all, where a breaker above it is open, in seconds.
_GIVE_UP_S = 10.0
#: Further away nothing is waited for, whatever the clock says, in seconds.
_FARTHEST_S = 120.0
#: Within this share of the promised time it has to be open; what comes later may be the probe.
_SURELY_OPEN = 0.9
#: How often it is looked whether it is open, as a share of the promised time.
_LOOK = 0.1


@dataclass(slots=True)
class _Watch:
    """Walks under a failure that stays, one after the other, and what came to the edge meanwhile.

    All calls count, whoever they are made for: what a caller does in the background meets the same breaker.
    """

    seen: Observation
    on: Replica
    promised: BreakerPromise
    after: int
    walked: list[Sample] = field(default_factory=list)
    asked: set[tuple[str, int]] = field(default_factory=set)
    #: When the caller was last asked and made no call, in seconds since the epoch.
    refused: float = 0.0

    async def walk(self, times: int = 1) -> tuple[bool, bool]:
        """Walk, and say whether a call came to the edge for it, and whether the caller was asked for what leads there."""
        cell = self.seen.cell
        samples = await self.on.walk(cell.journey, f"{cell.name} {len(self.walked)}", times, _TIMEOUT_S)
        self.walked += samples
        calls = await self.on.calls(samples, self.after)
        given = self.on.windows(cell.edge, samples, calls, time.time())
        self.asked |= {_kind(w) for w in given if w.calls}
        leading = [w for w in given if _kind(w) in self.asked]
        self.refused = max([self.refused, *(w.began for w in leading if not w.calls)])
        return any(c.proxy == cell.edge.key for c in calls), bool(leading)

    async def since(self, moment: float) -> list[Call]:
        """Calls at the edge that began after a moment, in seconds since the epoch."""
        return [c for c in await self.on.calls_over(self.seen.cell.edge, self.after) if c.began > moment]

    def in_a_row(self, calls: Sequence[Call]) -> int:
        """The most of them that came without a pause in which the breaker can have been open."""
        most = run = 0
        last = 0.0
        for call in calls:
            run = run + 1 if call.began - last < self.promised.open_for_s * _SURELY_OPEN else 1
            most, last = max(most, run), call.began
        return most


async def watch_breaker(seen: Observation, on: Replica, after: int, at_once: int, open_s: float) -> None:
    """Walk until the breaker opens, while it is open, until it probes, and until it is open again.

    Args:
        seen: takes what was seen; its edge promises a breaker, and its failure is in force.
        after: where the log of calls was when the failure began.
        at_once: journeys walked at once while it has to be open.
        open_s: how long it and the breakers above it may stay open before one of their probes comes through, in seconds.
    """
    promised = seen.cell.edge.contract.breaker
    if promised is None:
        return
    watch = _Watch(seen, on, promised, after)
    try:
        seen.breaker = await _watched(watch, at_once, open_s)
    finally:
        seen.during = watch.walked


async def _watched(watch: _Watch, at_once: int, open_s: float) -> BreakerSeen:
    promised = watch.promised
    failures, open_now, asked = await _until_open(watch, 0.0)
    if not open_now:
        return BreakerSeen(failures, opened=False, hidden=not asked)
    opened = (await watch.since(0.0))[-1].began
    until = opened + promised.open_for_s * _SURELY_OPEN
    times, limit = at_once, _steady(until)
    while time.monotonic() < limit:
        await watch.walk(times)
        times = 1
        await anyio.sleep(promised.open_for_s * _LOOK)
    leaked = sum(c.began < until for c in await watch.since(opened))
    if leaked:
        return BreakerSeen(failures, opened=True, leaked=leaked)
    probe = await _probe(watch, opened, opened + open_s * (1 + _PROBE) + _PROBE_S)
    refused_after_s = max(0.0, watch.refused - opened)
    if probe is None:
        return BreakerSeen(failures, opened=True, refused_after_s=refused_after_s)
    again, open_again, asked = await _until_open(watch, opened)
    return BreakerSeen(
        failures,
        opened=True,
        refused_after_s=refused_after_s,
        probe_after_s=probe.began - opened,
        reopened_after=again if open_again or not asked else None,
    )


async def _until_open(watch: _Watch, since: float) -> tuple[int, bool, bool]:
    """Walk until a walk brings no call to the edge although the caller was asked, or has had far more than enough.

    Returns:
        How many calls came in a row, whether it is open, and whether the caller was still asked in the last walk.
    """
    edge, fan = watch.seen.cell.edge, watch.seen.baseline.fan
    enough = (watch.promised.failures + (edge.contract.attempts or 1) * fan) * _PATIENCE
    for _ in range(enough + 1):
        came, asked = await watch.walk()
        count = watch.in_a_row(await watch.since(since))
        if not came or count > enough:
            return count, not came and asked, asked
    return count, False, True


async def _probe(watch: _Watch, opened: float, limit: float) -> Call | None:
    """Walk from when a probe is due until one comes; None when the caller refused to make one after the limit."""
    await anyio.sleep(max(0.0, _steady(opened + watch.promised.open_for_s) - time.monotonic()))
    give_up = _steady(limit + _GIVE_UP_S)
    while True:
        calls = await watch.since(opened)
        if calls or watch.refused > limit or time.monotonic() > give_up:
            return calls[0] if calls else None
        await watch.walk()
        await anyio.sleep(_PAUSE_S)


def _steady(moment: float) -> float:
    """A moment to come, in seconds since the epoch, by the clock that never jumps; at most as far away as makes sense."""
    return time.monotonic() + min(moment - time.time(), _FARTHEST_S)


def _kind(window: Window) -> tuple[str, int]:
    """What tells calls apart that lead to the edge from others: ids in paths differ from walk to walk."""
    return window.method, window.path.count("/")
