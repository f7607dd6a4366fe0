"""What changed in what one schema says itself: types, values, limits, patterns, notes. Schemas inside are elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from harness.contracts.compat.containment.patterns import same_pattern
from harness.contracts.compat.containment.plain import RANGES
from harness.contracts.compat.repeats import Repeat, shifted
from harness.contracts.compat.rules import Level
from harness.contracts.compat.views import ALL_TYPES, View

__all__ = ["Found", "notes", "value_changes"]

#: Conditions that say which values there are; one can often be said as another.
_KINDS = frozenset({"type", "values", "choice"})
_LARGER_IS_TIGHTER = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
_WORDS = {
    "minimum": "the minimum",
    "exclusiveMinimum": "the exclusive minimum",
    "maximum": "the maximum",
    "exclusiveMaximum": "the exclusive maximum",
    "minLength": "the minimum length",
    "maxLength": "the maximum length",
    "minItems": "the fewest items",
    "maxItems": "the most items",
    "minProperties": "the fewest fields",
    "maxProperties": "the most fields",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A change relative to the schema it was found in.

    Args:
        about: names of the conditions it is about, see `containment.parts`: they decide how bad it is.
        level: how bad it is, where that is not what its rule says.
        repeats: where `path` leads through a schema that holds itself.
    """

    rule: str
    path: tuple[str, ...]
    pointer: str
    facts: tuple[tuple[str, str], ...] = ()
    new_pointer: str = ""
    example: str = ""
    level: Level | None = None
    about: frozenset[str] = frozenset()
    repeats: tuple[Repeat, ...] = ()

    def below(self, step: str) -> Found:
        """The same change, seen from the schema around."""
        return replace(self, path=(step, *self.path), repeats=shifted(self.repeats, 1))


def value_changes(before: View, after: View, pointer: str) -> Iterator[Found]:
    """Changes of what a value may be, as far as one schema says it itself; fields and items are not looked into."""
    yield from _type_changes(before, after, pointer)
    yield from _enum_changes(before, after, pointer)
    yield from _limit_changes(before, after, pointer)
    if not same_pattern(before.pattern, after.pattern):
        rule = _kind("pattern", before.pattern, after.pattern)
        yield Found(rule, (), pointer, _facts(before.pattern, after.pattern), about=frozenset({"pattern"}))
    if before.format != after.format:
        decided = {before.format, after.format} <= RANGES.keys()
        about = frozenset({"minimum", "maximum"} if decided else ())
        rule = _kind("format", before.format, after.format)
        yield Found(rule, (), pointer, _facts(before.format, after.format), about=about)
    if before.exclusion != after.exclusion:
        yield Found("exclusion_changed", (), pointer, about=frozenset({"not"}))
    yield from _extensible_changes(before, after, pointer)
    yield from _discriminator_changes(before, after, pointer)


def _kind(what: str, old: str, new: str) -> str:
    return f"{what}_added" if not old else f"{what}_removed" if not new else f"{what}_changed"


def notes(before: View, after: View, pointer: str) -> Iterator[Found]:
    """Changes of what a schema says beside what is valid: defaults, contents of texts, deprecation."""
    if before.default != after.default:
        rule = "default_changed" if before.default else "default_added"
        yield Found(rule, (), pointer, _facts(before.default, after.default or "none"))
    if before.encoding != after.encoding:
        facts = _facts(before.encoding or "none", after.encoding or "none")
        yield Found("content_encoding_changed", (), pointer, facts)
    if before.media_type != after.media_type:
        facts = _facts(before.media_type or "none", after.media_type or "none")
        yield Found("content_media_type_changed", (), pointer, facts)
    if after.deprecated != before.deprecated:
        yield Found("field_deprecated" if after.deprecated else "field_undeprecated", (), pointer)
    if before.sunset != after.sunset and before.sunset:
        sooner = bool(after.sunset) and after.sunset < before.sunset
        facts = _facts(before.sunset, after.sunset or "none")
        yield Found("sunset_earlier" if sooner else "sunset_later", (), pointer, facts)


def _extensible_changes(before: View, after: View, pointer: str) -> Iterator[Found]:
    """`x-extensible-enum` lists known values; whoever reads them has been told that more will come."""
    if before.extensible is None or after.extensible is None:
        return
    if before.extensible - after.extensible:
        facts = (("gone", _values_text(before.extensible - after.extensible)),)
        yield Found("known_value_removed", (), pointer, facts)
    if after.extensible - before.extensible:
        facts = (("added", _values_text(after.extensible - before.extensible)),)
        yield Found("known_value_added", (), pointer, facts)


