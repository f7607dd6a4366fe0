"""Compares two schemas, in depth and in one direction. Recursive schemas end; shared ones are compared once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from harness.contracts.compat.changes import At, Change, Part, change
from harness.contracts.compat.judge import Judge
from harness.contracts.compat.rules import Direction, Level
from harness.contracts.compat.sameness import Sameness
from harness.contracts.compat.values import Found, notes, value_changes
from harness.contracts.compat.views import View, Views
from harness.contracts.documents.nodes import Node, escape

__all__ = ["SchemaComparer", "Spot"]

_MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Spot:
    """Where in a document a schema is used.

    Args:
        direction: which way the data goes.
        operation: `GET /orders/{order_id}`.
        where: "200 of GET /orders/{order_id}".
        whole: how to call the schema as a whole: "the body", "the query parameter `limit`".
        part: which part of the exchange the schema describes, for machines.
    """

    direction: Direction
    operation: str
    where: str
    whole: str = "the body"
    part: Part = field(default_factory=Part)


_Pair = tuple[tuple[int, ...], tuple[int, ...], Direction]


class SchemaComparer:
    """Compares schemas of two documents; keeps what it found, so that a shared schema costs once.

    Args:
        today: the day by which a sunset has passed or not; None: no sunset has passed.
    """

    def __init__(self, today: date | None = None) -> None:
        self._views = Views()
        self._found: dict[_Pair, tuple[Found, ...]] = {}
        self._same = Sameness()
        self._judge = Judge()
        self._today = today.isoformat() if today else ""

    def compare(self, old: Node, new: Node, spot: Spot) -> Iterator[Change]:
        """Every change between two schemas, worded for the spot they are used in."""
        for found in self._pair((old,), (new,), spot.direction, 0):
            named = f"`{_joined(found.path)}`" if found.path else spot.whole
            at = At(
                spot.operation,
                spot.where,
                found.pointer,
                named,
                spot.part,
                found.path,
                found.example,
                found.new_pointer,
            )
            told = change(found.rule, spot.direction, at, found.facts)
            yield told if found.level is None else replace(told, level=found.level)

    def _pair(self, old: Sequence[Node], new: Sequence[Node], way: Direction, depth: int) -> tuple[Found, ...]:
        key = (_identity(old), _identity(new), way)
        known = self._found.get(key)
        if known is not None or depth > _MAX_DEPTH:
            return known or ()
        self._found[key] = ()  # a schema that holds itself: what is inside has been told further out
        found = () if self._same.of(old, new) else tuple(self._changes(old, new, way, depth))
        self._found[key] = found
        return found

    def _changes(self, old: Sequence[Node], new: Sequence[Node], way: Direction, depth: int) -> Iterator[Found]:
        before, after = self._views.of(old), self._views.of(new)
        pointer, there = old[0].followed().pointer, new[0].followed().pointer
        own = [
            *value_changes(before, after, pointer),
            *_extra_changes(before, after, pointer),
            *self._mapped(before, after, pointer, (old[0], new[0])),
        ]
        inside, others = self._choices(before, after, pointer, way, depth)
        deeper = [*self._fields(before, after, pointer, way, depth), *self._items(before, after, pointer, way, depth)]
        own = [*own, *others]
        special = before.special or after.special or _unnamed(before) != _unnamed(after)
        if special or inside or any(one.about for one in own):
            about = {name for one in own for name in one.about}
            question = self._judge.question(old, new, way)
            own = [*question.judged(own, before.only_choice is not None or after.only_choice is not None)]
            inside = question.alternatives(inside)
            if special:
                names = before.fields.keys() | after.fields.keys()
                own += question.rest(pointer, {*about, *(f"required {name}" for name in names)}, inside, deeper)
        for one in (*own, *notes(before, after, pointer)):
            yield one if one.new_pointer else replace(one, new_pointer=there)
        yield from inside
        yield from deeper

    def _fields(self, before: View, after: View, pointer: str, way: Direction, depth: int) -> Iterator[Found]:
        for name, nodes in before.fields.items():
            if name in after.fields:
                yield from self._field(name, before, after, way, depth)
            elif not self._hidden(nodes, way):
                gone = nodes[0].pointer or f"{pointer}/properties/{escape(name)}"
                yield self._gone(name, before, after, gone, way)
                yield from self._against_rest(name, nodes, after.extra, way, depth)
        for name in after.fields.keys() - before.fields.keys():
            nodes = after.fields[name]
            if not self._hidden(nodes, way):
                rule = "required_field_added" if name in after.required else "field_added"
                rule = "field_added" if way is Direction.RESPONSE else rule
                yield Found(rule, (name,), nodes[0].pointer, new_pointer=nodes[0].pointer)
                yield from self._against_rest(name, before.extra, nodes, way, depth)
        yield from self._rest_of_fields(before, after, pointer, way, depth)

    def _field(self, name: str, before: View, after: View, way: Direction, depth: int) -> Iterator[Found]:
        """A field that both have; it may be part of the data in this direction in only one of them."""
        old, new = before.fields[name], after.fields[name]
        here, there = old[0].pointer, new[0].pointer
        was, is_hidden = self._hidden(old, way), self._hidden(new, way)
        kind = "read_only" if way is Direction.REQUEST else "write_only"
        if was and is_hidden:
            return
        if is_hidden:
            level = Level.WARNING if name not in before.required else None
            yield Found(f"field_{kind}", (name,), here, new_pointer=there, level=level)
            return
        if was:
            asked = name in after.required and way is Direction.REQUEST
            yield Found(f"field_not_{kind}", (name,), here, new_pointer=there, level=Level.BREAKING if asked else None)
            return
        if name in before.required and name not in after.required:
            yield Found("field_optional", (name,), here, new_pointer=there)
        elif name in after.required and name not in before.required:
            yield Found("field_required", (name,), here, new_pointer=there)
        yield from (f.below(name) for f in self._pair(old, new, way, depth + 1))

    def _gone(self, name: str, before: View, after: View, pointer: str, way: Direction) -> Found:
        view = self._views.of(before.fields[name])
        if view.deprecated and _is_day(view.sunset) and view.sunset <= self._today:
            return Found("field_removed_after_sunset", (name,), pointer, (("sunset", view.sunset),))
        return Found(_removed(name, before, after, way), (name,), pointer)

    def _against_rest(
        self,
        name: str,
        old: Sequence[Node] | Node | bool,
        new: Sequence[Node] | Node | bool,
        way: Direction,
        depth: int,
    ) -> Iterator[Found]:
        """A field that one of the schemas does not name is one of its further fields there, if those have a schema."""
        if isinstance(old, bool) or isinstance(new, bool):
            return
        one, other = (old,) if isinstance(old, Node) else old, (new,) if isinstance(new, Node) else new
        yield from (f.below(name) for f in self._pair(one, other, way, depth + 1))

    def _rest_of_fields(self, before: View, after: View, pointer: str, way: Direction, depth: int) -> Iterator[Found]:
        old, new = before.extra, after.extra
        if old is False or new is False or not _both(before, after, "object"):
            return
        anything = Node({}, True, f"{pointer}/additionalProperties")
        one, other = (extra if isinstance(extra, Node) else anything for extra in (old, new))
        yield from (f.below("*") for f in self._pair((one,), (other,), way, depth + 1))

    def _hidden(self, nodes: Sequence[Node], way: Direction) -> bool:
        """Whether a field is not part of the data in this direction."""
        view = self._views.of(nodes)
        return view.read_only if way is Direction.REQUEST else view.write_only

    def _items(self, before: View, after: View, pointer: str, way: Direction, depth: int) -> Iterator[Found]:
        if not _both(before, after, "array"):
            return
        anything = (Node({}, True, f"{pointer}/items"),)
        olds, news = before.items or anything, after.items or anything
        yield from (f.below("[]") for f in self._pair(olds, news, way, depth + 1))
        for position in range(max(len(before.prefix), len(after.prefix))):
            one = (before.prefix[position],) if position < len(before.prefix) else olds
            other = (after.prefix[position],) if position < len(after.prefix) else news
            yield from (f.below(f"[{position}]") for f in self._pair(one, other, way, depth + 1))

    def _choices(
        self, before: View, after: View, pointer: str, way: Direction, depth: int
    ) -> tuple[list[Found], list[Found]]:
        """Changes inside of alternatives, and alternatives that came or went.

        They are paired where they are the same, by name (of the `$ref`, the title, the type), else by their order.
        """
        if not before.choices and not after.choices:
            return [], []
        olds, news = _named(_alternatives(before)), _named(_alternatives(after))
        for name, one in list(olds.items()):
            twin = next((n for n, other in news.items() if self._same.of((one,), (other,))), None)
            if twin is not None:
                del olds[name], news[twin]
        inside: list[Found] = []
        for name in olds.keys() & news.keys():
            inside += self._pair((olds[name],), (news[name],), way, depth + 1)
        about = frozenset({"choice"})
        gone = [("alternative_removed", (("gone", name),)) for name in sorted(olds.keys() - news.keys())]
        come = [("alternative_added", (("added", name),)) for name in sorted(news.keys() - olds.keys())]
        return inside, [Found(rule, (), pointer, facts, about=about) for rule, facts in (*gone, *come)]

    def _mapped(self, before: View, after: View, pointer: str, whole: tuple[Node, Node]) -> Iterator[Found]:
        """Values of a discriminator that lead to another schema now; a schema with another name may be the same."""
        for value in before.mapping.keys() & after.mapping.keys():
            old, new = before.mapping[value], after.mapping[value]
            if old == new or not before.discriminator or not after.discriminator:
                continue
            if not self._same.of((_target(whole[0], old),), (_target(whole[1], new),)):
                yield Found("discriminator_value_changed", (), pointer, (("value", f"`{value}`"),))


def _unnamed(view: View) -> frozenset[str]:
    """Fields that are required without being described."""
    return view.required - view.fields.keys()


def _target(node: Node, said: str) -> Node:
    """A mapping names a schema of the document, or refers to it."""
    return node.target(said if "#" in said else f"#/components/schemas/{said}")


def _both(before: View, after: View, kind: str) -> bool:
    listed = before.enum is not None or after.enum is not None
    return kind in before.types and kind in after.types and not listed


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def _joined(path: Sequence[str]) -> str:
    joined = path[0]
    for step in path[1:]:
        joined += step if step.startswith("[") else f".{step}"
    return joined


def _extra_changes(before: View, after: View, pointer: str) -> Iterator[Found]:
    if before.extra is not False and after.extra is False:
        yield Found("extra_fields_refused", (), pointer, about=frozenset({"extra", "unevaluated"}))
    elif before.extra is False and after.extra is not False:
        yield Found("extra_fields_allowed", (), pointer, about=frozenset({"extra", "unevaluated"}))


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
