"""Places in schemas that hold themselves: one path stands for all the paths that lead to the same change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Repeat", "shifted", "together"]


@dataclass(frozen=True, slots=True)
class Repeat:
    """Between two positions of a path, any of some steps may stand instead, in any number and order.

    Args:
        start, stop: what the path says between them is one example of many; equal where nothing has to stand there.
        steps: `children`, `[]`.
    """

    start: int
    stop: int
    steps: frozenset[str]


class _Placed(Protocol):
    @property
    def path(self) -> tuple[str, ...]: ...

    @property
    def repeats(self) -> tuple[Repeat, ...]: ...


def shifted(repeats: Iterable[Repeat], by: int) -> tuple[Repeat, ...]:
    """The same, seen from `by` steps further out."""
    return tuple(Repeat(r.start + by, r.stop + by, r.steps) for r in repeats)


def together(places: Sequence[_Placed]) -> Repeat:
    """What covers all the places, for the first one's path; all end in the same step. It covers some more as well."""
    steps = {step for place in places for step in place.path[:-1]}
    steps |= {step for place in places for repeat in place.repeats for step in repeat.steps}
    return Repeat(0, max(len(places[0].path) - 1, 0), frozenset(steps))
