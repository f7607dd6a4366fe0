"""What a time may be: what was promised, what any machine adds to that, and what this one was seen to add meanwhile.

The one rule for everything that is judged by time: failures on edges, alone and in pairs, stores, circuit breakers, and
experiments people write. What took longer than is allowed is broken; where the machine is seen to have added as much as it
was too long, nobody can tell, and nobody is accused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from harness.system.drive import Sample
from harness.system.machine import Added

__all__ = ["Over", "Taken", "all_strained", "allowed_s", "any_strained", "longest_over", "recovered_late", "strained"]

#: What a machine that is doing other things may add to any time, in seconds, and as a share of it.
_SLACK_S = 0.3
_SLACK = 1.15
#: From this share of a time on, what the machine added may be why something came out otherwise.
_STRAINED = 0.25

T = TypeVar("T")


class Taken(NamedTuple, Generic[T]):
    """A time that was taken, in seconds; `start` in seconds since the epoch, `allowed_s` with what any machine adds."""

    start: float
    took_s: float
    allowed_s: float
    what: T


@dataclass(frozen=True, slots=True)
class Over(Generic[T]):
    """What was longest over what is allowed.

    Args:
        took_s: how long it took, in seconds.
        excused: whether the machine added as much as it was too long; so did it to all others then.
        count: how many were over.
    """

    what: T
    took_s: float
    excused: bool
    count: int


def allowed_s(limit_s: float) -> float:
    """A limit with what any machine may add to it, in seconds."""
    return limit_s * _SLACK + _SLACK_S


def longest_over(taken: Iterable[Taken[T]], added: Added, *services: str) -> Over[T] | None:
    """What was over by most, what the machine added left out; None when nothing took longer than allowed.

    Args:
        services: whose times these are; all of the system by default.
    """
    over = [t for t in taken if t.took_s > t.allowed_s]
    if not over:
        return None

    def beyond(t: Taken[T]) -> float:
        return t.took_s - t.allowed_s - added(t.start, t.start + t.took_s, *services)

    worst = max(over, key=beyond)
    return Over(worst.what, worst.took_s, beyond(worst) <= 0, len(over))


def strained(added: Added, start: float, end: float) -> bool:
    """Whether the machine added so much between two moments (seconds since the epoch) that all may have come of it."""
    return added(start, end) >= max(_SLACK_S, (end - start) * _STRAINED)


def all_strained(added: Added, samples: Sequence[Sample]) -> bool:
    """The same for walks: whether each of them may have gone otherwise because of the machine."""
    return bool(samples) and all(_strained(added, s) for s in samples)


def any_strained(added: Added, samples: Iterable[Sample]) -> bool:
    """Whether one of them may have."""
    return any(_strained(added, s) for s in samples)


def recovered_late(added: Added, bad: Sequence[Sample], limit: float, recovered: float | None) -> bool:
    """Whether a recovery that did not come in time may have come late because of the machine.

    Who was asked after the limit, was given all the time it wanted, and still failed, has not recovered: however long others
    waited for a processor meanwhile.

    Args:
        bad: walks that did not go well since the failure was lifted.
        limit: when it had to have recovered, in seconds since the epoch.
        recovered: when it had; None when it was not seen.
    """
    after = [s for s in bad if s.ended > limit]
    if after or recovered is None:
        return all_strained(added, after)
    return added(limit, recovered) >= recovered - limit


def _strained(added: Added, sample: Sample) -> bool:
    return strained(added, sample.intended, sample.ended)
