"""The latency toxic: every chunk arrives later."""

from __future__ import annotations

from dataclasses import dataclass

from harness.chaos.faults.fault import Fault, Interrupted, Stub, register


@register("latency", "answers {latency} ms late")
@dataclass(frozen=True, slots=True)
class Latency(Fault):
    """Delays each chunk by a uniform draw from [latency - jitter, latency + jitter) milliseconds, counted from its arrival."""

    # Delays overlap, so a fast sender must not be held up by what waits here.
    holds = 32 * 1024 * 1024

    latency: int = 0
    jitter: int = 0

    async def pipe(self, stub: Stub) -> None:
        """See `Fault.pipe`."""
        while (chunk := await stub.receive()) is not None:
            delay = self.latency
            if self.jitter > 0:
                delay += stub.rng.randrange(self.jitter * 2) - self.jitter
            try:
                await stub.pause(chunk.arrived + delay / 1000 - stub.now())
            except Interrupted:
                stub.send(chunk.data)
                raise
            stub.send(chunk.data)
        stub.end()
