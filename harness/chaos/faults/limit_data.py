"""The limit_data toxic: the stream stops after so many bytes."""

from __future__ import annotations

from dataclasses import dataclass

from harness.chaos.faults.fault import Fault, Stub, register


@register("limit_data", "is cut off after {bytes} bytes")
@dataclass(frozen=True, slots=True)
class LimitData(Fault):
    """Lets exactly `bytes` bytes through on each connection, then closes it."""

    bytes: int = 0

    async def pipe(self, stub: Stub) -> None:
        """See `Fault.pipe`."""
        while (chunk := await stub.receive()) is not None:
            part = chunk.data[: max(self.bytes - stub.passed, 0)]
            if part:
                stub.send(part)
                stub.passed += len(part)
            if stub.passed >= self.bytes:
                stub.cut()
                return
        stub.end()
