"""When journeys start: seeded schedules of an open model. Who walks them, and how long that takes, is not known here.

In an open model arrivals come as they come, however the system is doing; that is how users behave, and it is what keeps a
stalled system from slowing down the load that would show the stall (coordinated omission).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

__all__ = ["Arrival", "ArrivalKind", "schedule", "seed_alone"]


class ArrivalKind(StrEnum):
    """`constant`: evenly spaced. `poisson`: independent of each other, as many users are; same mean rate, with bursts."""

    CONSTANT = "constant"
    POISSON = "poisson"


class Weighted(Protocol):
    """A journey, as far as a schedule is concerned."""

    @property
    def weight(self) -> int:
        """How often it is walked, compared with others."""
        ...


J = TypeVar("J", bound=Weighted)


@dataclass(frozen=True, slots=True)
class Arrival(Generic[J]):
    """One journey to start: `offset_s` seconds after the begin, with `seed` for the data it makes up."""

    index: int
    offset_s: float
    journey: J
    seed: int


def schedule(journeys: Sequence[J], *, rate: float, kind: ArrivalKind, seed: int) -> Iterator[Arrival[J]]:
    """Lay out arrivals without end, by offset ascending; the same seed gives the same schedule.

    Journeys come from a shuffled deck that holds each as often as its weight: every stretch of the schedule keeps the
    proportions, and no journey is left out by bad luck. A journey of weight 0 is not part of the load.

    Args:
        rate: arrivals per second over all journeys, above 0.

    Raises:
        ValueError: when the rate is not above 0, or no journey has a weight.
    """
    if rate <= 0:
        raise ValueError(f"the rate must be above 0 per second, found {rate:g}")
    if not any(j.weight > 0 for j in journeys):
        raise ValueError("no journey has a weight above 0, so there is nothing to start")
    return _arrivals(journeys, rate, kind, random.Random(f"arrivals:{seed}"))


def seed_alone(seed: int, journey: str) -> int:
    """The seed of a journey that is walked once, by its name: walked alone it makes up the same data as among the others."""
    return random.Random(f"{seed}:{journey}").getrandbits(63)


def _arrivals(journeys: Sequence[J], rate: float, kind: ArrivalKind, rng: random.Random) -> Iterator[Arrival[J]]:
    offset, index = 0.0, 0
    while True:
        deck = [j for j in journeys for _ in range(j.weight)]
        rng.shuffle(deck)
        for journey in deck:
            # index / rate rather than a running sum: no rounding error builds up over a long run.
            at = index / rate if kind is ArrivalKind.CONSTANT else offset
            yield Arrival(index, at, journey, rng.getrandbits(63))
            index += 1
            offset += rng.expovariate(rate) if kind is ArrivalKind.POISSON else 0.0
