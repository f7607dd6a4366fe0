"""Which edge of the system a pact belongs to."""

from __future__ import annotations

from harness.contracts.pacts import InteractionKind, Pact
from harness.system.model import System

__all__ = ["edge_name"]


def edge_name(system: System, pact: Pact) -> str:
    """The edge as reports write it.

    Who reads events is the consumer of a message pact, but the callee of the edge: the other way round.
    """
    messages = any(i.kind is InteractionKind.ASYNC for i in pact.interactions)
    if messages and system.edge(pact.edge) is None:
        turned = system.edge(f"{pact.provider} -> {pact.consumer}")
        if turned is not None:
            return turned.name
    return pact.edge
