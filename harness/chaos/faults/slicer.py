"""The slicer toxic: data arrives in small pieces."""

from __future__ import annotations

import random
from dataclasses import dataclass

from harness.chaos.faults.fault import Fault, Interrupted, Stub, register


@register("slicer", "answers in pieces of about {average_size} bytes")
@dataclass(frozen=True, slots=True)
class Slicer(Fault):
    """Halves each chunk until a piece is at most `average_size + size_variation` bytes; `delay` microseconds after each."""

    average_size: int = 0
    size_variation: int = 0
    delay: int = 0

    async def pipe(self, stub: Stub) -> None:
        """See `Fault.pipe`."""
        while (chunk := await stub.receive()) is not None:
            sent = 0
            for end in self.cuts(len(chunk.data), stub.rng):
                stub.send(chunk.data[sent:end])
                sent = end
                try:
                    await stub.pause(self.delay / 1e6)
                except Interrupted:
                    stub.send(chunk.data[sent:])
                    raise
        stub.end()

    def cuts(self, size: int, rng: random.Random) -> list[int]:
        """Ends of the pieces of a chunk of `size` bytes, ascending; the last is `size`."""
        ends: list[int] = []
        todo = [(0, size)]
        while todo:
            start, end = todo.pop()
            # A piece of one byte cannot be halved, whatever the attributes ask for.
            if end - start <= max(self.average_size + self.size_variation, 1):
                ends.append(end)
                continue
            middle = start + (end - start) // 2
            if self.size_variation > 0:
                middle += rng.randrange(self.size_variation * 2) - self.size_variation
            middle = min(max(middle, start + 1), end - 1)
            todo += [(middle, end), (start, middle)]
        return ends