def _discriminator_changes(before: View, after: View, pointer: str) -> Iterator[Found]:
    old, new = before.discriminator, after.discriminator
    if old != new and (not old or not new):
        rule = "discriminator_removed" if old else "discriminator_added"
        yield Found(rule, (), pointer, (("name", f"`{old or new}`"),))
    elif old != new:
        yield Found("discriminator_changed", (), pointer, _facts(f"`{old}`", f"`{new}`"))
    if not old or not new:
        return
    for value in sorted(before.mapping.keys() - after.mapping.keys()):
        yield Found("discriminator_value_removed", (), pointer, (("gone", f"`{value}`"),))
    for value in sorted(after.mapping.keys() - before.mapping.keys()):
        yield Found("discriminator_value_added", (), pointer, (("added", f"`{value}`"),))


def _facts(old: str, new: str) -> tuple[tuple[str, str], ...]:
    return (("old", old), ("new", new))


def _type_changes(before: View, after: View, pointer: str) -> Iterator[Found]:
    gone, added = before.types - after.types, after.types - before.types
    # Whoever had listed values has lost or won a type only by losing or winning a value.
    if before.enum is not None and after.enum is not None:
        return
    if (before.enum is None and before.types == ALL_TYPES and after.enum is not None) or (
        after.enum is None and after.types == ALL_TYPES and before.enum is not None
    ):
        return
    if gone and added:
        facts = _facts(_words(before.types), _words(after.types))
        yield Found("type_changed", (), pointer, facts, about=_KINDS)
    elif gone:
        yield Found("type_narrowed", (), pointer, (("gone", _words(gone)),), about=_KINDS)
    elif added:
        yield Found("type_widened", (), pointer, (("added", _words(added)),), about=_KINDS)


def _words(types: frozenset[str]) -> str:
    if types >= ALL_TYPES:
        return "any type"
    names = types - {"integer"} if "number" in types else types
    return " or ".join(sorted(names)) or "nothing"


def _enum_changes(before: View, after: View, pointer: str) -> Iterator[Found]:
    old, new = before.enum, after.enum
    if old is None and new is not None:
        yield Found("enum_introduced", (), pointer, (("new", _values_text(new)),), about=_KINDS)
    elif old is not None and new is None:
        yield Found("enum_dropped", (), pointer, (("old", _values_text(old)),), about=_KINDS)
    elif old is not None and new is not None and old != new:
        if len(old) == len(new) == 1:
            yield Found("const_changed", (), pointer, _facts(_values_text(old), _values_text(new)), about=_KINDS)
            return
        if old - new:
            yield Found("enum_value_removed", (), pointer, (("gone", _values_text(old - new)),), about=_KINDS)
        if new - old:
            yield Found("enum_value_added", (), pointer, (("added", _values_text(new - old)),), about=_KINDS)


def _values_text(values: frozenset[str]) -> str:
    listed = sorted(values)
    text = ", ".join(listed[:5])
    return text if len(listed) <= 5 else f"{text} and {len(listed) - 5} more"


def _limit_changes(before: View, after: View, pointer: str) -> Iterator[Found]:
    for keyword, named in _WORDS.items():
        old, new = before.limits.get(keyword), after.limits.get(keyword)
        if old == new:
            continue
        # Between a limit and none, the limit is the tighter one.
        tighter = old is None if old is None or new is None else (new > old) == (keyword in _LARGER_IS_TIGHTER)
        yield Found(
            "limit_tightened" if tighter else "limit_loosened",
            (),
            pointer,
            (("what", named), *_facts(_number(old), _number(new))),
            about=_with_twin(keyword),
        )
    if before.multiple_of != after.multiple_of:
        yield from _step_changes(before.multiple_of, after.multiple_of, pointer)
    if before.unique != after.unique:
        rule = "limit_tightened" if after.unique else "limit_loosened"
        words = ("free", "distinct") if after.unique else ("distinct", "free")
        yield Found(rule, (), pointer, (("what", "the items"), *_facts(*words)), about=frozenset({"uniqueItems"}))


def _with_twin(keyword: str) -> frozenset[str]:
    """A bound that excludes itself can say the same as one that does not."""
    for side in ("Minimum", "Maximum"):
        if keyword in {side.lower(), f"exclusive{side}"}:
            return frozenset({side.lower(), f"exclusive{side}"})
    return frozenset({keyword})


def _step_changes(old: float | None, new: float | None, pointer: str) -> Iterator[Found]:
    """Every multiple of 6 is one of 3; of 2 and 3, each has multiples that the other has not."""
    facts = (("what", "the step"), *_facts(_number(old), _number(new)))
    if not _is_multiple(new, old):
        yield Found("limit_loosened", (), pointer, facts, about=frozenset({"multipleOf"}))
    if not _is_multiple(old, new):
        yield Found("limit_tightened", (), pointer, facts, about=frozenset({"multipleOf"}))


def _is_multiple(one: float | None, other: float | None) -> bool:
    """Whether every multiple of one number is one of the other; without a number, every value will do."""
    if one is None or other is None:
        return other is None
    return (Fraction(str(one)) / Fraction(str(other))).denominator == 1


def _number(value: float | None) -> str:
    return "none" if value is None else json.dumps(value)
