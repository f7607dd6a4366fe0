"""The slow_close toxic: the end of the stream comes late."""

from __future__ import annotations

from dataclasses import dataclass

from harness.chaos.faults.fault import Fault, Interrupted, Stub, register


@register("slow_close", "closes {delay} ms late")
@dataclass(frozen=True, slots=True)
class SlowClose(Fault):
    """Delays the end of the stream in its direction by `delay` milliseconds."""

    delay: int = 0

    async def pipe(self, stub: Stub) -> None:
        """See `Fault.pipe`."""
        while (chunk := await stub.receive()) is not None:
            stub.send(chunk.data)
        try:
            await stub.pause(self.delay / 1000)
        except Interrupted:
            stub.hand_back(None)
            raise
        stub.end()
