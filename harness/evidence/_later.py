"""Patterns that are compiled when they are first used: hundreds of processes load them, and few read a text that needs them."""

from __future__ import annotations

import re
from typing import Any, cast

__all__ = ["later"]


class _Later:
    """Stands for a pattern; each of its methods is looked up once."""

    def __init__(self, pattern: str, flags: int) -> None:
        self._written = (pattern, flags)

    def __getattr__(self, name: str) -> Any:
        compiled = self.__dict__.setdefault("_compiled", None) or re.compile(*self._written)
        self.__dict__["_compiled"] = compiled
        self.__dict__[name] = found = getattr(compiled, name)
        return found


def later(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """As `re.compile`; a mistake in the pattern shows at its first use."""
    return cast("re.Pattern[str]", _Later(pattern, flags))
