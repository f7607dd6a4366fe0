"""Whether two schemas say the same, what they refer to included: then nothing has to be compared.

What counts is what is said, not in which order, not where it stands (a `$ref` is what it refers to), and not how it is
explained to people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.documents.nodes import Node

__all__ = ["Sameness"]

#: For people; no change of it is told.
_EXPLAINED = frozenset({"$comment", "description", "example", "examples", "externalDocs", "title"})
_DATA = frozenset({"const", "default", "enum"})
_SETS = frozenset({"enum", "required", "type"})
_ALTERNATIVES = frozenset({"allOf", "anyOf", "oneOf"})
_NAMES = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})

_Pair = tuple[Any, Any, str]


class Sameness:
    """Remembers what was found the same; the documents must outlive it."""

    def __init__(self) -> None:
        self._same: set[tuple[int, int, bool]] = set()
        self._texts: dict[int, str] = {}

    def of(self, old: Sequence[Node], new: Sequence[Node]) -> bool:
        """Whether the schemas are the same, pair by pair. False may also mean that the words differ."""
        return len(old) == len(new) and all(self._pair(a, b) for a, b in zip(old, new, strict=True))

    def _pair(self, old: Node, new: Node) -> bool:
        """Circles are no harm: two schemas differ only if something that can be reached from them differs."""
        seen: set[tuple[int, int, bool]] = set()
        left: list[_Pair] = [(old.raw, new.raw, "")]
        while left:
            one, other, within = left.pop()
            names = within in _NAMES
            if not names and within not in _DATA:
                one, other = _meant(old, one), _meant(new, other)
            key = (id(one), id(other), names)
            if key in seen or key in self._same:
                continue
            inside = self._inside(one, other, within)
            if inside is None:
                return False
            seen.add(key)
            left += inside
            if not names and within not in _DATA and _refers(one) and _refers(other):  # with more beside it
                left.append((old.target(one["$ref"]).raw, new.target(other["$ref"]).raw, ""))
        self._same |= seen
        return True

    def _inside(self, one: Any, other: Any, within: str) -> list[_Pair] | None:
        """What must be the same for two values to be; None where they differ already.

        Args:
            within: the keyword they stand under, where that makes a difference.
        """
        if isinstance(one, Mapping) and isinstance(other, Mapping) and within not in _DATA:
            spoken = frozenset() if within in _NAMES else _EXPLAINED
            keys = [key for key in one if key not in spoken]
            if len(keys) != sum(key not in spoken for key in other) or not all(key in other for key in keys):
                return None
            return [(one[key], other[key], "" if within in _NAMES else str(key)) for key in keys]
        if isinstance(one, list) and isinstance(other, list) and within not in _DATA | _SETS:
            if len(one) != len(other):
                return None
            if within in _ALTERNATIVES:
                one, other = sorted(one, key=self._text), sorted(other, key=self._text)
            return [(a, b, "") for a, b in zip(one, other, strict=True)]
        return [] if _equal(one, other, any_order=within in _SETS) else None

    def _text(self, value: object) -> str:
        """A text to sort alternatives by, which does not depend on what may be said in any order."""
        known = self._texts.get(id(value))
        if known is None:
            known = self._texts[id(value)] = json.dumps(_ordered(value, ""), sort_keys=True, default=str)
        return known


def _meant(node: Node, raw: Any) -> Any:
    """What a `$ref` refers to, where nothing else stands beside it that counts."""
    if _refers(raw) and not raw.keys() - _EXPLAINED - {"$ref"}:
        return Node(node.root, raw).followed().raw
    return raw


def _refers(raw: Any) -> bool:
    return isinstance(raw, Mapping) and isinstance(raw.get("$ref"), str)


def _ordered(value: Any, within: str) -> Any:
    if isinstance(value, Mapping):
        return {k: v if k in _DATA - _SETS else _ordered(v, str(k)) for k, v in _said(value, within)}
    if isinstance(value, list):
        listed = value if within in _DATA else [_ordered(item, "") for item in value]
        return sorted(listed, key=_plain) if within in _SETS | _ALTERNATIVES else listed
    return value


def _said(value: Mapping[str, Any], within: str) -> Iterator[tuple[str, Any]]:
    return ((k, v) for k, v in value.items() if within in _NAMES or k not in _EXPLAINED)


def _equal(one: object, other: object, *, any_order: bool) -> bool:
    """Python takes 1, 1.0 and true for equal; JSON does not."""
    try:
        if any_order and isinstance(one, list) and isinstance(other, list):
            return sorted(map(_plain, one)) == sorted(map(_plain, other))
        return one == other and _plain(one) == _plain(other)
    except (TypeError, ValueError, RecursionError):
        return False


def _plain(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
