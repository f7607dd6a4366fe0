"""The noop toxic: does nothing; Toxiproxy has it, so clients may ask for it."""

from __future__ import annotations

import random
from dataclasses import dataclass

from harness.chaos.faults.fault import Fault, register


@register("noop", "is left alone")
@dataclass(frozen=True, slots=True)
class Noop(Fault):
    """Passes everything on."""

    only_delays = True

    def lateness(self, rng: random.Random) -> float:  # noqa: ARG002 - nothing is drawn
        """See `Fault.lateness`."""
        return 0.0
