"""The noop toxic: does nothing; Toxiproxy has it, so clients may ask for it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.chaos.faults.fault import Fault, Stub, register


@register("noop", "is left alone")
@dataclass(frozen=True, slots=True)
class Noop(Fault):
    """Passes everything on."""

    async def pipe(self, stub: Stub) -> None:
        """See `Fault.pipe`."""
        while (chunk := await stub.receive()) is not None:
            stub.send(chunk.data)
        stub.end()
