"""Who walks while a failure lasts, chosen from how journeys go when all is well; walks nobody."""

from __future__ import annotations

from collections.abc import Mapping

from harness.chaos.explore.catalogue import Failure
from harness.chaos.explore.observation import Baseline, Cell
from harness.system.model import Edge, EdgeKind

__all__ = ["beside", "commonest", "plan_cell"]


def plan_cell(baselines: Mapping[str, Baseline], edge: Edge, failure: Failure, journey: str = "") -> Cell | None:
    """Choose who walks: the commonest journey that uses the edge, and one beside it that does not.

    Args:
        journey: only this one may, where one is named.
    """
    chosen = commonest({n: b for n, b in baselines.items() if journey in {"", n}}, edge)
    if chosen is None:
        return None
    sibling = beside(baselines, chosen.entry, edge)
    return Cell(edge, failure, chosen.journey, chosen.entry, sibling, named=bool(journey))


def commonest(baselines: Mapping[str, Baseline], *edges: Edge) -> Baseline | None:
    """The commonest journey that uses all these edges; None when there is none."""
    using = [b for b in baselines.values() if all(e.key in b.edges for e in edges)]
    return min(using, key=lambda b: (-b.weight, len(b.edges), b.journey), default=None)


def beside(baselines: Mapping[str, Baseline], entry: str, *edges: Edge) -> str:
    """A journey with the same entry that uses none of these edges; empty when there is none.

    Best goes one that comes by an edge's caller as well: only it notices when that has run out of something. Who hands over
    events does not wait for them, so there the quickest tells most.
    """
    apart = [b for b in baselines.values() if b.entry == entry and not any(e.key in b.edges for e in edges)]
    callers = {e.caller for e in edges if e.kind is EdgeKind.HTTP}
    apart = [b for b in apart if _comes_by(b, callers)] or apart
    chosen = min(apart, key=lambda b: (b.slowest_s, b.journey), default=None)
    return chosen.journey if chosen else ""


def _comes_by(baseline: Baseline, services: set[str]) -> bool:
    return baseline.entry in services or any(services & set(key.split(":")) for key in baseline.edges)
