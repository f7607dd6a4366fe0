"""The latency toxic: every chunk arrives later."""

from __future__ import annotations

import random
from dataclasses import dataclass

from harness.chaos.faults.fault import Fault, register


@register("latency", "answers {latency} ms late")
@dataclass(frozen=True, slots=True)
class Latency(Fault):
    """Delays each chunk by a uniform draw from [latency - jitter, latency + jitter) milliseconds, counted from its arrival."""

    # Delays overlap, so a fast sender must not be held up by what waits here.
    holds = 32 * 1024 * 1024
    only_delays = True

    latency: int = 0
    jitter: int = 0

    def lateness(self, rng: random.Random) -> float:
        """See `Fault.lateness`."""
        late = self.always_late()
        if late is not None:
            return late
        return (self.latency + rng.randrange(self.jitter * 2) - self.jitter) / 1000

    def always_late(self) -> float | None:
        """See `Fault.always_late`."""
        return self.latency / 1000 if self.jitter <= 0 else None
