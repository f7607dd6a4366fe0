"""How much work is put into deciding, so that no document makes a comparison hang: steps, sizes, costs of patterns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from re import _parser  # the only parser of its patterns Python has
from typing import Any

from harness.contracts.compat.containment.plain import TooLargeError

__all__ = ["Effort", "affordable", "size_of"]

_STEPS_OF_ONE = 20_000
_STEPS_OF_ALL = 1_500_000
#: Steps of a pattern matcher that one text may cost; some ten milliseconds.
_MATCHING = 2_000_000
_MANY = 10


class Effort:
    """Steps left: for the question at hand, and for all questions of one comparison."""

    def __init__(self) -> None:
        self._all = _STEPS_OF_ALL
        self._one = _STEPS_OF_ONE

    def start(self) -> None:
        """A new question."""
        self._one = min(_STEPS_OF_ONE, self._all)

    def spend(self, steps: int = 1) -> None:
        """Take steps.

        Raises:
            TooLargeError: there are none left.
        """
        self._one -= steps
        self._all -= steps
        if self._one < 0:
            raise TooLargeError


def size_of(value: object, most: int) -> int:
    """How many values a value holds, itself included; counting ends soon after `most`."""
    left, size = [value], 0
    while left and size <= most:
        one = left.pop()
        size += 1
        if isinstance(one, dict):
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one[: most + 1])
    return size


@dataclass(slots=True)
class _Cost:
    """What makes a matcher try again: repetitions without end, optional ones, and repetitions in repetitions."""

    unbounded: int = 0
    optional: int = 0
    nested: bool = False


def affordable(pattern: str, length: int) -> bool:
    """Whether matching a text of that length surely ends soon.

    A matcher that backtracks may try every way to share a text among the repetitions: a power of the length for those
    beside each other, two to the power of the length for one inside another.
    """
    cost = _cost(pattern)
    if cost.nested and length > 16:
        return False
    tries = 2 ** min(cost.optional, 40) * (length + 1) ** min(cost.unbounded + 1, 12)
    limit = _MATCHING * 8 if cost.nested else _MATCHING
    return bool(tries * (2**length if cost.nested else 1) <= limit)


@lru_cache(maxsize=4096)
def _cost(pattern: str) -> _Cost:
    cost = _Cost()
    try:
        _count(_parser.parse(pattern), False, cost)
    except (re.error, OverflowError) as error:
        raise TooLargeError from error
    return cost


def _count(parsed: Any, repeated: bool, cost: _Cost) -> None:
    for code, argument in parsed:
        name = str(code)
        if name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            low, high, inner = argument
            varies, many = low != high, int(high) > 1
            cost.nested |= varies and repeated
            cost.unbounded += varies and int(high) > _MANY
            cost.optional += varies and int(high) <= _MANY
            _count(inner, repeated or many, cost)
        elif name == "BRANCH":
            cost.nested |= repeated
            cost.optional += 1
            for branch in argument[1]:
                _count(branch, repeated, cost)
        elif name in {"SUBPATTERN", "ATOMIC_GROUP", "ASSERT", "ASSERT_NOT"}:
            _count(argument[-1] if isinstance(argument, tuple) else argument, repeated, cost)
        elif name.startswith("GROUPREF"):
            cost.nested = True
