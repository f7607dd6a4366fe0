"""The bandwidth toxic: bytes trickle."""

from __future__ import annotations

from dataclasses import dataclass

from harness.chaos.faults.fault import Fault, Interrupted, Stub, register

_SLICE_S = 0.1


@register("bandwidth", "sends {rate} KB/s")
@dataclass(frozen=True, slots=True)
class Bandwidth(Fault):
    """Lets through `rate` KB (1,000 bytes) a second, in slices of at most 100 ms; a rate of 0 or less stalls."""

    rate: int = 0

    async def pipe(self, stub: Stub) -> None:
        """See `Fault.pipe`."""
        due = stub.now()
        while (chunk := await stub.receive()) is not None:
            left = chunk.data
            try:
                # Each slice leaves when its last byte would have: late timers shorten the next wait, so the rate holds.
                due = max(due, chunk.arrived)
                while left:
                    size = min(len(left), self._slice()) or len(left)
                    due += size / (self.rate * 1000) if self.rate > 0 else float("inf")
                    await stub.pause(due - stub.now())
                    stub.send(left[:size])
                    left = left[size:]
            except Interrupted:
                stub.send(left)
                raise
        stub.end()

    def _slice(self) -> int:
        return int(max(self.rate, 0) * 1000 * _SLICE_S)
