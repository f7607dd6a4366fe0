"""Chunks on their way through a row of toxics that only delay; the stubs move them, nothing here waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.chaos.faults import Chunk

if TYPE_CHECKING:
    from harness.chaos.server.stub import LiveStub

__all__ = ["Row", "Waiting"]


class Row:
    """A row of stubs, each of which adds the same delay to every chunk: when a chunk leaves them all is one addition.

    Args:
        stubs: the row, in order; one that lets bytes pass adds nothing.
        delays: what each adds, in seconds.
    """

    __slots__ = ("_offsets", "_stubs", "last", "latest", "not_before", "total")

    def __init__(self, stubs: Sequence[LiveStub], delays: Sequence[float]) -> None:
        self._stubs, self._offsets = stubs, [sum(delays[: n + 1]) for n in range(len(delays))]
        self.last, self.total = stubs[-1], self._offsets[-1]
        #: A chunk that came before this would overtake one that is on its way; not all come in the order of their arrival.
        self.not_before = max(s.busy_until - o for s, o in zip(stubs, self._offsets, strict=True))
        #: When the latest chunk came; nothing is done at its stubs until somebody asks, in `tell`.
        self.latest = float("-inf")

    def way(self, due: float) -> list[tuple[float, LiveStub]]:
        """When a chunk that leaves the row at `due` leaves each of its stubs, in order."""
        return [(due - self.total + o, s) for o, s in zip(self._offsets, self._stubs, strict=True)]

    def tell(self) -> None:
        """Let the stubs know until when they are busy."""
        for stub, offset in zip(self._stubs, self._offsets, strict=True):
            stub.busy_until = max(stub.busy_until, self.latest + offset)


class Waiting(NamedTuple):
    """A chunk, or the end of the stream, that leaves the last of a row of delays at `due`; it sits there."""

    chunk: Chunk | None
    due: float
    row: Row | list[tuple[float, LiveStub]]

    def way(self) -> list[tuple[float, LiveStub]]:
        """When it leaves each of them, in order."""
        return self.row.way(self.due) if isinstance(self.row, Row) else self.row

    def as_it_came(self) -> Chunk | None:
        """The chunk, arrived at the last of its delays when it left the one before."""
        way = self.way()
        if self.chunk is None or len(way) == 1:
            return self.chunk
        return Chunk(self.chunk.data, way[-2][0])
