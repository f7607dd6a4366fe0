"""Compares two schemas, in depth and in one direction. Recursive schemas end; shared ones are compared once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.contracts.compat.changes import At, Change, change
from harness.contracts.compat.nodes import Node, escape
from harness.contracts.compat.rules import Direction
from harness.contracts.compat.views import ALL_TYPES, View, Views

__all__ = ["SchemaComparer", "Spot"]

_MAX_DEPTH = 100
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
class Spot:
    """Where in a document a schema is used.

    Args:
        direction: which way the data goes.
        operation: `GET /orders/{order_id}`.
        where: "200 of GET /orders/{order_id}".
        whole: how to call the schema as a whole: "the body", "the query parameter `limit`".
    """

    direction: Direction
    operation: str
    where: str
    whole: str = "the body"


@dataclass(frozen=True, slots=True)
class _Found:
    """A change relative to the schema it was found in."""

    rule: str
    path: str
    pointer: str
    facts: tuple[tuple[str, str], ...] = ()

    def below(self, step: str) -> _Found:
        joined = f"{step}{self.path}" if self.path.startswith("[") or not self.path else f"{step}.{self.path}"
        return replace(self, path=joined)


_Pair = tuple[tuple[int, ...], tuple[int, ...], Direction]


class SchemaComparer:
    """Compares schemas of two documents; keeps what it found, so that a shared schema costs once."""

    def __init__(self) -> None:
        self._views = Views()
        self._found: dict[_Pair, tuple[_Found, ...]] = {}

    def compare(self, old: Node, new: Node, spot: Spot) -> Iterator[Change]:
        """Every change between two schemas, worded for the spot they are used in."""
        for found in self._pair((old,), (new,), spot.direction, 0):
            field = f"`{found.path}`" if found.path else spot.whole
            at = At(spot.operation, spot.where, found.pointer, field)
            yield change(found.rule, spot.direction, at, found.facts)

    def _pair(self, old: Sequence[Node], new: Sequence[Node], way: Direction, depth: int) -> tuple[_Found, ...]:
        key = (_identity(old), _identity(new), way)
        known = self._found.get(key)
        if known is not None or depth > _MAX_DEPTH:
            return known or ()
        self._found[key] = ()  # a schema that holds itself: what is inside has been told further out
        found = tuple(self._changes(old, new, way, depth))
        self._found[key] = found
        return found

    def _changes(self, old: Sequence[Node], new: Sequence[Node], way: Direction, depth: int) -> Iterator[_Found]:
        before, after = self._views.of(old), self._views.of(new)
        pointer = old[0].followed().pointer
        yield from _values(before, after, pointer)
        yield from self._fields(before, after, pointer, way, depth)
        yield from self._items(before, after, way, depth)
        yield from self._choices(before, after, pointer, way, depth)

    def _fields(self, before: View, after: View, pointer: str, way: Direction, depth: int) -> Iterator[_Found]:
        for name, nodes in before.fields.items():
            if self._hidden(nodes, way):
                continue
            if name not in after.fields:
                yield _Found(_removed(name, before, after, way), name, f"{pointer}/properties/{escape(name)}")
                continue
            here = nodes[0].pointer
            if name in before.required and name not in after.required:
                yield _Found("field_optional", name, here)
            elif name in after.required and name not in before.required:
                yield _Found("field_required", name, here)
            yield from (f.below(name) for f in self._pair(nodes, after.fields[name], way, depth + 1))
        for name in after.fields.keys() - before.fields.keys():
            nodes = after.fields[name]
            if not self._hidden(nodes, way):
                rule = "required_field_added" if name in after.required else "field_added"
                yield _Found("field_added" if way is Direction.RESPONSE else rule, name, nodes[0].pointer)
        yield from self._extra(before, after, pointer, way, depth)

    def _hidden(self, nodes: Sequence[Node], way: Direction) -> bool:
        """Whether a field is not part of the data in this direction."""
        view = self._views.of(nodes)
        return view.read_only if way is Direction.REQUEST else view.write_only

    def _extra(self, before: View, after: View, pointer: str, way: Direction, depth: int) -> Iterator[_Found]:
        if before.extra is not False and after.extra is False:
            yield _Found("extra_fields_refused", "", pointer)
        elif before.extra is False and after.extra is not False:
            yield _Found("extra_fields_allowed", "", pointer)
        elif isinstance(before.extra, Node) and isinstance(after.extra, Node):
            yield from (f.below("*") for f in self._pair((before.extra,), (after.extra,), way, depth + 1))

    def _items(self, before: View, after: View, way: Direction, depth: int) -> Iterator[_Found]:
        if before.items and after.items:
            yield from (f.below("[]") for f in self._pair(before.items, after.items, way, depth + 1))
        for position, (one, other) in enumerate(zip(before.prefix, after.prefix, strict=False)):
            yield from (f.below(f"[{position}]") for f in self._pair((one,), (other,), way, depth + 1))

    def _choices(self, before: View, after: View, pointer: str, way: Direction, depth: int) -> Iterator[_Found]:
        """Alternatives are paired by name (of the `$ref`, the title, the constant field), else by their order."""
        if not before.choices and not after.choices:
            return
        olds, news = _named(_alternatives(before)), _named(_alternatives(after))
        for name in olds.keys() & news.keys():
            yield from self._pair((olds[name],), (news[name],), way, depth + 1)
        for name in sorted(olds.keys() - news.keys()):
            yield _Found("alternative_removed", "", pointer, (("gone", name),))
        for name in sorted(news.keys() - olds.keys()):
            yield _Found("alternative_added", "", pointer, (("added", name),))


def _identity(nodes: Sequence[Node]) -> tuple[int, ...]:
    return tuple(id(node.followed().raw) if _bare_ref(node) else id(node.raw) for node in nodes)


def _bare_ref(node: Node) -> bool:
    return isinstance(node.raw, Mapping) and len(node.raw) == 1 and "$ref" in node.raw


def _removed(name: str, before: View, after: View, way: Direction) -> str:
    if way is Direction.REQUEST and after.extra is False:
        return "field_refused"
    return "field_removed" if name in before.required else "optional_field_removed"


def _alternatives(view: View) -> list[Node]:
    return view.choices or ([view.only_choice] if view.only_choice else [])


def _named(choices: Iterable[Node]) -> dict[str, Node]:
    named: dict[str, Node] = {}
    for position, choice in enumerate(choices):
        name = _name(choice) or f"number {position + 1}"
        named[name if name not in named else f"{name} ({position + 1})"] = choice
    return named


def _name(choice: Node) -> str:
    raw = choice.raw
    if not isinstance(raw, Mapping):
        return ""
    ref, title, kind = raw.get("$ref"), raw.get("title"), raw.get("type")
    if isinstance(ref, str):
        return ref.rsplit("/", 1)[-1]
    return title if isinstance(title, str) else kind if isinstance(kind, str) else ""


def _values(before: View, after: View, pointer: str) -> Iterator[_Found]:
    """Changes of what a single value may be."""
    yield from _type_changes(before, after, pointer)
    yield from _enum_changes(before, after, pointer)
    yield from _limit_changes(before, after, pointer)
    if before.pattern != after.pattern:
        rule = "pattern_added" if not before.pattern else "pattern_removed" if not after.pattern else "pattern_changed"
        yield _Found(rule, "", pointer, _facts(before.pattern, after.pattern))
    if before.format != after.format:
        rule = "format_added" if not before.format else "format_removed" if not after.format else "format_changed"
        yield _Found(rule, "", pointer, _facts(before.format, after.format))
    if before.exclusion != after.exclusion:
        yield _Found("exclusion_changed", "", pointer)
    if before.default != after.default and before.default:
        yield _Found("default_changed", "", pointer, _facts(before.default, after.default or "none"))
    if after.deprecated and not before.deprecated:
        yield _Found("field_deprecated", "", pointer)


def _facts(old: str, new: str) -> tuple[tuple[str, str], ...]:
    return (("old", old), ("new", new))


def _type_changes(before: View, after: View, pointer: str) -> Iterator[_Found]:
    gone, added = before.types - after.types, after.types - before.types
    # Whoever had listed values has lost or won a type only by losing or winning a value.
    if before.enum is not None and after.enum is not None:
        return
    if (before.enum is None and before.types == ALL_TYPES and after.enum is not None) or (
        after.enum is None and after.types == ALL_TYPES and before.enum is not None
    ):
        return
    if gone and added:
        yield _Found("type_changed", "", pointer, _facts(_words(before.types), _words(after.types)))
    elif gone:
        yield _Found("type_narrowed", "", pointer, (("gone", _words(gone)),))
    elif added:
        yield _Found("type_widened", "", pointer, (("added", _words(added)),))


def _words(types: frozenset[str]) -> str:
    if types >= ALL_TYPES:
        return "any type"
    names = types - {"integer"} if "number" in types else types
    return " or ".join(sorted(names)) or "nothing"


def _enum_changes(before: View, after: View, pointer: str) -> Iterator[_Found]:
    old, new = before.enum, after.enum
    if old is None and new is not None:
        yield _Found("enum_introduced", "", pointer, (("new", _values_text(new)),))
    elif old is not None and new is None:
        yield _Found("enum_dropped", "", pointer, (("old", _values_text(old)),))
    elif old is not None and new is not None:
        if old - new:
            yield _Found("enum_value_removed", "", pointer, (("gone", _values_text(old - new)),))
        if new - old:
            yield _Found("enum_value_added", "", pointer, (("added", _values_text(new - old)),))


def _values_text(values: frozenset[str]) -> str:
    listed = sorted(values)
    text = ", ".join(listed[:5])
    return text if len(listed) <= 5 else f"{text} and {len(listed) - 5} more"


def _limit_changes(before: View, after: View, pointer: str) -> Iterator[_Found]:
    for keyword, named in _WORDS.items():
        old, new = before.limits.get(keyword), after.limits.get(keyword)
        if old == new:
            continue
        # Between a limit and none, the limit is the tighter one.
        tighter = old is None if old is None or new is None else (new > old) == (keyword in _LARGER_IS_TIGHTER)
        yield _Found(
            "limit_tightened" if tighter else "limit_loosened",
            "",
            pointer,
            (("what", named), *_facts(_number(old), _number(new))),
        )
    if before.multiple_of != after.multiple_of:
        yield _limit(before.multiple_of, after.multiple_of, pointer)
    if before.unique != after.unique:
        rule = "limit_tightened" if after.unique else "limit_loosened"
        words = ("free", "distinct") if after.unique else ("distinct", "free")
        yield _Found(rule, "", pointer, (("what", "the items"), *_facts(*words)))


def _limit(old: float | None, new: float | None, pointer: str) -> _Found:
    # Every multiple of 6 is one of 3: the new step is looser when it divides the old one.
    looser = new is None or (old is not None and new != 0 and float(old / new).is_integer())
    facts = (("what", "the step"), *_facts(_number(old), _number(new)))
    return _Found("limit_loosened" if looser else "limit_tightened", "", pointer, facts)


def _number(value: float | None) -> str:
    return "none" if value is None else json.dumps(value)
