"""Which pairs of failures can show what no single one does, by what the single ones showed in this run; tries nothing.

Of two edges that one journey meets every failure of the one could be tried with every failure of the other. Left out is what
can be told from the single failures: see `LeftOut`, and docs/decisions for what that can miss.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations, product
from statistics import median

from harness.chaos.client import Call
from harness.chaos.explore.catalogue import Effect, Failure
from harness.chaos.explore.observation import Baseline, Cell, Observation
from harness.chaos.explore.pairs.values import Pair
from harness.chaos.explore.planning import beside, commonest
from harness.chaos.explore.promises import ways
from harness.chaos.explore.result import Result
from harness.system.model import Edge, EdgeKind, System

__all__ = ["LeftOut", "Survey", "looks"]

#: Where the caller waits longer than this share of its budget, it is kept waiting; below, it is answered at once.
_KEPT = 0.4
#: What an edge without a budget is given, in seconds.
_NO_BUDGET_S = 1.0
_READS = {"GET", "HEAD", "OPTIONS", "TRACE"}


class LeftOut(StrEnum):
    """Why a pair is not tried."""

    UNSEEN = "one of them met nobody even alone"
    APART = "under one of them nobody comes to the other's edge any more"
    STRANGERS = "no step of the journey and no service meets both"
    HIDDEN = "one of them is above the other, and its caller neither hears what came of it nor asks again"
    ADDS_NOTHING = "one of them only takes time, and the other adds none"
    ALIKE = "one of them looks like another that is tried in its place"


@dataclass(frozen=True, slots=True)
class _Meeting:
    """Two edges that one journey meets, in the order they are declared.

    Args:
        brought: keys of those of them that the journey only comes to when the other fails.
    """

    first: Edge
    second: Edge
    journey: str
    brought: frozenset[str] = frozenset()

    @property
    def edges(self) -> tuple[Edge, Edge]:
        return self.first, self.second


@dataclass(slots=True)
class Survey:
    """What the single failures showed, and what follows from it for pairs.

    Args:
        system: to tell which edge is above which.
        edges: in the order they are declared.
        failures: those to be tried, by edge, in the catalogue's order.
        baselines: how journeys go when all is well.
        results: of the single failures.
        everything: leave nothing out, because just this was asked for.
    """

    system: System
    edges: Sequence[Edge]
    failures: Mapping[str, Sequence[Failure]]
    baselines: Mapping[str, Baseline]
    results: Sequence[Result]
    everything: bool = False
    _meetings: list[_Meeting] = field(init=False)
    _stands: Mapping[tuple[str, str], Failure] = field(init=False)

    def __post_init__(self) -> None:
        self._meetings = list(dict.fromkeys((*self._usual(), *self._brought())))
        self._stands = self._classes()

    @property
    def apart(self) -> tuple[tuple[Edge, Edge], ...]:
        """Pairs of edges that no journey meets."""
        met = {m.edges for m in self._meetings}
        return tuple(two for two in combinations(self.edges, 2) if two not in met)

    def lookouts(self) -> list[Cell]:
        """Single failures to be tried first, in journeys in which they were not: one of each class.

        Nobody walks beside them: what they share with others is known from where they were tried before.
        """
        there = {_key(r.seen.cell) for r in self.results}
        wanted = [
            Cell(e, f, m.journey, self._entry(m), named=True)
            for m in self._meetings
            for e in m.edges
            if e.key not in m.brought
            for f in self._standing(e)
        ]
        return [c for c in dict.fromkeys(wanted) if _key(c) not in there]

    def pairs(self, lookouts: Iterable[Result] = ()) -> tuple[list[Pair], Counter[LeftOut]]:
        """The pairs to be tried, and how many are not, by reason.

        Args:
            lookouts: what came of `lookouts()`.
        """
        seen = {_key(r.seen.cell): r.seen for r in (*self.results, *lookouts)}
        chosen: list[Pair] = []
        left: Counter[LeftOut] = Counter()
        for meeting in self._meetings:
            # Any of them may tell: where connections are refused, no call is seen.
            there = [s for s in seen.values() if s.cell.journey == meeting.journey]
            together = any(_in_one_step(s, *meeting.edges) for s in there)
            for failures in product(*(self.failures[e.key] for e in meeting.edges)):
                standing = tuple(
                    self._stands.get((e.key, f.name), f) for e, f in zip(meeting.edges, failures, strict=True)
                )
                pair, why = self._weighed(meeting, standing, seen, together=together)
                if why is None and standing != failures:
                    why = LeftOut.ALIKE
                if why is None or self.everything:
                    chosen.append(pair)
                else:
                    left[why] += 1
        return chosen, left

    def _weighed(
        self,
        meeting: _Meeting,
        failures: Sequence[Failure],
        seen: Mapping[tuple[str, str, str], Observation],
        *,
        together: bool,
    ) -> tuple[Pair, LeftOut | None]:
        """The pair, and why it need not be tried; None when it may show something."""
        entry = self._entry(meeting)
        sibling = beside(self.baselines, entry, *meeting.edges)
        first, second = (
            Cell(e, f, meeting.journey, entry, sibling) for e, f in zip(meeting.edges, failures, strict=True)
        )
        alone = {c.edge.key: seen.get(_key(c)) for c in (first, second)}
        pair = Pair(first, second, together=together)
        for own, other in ((first, second), (second, first)):
            if own.edge.key in meeting.brought:
                continue
            there = alone[own.edge.key]
            if there is None or not there.hit:
                return pair, LeftOut.UNSEEN
            if not any(c.proxy == other.edge.key for c in there.everywhere):
                return pair, LeftOut.APART
        return pair, self._idle(pair, alone)

    def _idle(self, pair: Pair, alone: Mapping[str, Observation | None]) -> LeftOut | None:
        """Why two failures that both meet somebody have nothing to do with each other; None when they may."""
        if not pair.together and pair.first.edge.caller != pair.second.edge.caller:
            return LeftOut.STRANGERS
        for own, other in (pair.cells, pair.cells[::-1]):
            seen, beside_it = alone[own.edge.key], alone[other.edge.key]
            if seen is None or beside_it is None:
                continue
            if self._hides(seen, other):
                return LeftOut.HIDDEN
            if own.failure.effect is Effect.HARMLESS and not (
                pair.together and (_takes_time(beside_it) or _brings_more(beside_it, seen))
            ):
                return LeftOut.ADDS_NOTHING
        return None

    def _hides(self, seen: Observation, below: Cell) -> bool:
        """Whether who calls over the failing edge cannot tell what becomes of the edge below it."""
        edge = seen.cell.edge
        there = list(ways(self.system, below.entry, below.edge.caller))
        beneath = bool(there) and all(edge in way for way in there)
        asked = [len(calls) for w in seen.windows for calls in w.wanted().values()]
        again = max(asked, default=0) > max(1, seen.baseline.edges.get(edge.key, 1))
        return beneath and seen.cell.failure.effect is Effect.FAILS and not again

    def _entry(self, meeting: _Meeting) -> str:
        return self.baselines[meeting.journey].entry

    def _usual(self) -> Iterator[_Meeting]:
        """Edges one journey uses both of when all is well; the commonest such journey."""
        for first, second in combinations(self.edges, 2):
            base = commonest(self.baselines, first, second)
            if base is not None:
                yield _Meeting(first, second, base.journey)

    def _brought(self) -> Iterator[_Meeting]:
        """Edges a journey only comes to when another fails: what a fallback needs."""
        for result in self.results:
            cell = result.seen.cell
            base = self.baselines.get(cell.journey)
            called = {c.proxy for c in result.seen.everywhere}
            for other in self.edges if base is not None else ():
                if base is not None and other.key in called - base.edges.keys() - {cell.edge.key}:
                    first, second = sorted((cell.edge, other), key=self.edges.index)
                    yield _Meeting(first, second, base.journey, frozenset({other.key}))

    def _classes(self) -> dict[tuple[str, str], Failure]:
        """The failure that stands for each, by edge and failure."""
        found: dict[tuple[str, str], Failure] = {}
        first: dict[Hashable, Failure] = {}
        for edge in self.edges:
            own = {r.seen.cell.failure.name: r for r in self.results if r.seen.cell.edge.key == edge.key}
            for failure in self.failures[edge.key]:
                result = own.get(failure.name)
                if result is not None and result.seen.hit:
                    found[edge.key, failure.name] = first.setdefault((edge.key, looks(result)), failure)
        return found

    def _standing(self, edge: Edge) -> list[Failure]:
        return [f for f in self.failures[edge.key] if self._stands.get((edge.key, f.name), f) == f]


def looks(result: Result) -> Hashable:
    """What a failure looks like from the caller's side and the entry's: two that look the same stand for each other.

    These are the answers of the journey's steps, what was asked at every other edge, which promises were broken, whether
    calls may still go well, whether the caller was kept waiting, and whether the callee did what it was asked, where that
    changes anything. For events nobody waits, and what is not taken is sent again: only what was broken tells them apart.
    """
    seen = result.seen
    broken = frozenset((b.kind, b.key) for b in result.broken)
    if seen.cell.edge.kind is EdgeKind.EVENTS:
        return broken
    return (
        frozenset((step.name, step.status) for s in seen.during for step in s.steps),
        frozenset(s.ok for s in seen.during),
        # Not how often: that depends on when a breaker opens.
        frozenset((c.proxy, c.method) for c in seen.everywhere if c.proxy != seen.cell.edge.key),
        broken,
        seen.cell.failure.effect,
        _kept_waiting(seen),
        any(map(_changed, seen.calls)),
    )


def _changed(call: Call) -> bool:
    """Whether the callee did something that lasts."""
    return call.method not in _READS and call.upstream_status is not None and call.upstream_status < 400


def _kept_waiting(seen: Observation) -> bool:
    """Whether most callers were: one that a busy machine kept is none."""
    waits = [waited for w in seen.windows for waited, _ in w.waits(seen.lifted)]
    return bool(waits) and median(waits) > _KEPT * (seen.cell.edge.contract.budget_s or _NO_BUDGET_S)


def _takes_time(seen: Observation) -> bool:
    """Whether a failure adds to the time a step takes."""
    return seen.cell.failure.effect is Effect.HARMLESS or _kept_waiting(seen)


def _brings_more(seen: Observation, at: Observation) -> bool:
    """Whether a failure brings more calls to another edge: what undoes, or is asked again."""
    key = at.cell.edge.key
    return bool(_most(seen, key) - _most(at, key))


def _most(seen: Observation, edge: str) -> Counter[str]:
    """The most calls of one walk at an edge, by method."""
    walks = Counter((c.trace_id, c.method) for c in seen.everywhere if c.proxy == edge)
    most: Counter[str] = Counter()
    for (_, method), count in walks.items():
        most[method] = max(count, most[method])
    return most


def _in_one_step(seen: Observation, *edges: Edge) -> bool:
    """Whether one step of a walk met all these edges; nobody waits for events, so they are in no step."""
    return not any(e.kind is EdgeKind.EVENTS for e in edges) and any(
        {e.key for e in edges}
        <= {
            c.proxy
            for c in seen.everywhere
            if c.trace_id == s.trace_id and step.at <= c.began <= step.at + step.duration_ms / 1000
        }
        for s in seen.during
        for step in s.steps
    )


def _key(cell: Cell) -> tuple[str, str, str]:
    return cell.edge.key, cell.failure.name, cell.journey
