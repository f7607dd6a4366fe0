"""Findings about stores that could not be taken away; what was seen of those that could is told with all the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.chaos.explore.observation import Cell
from harness.chaos.explore.stores.whereabouts import why_not
from harness.evidence import Finding, Place, Severity
from harness.system.model import EdgeKind, System

__all__ = ["not_asked", "untried"]


def untried(system: System) -> Iterator[Finding]:
    """One finding for each store nothing is known of, and why."""
    for edge in system.edges:
        why = why_not(system, edge) if edge.kind is EdgeKind.RESOURCE else ""
        if why:
            yield Finding(
                rule="chaos.store_untried",
                severity=Severity.INFO,
                title=f"{edge.callee} was not taken away from {edge.caller}: {why}",
                detail="Nothing is known of what becomes of it without, and of what its readiness says then.",
                place=Place(edge=edge.name),
            )


def not_asked(cell: Cell, notes: Sequence[str], again: str) -> Finding:
    """A store that was away, and that nobody had ever asked for anything."""
    edge = cell.edge
    return Finding(
        rule="chaos.no_traffic",
        severity=Severity.WARNING,
        title=f"No call of {cell.journey} met the failure of {edge.name}: {edge.callee} {cell.failure.words}",
        detail="; ".join(notes),
        place=Place(edge=edge.name, journey=cell.journey, experiment=cell.failure.name),
        reproduce=again,
    )
