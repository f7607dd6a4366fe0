"""What a package offers at its door, loaded when it is asked for: most processes that come through want little of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["opened_when_asked"]


def opened_when_asked(package: str, offered: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package that loads nothing before it is asked for (PEP 562).

    Args:
        package: its `__name__`.
        offered: each name it offers -> the module that has it, in full or relative to the package (`.pacts`).
    """

    def look_up(name: str) -> Any:
        if name not in offered:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(offered[name], package), name)

    return look_up
