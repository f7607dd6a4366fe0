"""How much work is put into deciding, so that no document makes a comparison hang: steps, sizes, costs of patterns."""

from __future__ import annotations

import re

from harness.contracts.compat.containment.plain import TooLargeError
from harness.contracts.patterns import affordable as ends_soon

__all__ = ["Effort", "affordable", "size_of"]

_STEPS_OF_ONE = 20_000
_STEPS_OF_ALL = 1_500_000


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


def affordable(pattern: str, length: int) -> bool:
    """Whether matching a text of that length surely ends soon; see `harness.contracts.patterns`.

    Raises:
        TooLargeError: when it is no pattern of Python's.
    """
    try:
        return ends_soon(pattern, length)
    except (re.error, OverflowError) as error:
        raise TooLargeError from error
