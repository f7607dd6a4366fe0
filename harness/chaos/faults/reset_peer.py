"""The reset_peer toxic: the connection breaks off with RST."""

from __future__ import annotations

from dataclasses import dataclass

from harness.chaos.faults.fault import Fault, Interrupted, Stub, register


@register("reset_peer", "resets connections")
@dataclass(frozen=True, slots=True)
class ResetPeer(Fault):
    """After the first data, or the end of the stream, waits `timeout` milliseconds and resets both sides."""

    timeout: int = 0

    async def pipe(self, stub: Stub) -> None:
        """See `Fault.pipe`."""
        await stub.receive()
        try:
            await stub.pause(self.timeout / 1000)
        except Interrupted:
            # The data is gone: a connection that lived on would silently miss a piece.
            stub.reset()
            return
        stub.reset()
