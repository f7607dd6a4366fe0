"""What users and callers are promised while an edge fails, read from the edges' resilience contracts; observes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.chaos.experiments import Expect
from harness.chaos.explore.catalogue import Effect, Failure
from harness.system.model import Edge, EdgeKind, OnFailure, System

__all__ = ["Promise", "promise", "ways"]


@dataclass(frozen=True, slots=True)
class Promise:
    """What holds at the entry while a failure lasts.

    Args:
        expect: what users see; None when no edge on the way says what becomes of them.
        waits_s: the longest the first caller on the way may be kept, in seconds; None when nobody promised.
        repeats: the most often one call of a user may come to the edge: as often as the edge on the way that repeats most
            may, for only one of them should; None when nobody promised.
        open_s: how long circuit breakers on the way may keep it closed once the failure is over, in seconds.
    """

    expect: Expect | None
    waits_s: float | None
    repeats: int | None = None
    open_s: float = 0.0


def promise(system: System, entry: str, edge: Edge, failure: Failure) -> Promise:
    """Work out what users are promised.

    An edge that degrades, queues or drops keeps its failure from everybody above. With several ways from the entry to the edge
    only what all of them promise is promised.

    Args:
        entry: the service where the journey comes in.
    """
    if edge.contract.behind:
        return Promise(Expect.FULL, None)
    there = [(*way, edge) for way in ways(system, entry, edge.caller)]
    attempts = [e.contract.attempts or 1 for way in there for e in way] if edge.contract.attempts else []
    repeats = max(attempts, default=None)
    # One after the other: what one lets through as a probe may meet the next while that is open.
    opens = [sum(e.contract.breaker.open_for_s for e in way if e.contract.breaker) for way in there]
    open_s = max(opens, default=0.0)
    if failure.effect is Effect.HARMLESS:
        return Promise(Expect.FULL, None, repeats, open_s)
    kept = [_kept(way) for way in there]
    expect = (
        None
        if None in kept or not kept
        else Expect.DEGRADED
        if all(k is Expect.DEGRADED for k in kept)
        else Expect.REJECTED
    )
    budgets = [way[0].contract.budget_s for way in there]
    known = [b for b in budgets if b is not None]
    return Promise(expect, max(known) if known and len(known) == len(budgets) else None, repeats, open_s)


def _kept(way: tuple[Edge, ...]) -> Expect | None:
    """What comes of a failure at the end of a way, at its beginning."""
    if any(e.contract.goes_on for e in way):
        return Expect.DEGRADED
    return Expect.REJECTED if way[-1].contract.on_failure is OnFailure.REJECT else None


def ways(system: System, start: str, end: str, seen: tuple[str, ...] = ()) -> Iterator[tuple[Edge, ...]]:
    """Every way without circles over HTTP edges from one service to another; one empty way when they are the same."""
    if start == end:
        yield ()
        return
    for edge in system.edges_from(start):
        if edge.kind is EdgeKind.HTTP and edge.callee not in seen:
            for rest in ways(system, edge.callee, end, (*seen, start)):
                yield (edge, *rest)
