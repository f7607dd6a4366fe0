"""Patterns in another notation: `[0-9]{1,}` is `\\d+`. Whether one takes less than another is decided elsewhere."""

from __future__ import annotations

import re
from functools import lru_cache
from re import _parser  # the only parser of its patterns Python has

__all__ = ["same_pattern"]

_MAX_LENGTH = 2000
#: ECMA-262, the dialect of JSON Schema, knows no other digits.
_DIGITS = ("(CATEGORY, CATEGORY_DIGIT)", "(RANGE, (48, 57))")


def same_pattern(one: str, other: str) -> bool:
    """Whether two patterns are surely the same, in whatever notation; where one is broken, only the same text is."""
    return one == other or (_read(one) is not None and _read(one) == _read(other))


@lru_cache(maxsize=4096)
def _read(pattern: str) -> str | None:
    if pattern == ".*":  # it is looked for anywhere in a text, and finds nothing in any
        return "[]"
    if len(pattern) > _MAX_LENGTH:
        return None
    try:
        return repr(_parser.parse(pattern)).replace(*_DIGITS)
    except (re.error, OverflowError, RecursionError):
        return None
