"""What journeys proved by being walked; those that can only go well are told in every stage that walks them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from harness.evidence import Finding, Place, Severity
from harness.system.drive import Sample

__all__ = ["RULES", "Walked", "proved_nothing", "walked"]

#: What `proved_nothing` tells, after the stage's name.
RULES = ("idle_journey", "accepts_anything")


@dataclass(frozen=True, slots=True)
class Walked:
    """One journey, over all its walks.

    Args:
        good: how many walks went well.
        requests: how many requests they made.
        anything: how many of those would have been taken for good whatever status came.
    """

    journey: str
    good: int
    requests: int
    anything: int


def walked(samples: Iterable[Sample]) -> list[Walked]:
    """Add walks up, journey by journey, in the order they were first seen."""
    good: Counter[str] = Counter()
    requests: Counter[str] = Counter()
    anything: Counter[str] = Counter()
    for sample in samples:
        good[sample.journey] += sample.ok
        requests[sample.journey] += len(sample.steps)
        anything[sample.journey] += sum(s.anything for s in sample.steps)
    return [Walked(name, good[name], requests[name], anything[name]) for name in good]


def proved_nothing(stage: str, journeys: Iterable[Walked], again: Callable[[str], str]) -> Iterator[Finding]:
    """Journeys that went well and could not have gone otherwise.

    Args:
        again: the command that walks a journey again.
    """
    for one in journeys:
        if one.good and not one.requests:
            yield Finding(
                rule=f"{stage}.idle_journey",
                severity=Severity.ERROR,
                title=f"the journey {one.journey} went well without asking the system anything",
                detail="A journey asks through its `user` (`user.get(...)`); one that makes no request proves nothing.",
                place=Place(journey=one.journey),
                reproduce=again(one.journey),
            )
        elif one.good and one.anything == one.requests:
            yield Finding(
                rule=f"{stage}.accepts_anything",
                severity=Severity.ERROR,
                title=f"the journey {one.journey} goes well whatever the system answers: its requests expect any status",
                detail="Say with `expect` what a user needs, and leave out what would be a fault (5xx, 404).",
                place=Place(journey=one.journey),
                reproduce=again(one.journey),
            )
