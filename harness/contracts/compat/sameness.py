"""Whether two schemas say the same in the same words, what they refer to included: then nothing has to be compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from harness.contracts.documents.nodes import Node

__all__ = ["Sameness"]


class Sameness:
    """Remembers what was found the same; the documents must outlive it."""

    def __init__(self) -> None:
        self._same: set[tuple[int, int]] = set()
        self._refs: dict[int, tuple[str, ...]] = {}

    def of(self, old: Sequence[Node], new: Sequence[Node]) -> bool:
        """Whether the schemas are the same, pair by pair. False may also mean that the words differ."""
        return len(old) == len(new) and all(self._pair(a, b) for a, b in zip(old, new, strict=True))

    def _pair(self, old: Node, new: Node) -> bool:
        """Circles are no harm: two schemas differ only if something that can be reached from them differs."""
        seen: set[tuple[int, int]] = set()
        left = [(old, new)]
        while left:
            a, b = left.pop()
            key = (id(a.raw), id(b.raw))
            if key in seen or key in self._same:
                continue
            if not _equal(a.raw, b.raw):
                return False
            seen.add(key)
            left.extend((a.target(ref), b.target(ref)) for ref in self._references(a.raw))
        self._same |= seen
        return True

    def _references(self, raw: Any) -> tuple[str, ...]:
        known = self._refs.get(id(raw))
        if known is None:
            found: dict[str, None] = {}
            left = [raw]
            while left:
                one = left.pop()
                if isinstance(one, dict):
                    if isinstance(one.get("$ref"), str):
                        found[one["$ref"]] = None
                    left.extend(one.values())
                elif isinstance(one, list):
                    left.extend(one)
            known = self._refs[id(raw)] = tuple(found)
        return known


def _equal(one: object, other: object) -> bool:
    """Python takes 1, 1.0 and true for equal; JSON does not."""
    try:
        return one == other and _text(one) == _text(other)
    except (TypeError, ValueError, RecursionError):
        return False


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
