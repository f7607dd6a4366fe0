"""How much a matcher that backtracks may have to do for a pattern; patterns of documents and contracts come from anybody."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from re import _parser  # the only parser of its patterns Python has
from typing import Any

__all__ = ["affordable"]

#: Steps of a pattern matcher that one text may cost; some ten milliseconds.
_MATCHING = 2_000_000
_MANY = 10


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

    Raises:
        re.error, OverflowError: when it is no pattern of Python's.
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
    _count(_parser.parse(pattern), False, cost)
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
