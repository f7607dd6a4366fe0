"""What was seen of one failure on one edge, as values; how it came to be seen and what it means are elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.chaos.client import Call
from harness.chaos.explore.catalogue import Failure
from harness.chaos.explore.fallbacks import Fallback
from harness.chaos.explore.windows import Window
from harness.system.drive import Sample
from harness.system.machine import Added, nothing_added
from harness.system.model import Edge

__all__ = ["Baseline", "BreakerSeen", "Cell", "Observation"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One failure on one edge, and who walks there meanwhile.

    Args:
        journey: uses the edge.
        sibling: comes in at the same entry and does not use the edge; empty when there is no such journey.
        entry: the service the journey comes in at.
        named: whether the journey was chosen for another reason than the edge, so that a repetition has to name it.
    """

    edge: Edge
    failure: Failure
    journey: str
    entry: str
    sibling: str = ""
    named: bool = False

    @property
    def name(self) -> str:
        """`orders:payments hang`."""
        return f"{self.edge.key} {self.failure.name}"


@dataclass(frozen=True, slots=True)
class Baseline:
    """How a journey goes when all is well.

    Args:
        steps_s: the longest each of its steps took, in seconds, by name.
        edges: how often one wish was sent over an edge for one call of the caller, by the edge's key: 1 where every call
            is made once; for an edge of events how many a walk sends.
        weight: its share among all journeys.
        fan: the most different wishes the entry sent over one edge for one step.
        keys: the most `Idempotency-Key`s with which the same was sent over an edge for one call of the caller, by the
            edge's key; where there is none, one.
        met: edges that were used while a step went on, by its name.
        stores: keys of the edges to stores that bytes went over meanwhile; None where nobody counts them.
    """

    journey: str
    entry: str
    weight: int
    steps_s: Mapping[str, float]
    edges: Mapping[str, int]
    fan: int = 1
    keys: Mapping[str, int] = field(default_factory=dict)
    met: Mapping[str, frozenset[str]] = field(default_factory=dict)
    stores: frozenset[str] | None = None

    @property
    def slowest_s(self) -> float:
        """Its slowest step, in seconds."""
        return max(self.steps_s.values(), default=0.0)

    def meets(self, step: str, edge: Edge) -> bool:
        """Whether a step can meet an edge: unless it did not when all was well, and others did."""
        return edge.key in self.met.get(step, {edge.key}) or not any(edge.key in keys for keys in self.met.values())


@dataclass(frozen=True, slots=True)
class BreakerSeen:
    """What was seen of a circuit breaker while the callee went on failing.

    Args:
        failures: calls that failed in a row until the caller made none any more.
        opened: whether the caller made none any more.
        hidden: whether nobody asked the caller any more, before it had opened: a breaker above it opened first.
        leaked: calls made while it had to be open.
        refused_after_s: from the last failed call to when the caller was last asked without making the next, in seconds.
        probe_after_s: from the last failed call to the next one, in seconds; None when none came in time.
        reopened_after: calls that failed until it was open once more; None when it was not.
    """

    failures: int
    opened: bool
    hidden: bool = False
    leaked: int = 0
    refused_after_s: float = 0.0
    probe_after_s: float | None = None
    reopened_after: int | None = None


@dataclass(slots=True)
class Observation:
    """What was seen in one cell; times in seconds since the epoch.

    Args:
        during, siblings, after: walks while the failure lasted, of journeys beside it, and once it was lifted.
        windows: calls given to the edge's caller in `during`, each with what it then sent over the edge.
        ways: calls given to the services above, down to the caller, each with the answer it gave.
        calls: calls at the edge while the failure lasted.
        everywhere: calls of `during` at every edge, also those made once it was lifted.
        undeclared: answers no document declares: service, call and status.
        fallbacks: what the caller asked the callee for once that had failed, and never does while all is well.
        ready_during, ready_after: what the caller's readiness said; None when it has none.
        asked_ready: the path of its readiness.
        asked_until: when what has to be well again afterwards was last asked for, in seconds since the epoch.
        recovery_s: from lifting to the first of several good walks in a row; None when that was not seen.
        undelivered: walks of `during` whose events had not been taken in time once the failure was lifted.
        invariants: walks of invariants that did not hold in time.
        died: services that ended.
        hit: whether the failure met anybody.
        breaker: what the caller's circuit breaker did; None where that was not tried.
        notes: what else is worth knowing of how it was tried.
        added: what the machine added between two moments.
    """

    cell: Cell
    baseline: Baseline
    during: Sequence[Sample] = ()
    siblings: Sequence[Sample] = ()
    sibling_baseline: Baseline | None = None
    after: list[Sample] = field(default_factory=list)
    windows: Sequence[Window] = ()
    calls: Sequence[Call] = ()
    everywhere: Sequence[Call] = ()
    undeclared: Sequence[tuple[str, str, int, str]] = ()
    fallbacks: Sequence[Fallback] = ()
    injected: float = 0.0
    lifted: float = 0.0
    ready_during: bool | None = None
    ready_after: bool | None = None
    asked_ready: str = ""
    asked_until: float = 0.0
    recovery_s: float | None = None
    undelivered: Sequence[Sample] = ()
    invariants: Sequence[Sample] = ()
    died: Sequence[str] = ()
    hit: bool = False
    breaker: BreakerSeen | None = None
    notes: list[str] = field(default_factory=list)
    added: Added = nothing_added

    @property
    def tried(self) -> bool:
        """Whether the failure met anybody, and no circuit breaker above hid what was to be seen."""
        return self.hit and not (self.breaker is not None and self.breaker.hidden)
