"""Judges a pair of failures, with the judge of single ones, and keeps what is new in it; observes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from harness.chaos.explore.judging import Broken, Kind, judge
from harness.chaos.explore.pairs.promises import pair_promises
from harness.chaos.explore.pairs.values import PairSeen
from harness.chaos.explore.result import Result
from harness.system.model import System

__all__ = ["judge_pair", "known"]

#: Promises of an edge; all others are the system's, and seen at both edges alike.
_OF_EDGE = {
    Kind.BUDGET,
    Kind.ATTEMPTS,
    Kind.AMPLIFICATION,
    Kind.REPEATED,
    Kind.FALLBACK,
    Kind.READINESS,
    Kind.DELIVERY,
    Kind.BREAKER,
}


def judge_pair(system: System, seen: PairSeen, *, recovery_s: float, wait_s: float) -> list[Broken]:
    """Every promise that was broken; what is an edge's own has the edge in its key.

    Args:
        recovery_s, wait_s: see `judge`.
    """
    found: dict[tuple[Kind, str], Broken] = {}
    for one, promised in zip(seen.each, pair_promises(system, seen.pair), strict=True):
        for broken in _named(one.cell.edge.key, judge(one, promised, recovery_s=recovery_s, wait_s=wait_s)):
            found.setdefault((broken.kind, broken.key), broken)
    return list(found.values())


def known(seen: PairSeen, alone: Iterable[Result]) -> set[tuple[Kind, str]]:
    """Kind and key of what one of the failures does alone.

    What was seen once only, and can come of a busy machine, is not known: it would hide what the pair does.

    Args:
        alone: results of single failures.
    """
    cells = {(c.edge.key, c.failure.name) for c in seen.pair.cells}
    return {
        (b.kind, b.key)
        for r in alone
        if (r.seen.cell.edge.key, r.seen.cell.failure.name) in cells
        for b in _named(r.seen.cell.edge.key, (*r.broken, *(d for d in r.doubtful if not d.timing)))
    }


def _named(edge: str, broken: Iterable[Broken]) -> Iterator[Broken]:
    return (replace(b, key=f"{edge}:{b.key}") if b.kind in _OF_EDGE else b for b in broken)
