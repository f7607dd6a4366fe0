"""The timeout toxic: nothing comes through, and in the end the connection closes."""

from __future__ import annotations

from dataclasses import dataclass

from harness.chaos.faults.fault import Fault, Stub, register


@register("timeout", "hangs")
@dataclass(frozen=True, slots=True)
class Timeout(Fault):
    """Drops all data and closes `timeout` milliseconds after the last of it; 0 never closes. Taking it away closes too."""

    timeout: int = 0

    async def pipe(self, stub: Stub) -> None:
        """See `Fault.pipe`."""
        within = self.timeout / 1000 if self.timeout > 0 else None
        try:
            while await stub.receive(within) is not None:
                pass
        except TimeoutError:
            stub.cut()
            return
        stub.end()

    def removed(self, stub: Stub) -> None:
        """Close: what was dropped can never be made good, so the connection must not look alive."""
        stub.cut()
