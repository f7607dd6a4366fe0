"""Two failures at once and what was seen of them, as values; how they are chosen, tried and judged is elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.chaos.explore.judging import Broken
from harness.chaos.explore.observation import Cell, Observation
from harness.system.drive import Sample
from harness.system.model import Edge

__all__ = ["JOIN", "Pair", "PairResult", "PairSeen", "PairsTried"]

#: Between the two edges and the two failures of a pair, as the command line takes them.
JOIN = "+"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two failures at once, each on an edge of its own, and who walks there meanwhile.

    Args:
        first, second: of the same journey, in the order the edges are declared.
        together: whether both edges are used within one step of the journey.
    """

    first: Cell
    second: Cell
    together: bool = True

    @property
    def cells(self) -> tuple[Cell, Cell]:
        """Both."""
        return self.first, self.second

    @property
    def journey(self) -> str:
        """Who walks."""
        return self.first.journey

    @property
    def name(self) -> str:
        """`orders:inventory error-503 + orders:payments hang`."""
        return f"{self.first.name} {JOIN} {self.second.name}"

    @property
    def edges(self) -> str:
        """`orders:inventory + orders:payments`, as findings and the grid name it."""
        return f"{self.first.edge.key} {JOIN} {self.second.edge.key}"

    @property
    def failures(self) -> str:
        """`error-503 + hang`."""
        return f"{self.first.failure.name} {JOIN} {self.second.failure.name}"

    @property
    def asked(self) -> dict[str, str]:
        """What the command line takes to try just this again."""
        return {
            "edge": f"{self.first.edge.key}{JOIN}{self.second.edge.key}",
            "fault": f"{self.first.failure.name}{JOIN}{self.second.failure.name}",
        }


@dataclass(frozen=True, slots=True)
class PairSeen:
    """What was seen of a pair: for each edge what is seen of a single failure there, the walks being the same."""

    pair: Pair
    first: Observation
    second: Observation

    @property
    def each(self) -> Iterator[Observation]:
        """Both."""
        return iter((self.first, self.second))

    @property
    def hit(self) -> bool:
        """Whether both failures met a call: otherwise it was a single failure."""
        return self.first.hit and self.second.hit

    @property
    def tried(self) -> bool:
        """See `Tried`."""
        return self.hit

    @property
    def recovery_s(self) -> float | None:
        """From lifting both to the first of several good walks in a row, in seconds; None when that was not seen."""
        return self.first.recovery_s

    @property
    def invariants(self) -> Sequence[Sample]:
        """Walks of invariants that did not hold in time."""
        return self.first.invariants

    @property
    def during(self) -> Sequence[Sample]:
        """Walks while both failures lasted."""
        return self.first.during


@dataclass(frozen=True, slots=True)
class PairResult:
    """What came of a pair: only what none of its failures does alone.

    Args:
        broken: promises broken in every try.
        doubtful: promises broken in one of two tries.
    """

    seen: PairSeen
    broken: tuple[Broken, ...] = ()
    doubtful: tuple[Broken, ...] = ()


@dataclass(slots=True)
class PairsTried:
    """What came of all pairs.

    Args:
        possible: how many pairs there are on edges that one journey meets.
        left_out: how many of them were not tried, by reason.
        apart: pairs of edges that were asked for, and that no journey meets.
    """

    results: list[PairResult] = field(default_factory=list)
    possible: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    apart: tuple[tuple[Edge, Edge], ...] = ()
