"""What users and callers are promised while two edges fail at once: what both promise, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod

from harness.chaos.experiments import Expect
from harness.chaos.explore.observation import Cell
from harness.chaos.explore.pairs.values import Pair
from harness.chaos.explore.promises import Promise, promise, ways
from harness.system.model import Edge, System

__all__ = ["pair_promises"]

#: From the most that can be promised to the least.
_LESS = (Expect.FULL, Expect.DEGRADED, Expect.REJECTED, None)


def pair_promises(system: System, pair: Pair) -> tuple[Promise, Promise]:
    """What is promised under both failures, for each of the two edges: only how often calls may come to it differs."""
    alone = [promise(system, c.entry, c.edge, c.failure) for c in pair.cells]
    expect = max((p.expect for p in alone), key=_LESS.index)
    waits = _waits(system, pair)
    first, second = (_repeats(system, c, pair, p.repeats) for c, p in zip(pair.cells, alone, strict=True))
    # One after the other, as on one way.
    open_s = sum(p.open_s for p in alone)
    return Promise(expect, waits, first, open_s), Promise(expect, waits, second, open_s)


def _waits(system: System, pair: Pair) -> float | None:
    """The longest the entry may be kept: the budgets of its own edges on the ways, one after the other.

    Where both ways begin with the same edge its budget holds for both failures; where no step of the journey meets both,
    they are not waited for one after the other.
    """
    kept = [
        list(_ways(system, c)) for c in pair.cells if not c.edge.contract.behind
    ]  # nobody waits for what is sent later, or not at all
    longest: list[float] = []
    for chosen in product(*kept):
        budgets = {way[0].key: way[0].contract.budget_s for way in chosen}
        known = [b for b in budgets.values() if b is not None]
        if len(known) < len(budgets):
            return None
        longest.append(sum(known) if pair.together else max(known, default=0.0))
    return max(longest, default=0.0) or None


def _repeats(system: System, cell: Cell, pair: Pair, alone: int | None) -> int | None:
    """The most often one call of a user may come to an edge: each edge that fails may repeat what goes over it."""
    if alone is None:
        return None
    failing = {c.edge.key for c in pair.cells}
    most = [prod(e.contract.attempts or 1 for e in way if e.key in failing) for way in _ways(system, cell)]
    return max([alone, *most])


def _ways(system: System, cell: Cell) -> Iterator[tuple[Edge, ...]]:
    return ((*way, cell.edge) for way in ways(system, cell.entry, cell.edge.caller))
