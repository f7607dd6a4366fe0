"""Cuts pacts into shards that are verified side by side, and puts their results together again. Starts no process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from harness.contracts.pacts import Interaction, InteractionKind, Pact
from harness.contracts.verified import PactResult

__all__ = ["Shard", "merged", "phases", "spread"]

# A further process takes about 0.3 s to start; with fewer interactions than this it would not pay.
_WORTH_A_PROCESS = 20
_READING = {"GET", "HEAD"}


@dataclass(frozen=True, slots=True)
class Shard:
    """Some interactions of one pact.

    Args:
        index: which pact, as a position.
    """

    index: int
    pact: Pact

    def halves(self) -> tuple[Shard, ...]:
        """Itself in two parts; nothing of a shard that has one interaction."""
        items = self.pact.interactions
        middle = len(items) // 2
        parts = (items[:middle], items[middle:]) if middle else ()
        return tuple(Shard(self.index, replace(self.pact, interactions=part)) for part in parts)


def phases(pacts: Sequence[Pact], processes: int) -> list[list[list[Shard]]]:
    """Plan the verification of one running provider.

    What only reads, and relies on no provider state, cannot be in the way of its neighbours: it is spread over the
    processes. Everything else follows in one process, one after another.

    Args:
        pacts: those of one provider.
        processes: the most that may run side by side.

    Returns:
        Phases one after another; lanes of a phase side by side; shards of a lane one after another.
    """
    free = [replace(p, interactions=tuple(i for i in p.interactions if _reads(i))) for p in pacts]
    lanes = min(processes, sum(len(p.interactions) for p in free) // _WORTH_A_PROCESS)
    if lanes < 2:
        return [spread(pacts, 1)]
    bound = [replace(p, interactions=tuple(i for i in p.interactions if not _reads(i))) for p in pacts]
    return [phase for phase in (spread(free, lanes), spread(bound, 1)) if phase]


def spread(pacts: Sequence[Pact], lanes: int) -> list[list[Shard]]:
    """Deal the interactions out to lanes, each pact's in turn; a lane that got nothing is left out."""
    dealt: list[list[Shard]] = [[] for _ in range(lanes)]
    first = 0
    for index, pact in enumerate(pacts):
        for offset in range(lanes):
            part = pact.interactions[offset::lanes]
            if part:
                dealt[(first + offset) % lanes].append(Shard(index, replace(pact, interactions=part)))
        # The next pact goes on where this one ended: many small pacts are spread as evenly as a large one.
        first += len(pact.interactions)
    return [lane for lane in dealt if lane]


def merged(pact: Pact, results: Iterable[PactResult]) -> PactResult | None:
    """One result for a whole pact, its interactions in the pact's order; None when no shard of it came to an end."""
    parts = list(results)
    if not parts:
        return None
    found = {r.key: r for part in parts for r in part.interactions}
    return PactResult(
        file=parts[0].file,
        interactions=tuple(found[i.key] for i in pact.interactions if i.key in found),
        states=tuple(dict.fromkeys(chain.from_iterable(p.states for p in parts))),
        messages=tuple(dict.fromkeys(chain.from_iterable(p.messages for p in parts))),
        error=next((p.error for p in parts if p.error), ""),
    )


def _reads(interaction: Interaction) -> bool:
    request = interaction.raw.get("request")
    method = request.get("method", "GET") if isinstance(request, dict) else ""
    return interaction.kind is InteractionKind.HTTP and not any(interaction.states) and str(method).upper() in _READING
