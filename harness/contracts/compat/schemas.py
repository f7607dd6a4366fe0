"""Compares two schemas, in depth and in one direction. Recursive schemas end; shared ones are compared once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from harness.contracts.compat.changes import At, Change, Part, change
from harness.contracts.compat.judge import Judge
from harness.contracts.compat.repeats import Repeat, shifted, together
from harness.contracts.compat.rules import Direction, Level
from harness.contracts.compat.sameness import Sameness
from harness.contracts.compat.values import Found, notes, value_changes
from harness.contracts.compat.views import View, Views
from harness.documents.nodes import Node, escape

__all__ = ["SchemaComparer", "Spot"]

_MAX_DEPTH = 100
#: A schema nobody wrote: it stands where one could.
_ANYTHING = (Node({}, True),)
#: In how many places of one schema the same change is told one by one.
_MAX_PLACES = 8


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


@dataclass(slots=True)
class _Result:
    """What was found in one pair of schemas.

    Args:
        back: pairs further out that are met again inside, which were not finished then: one path that leads to each,
            and the steps of all such paths.
    """

    found: tuple[Found, ...] = ()
    back: dict[_Pair, tuple[tuple[str, ...], frozenset[str]]] = field(default_factory=dict)

    def leads(self, to: _Pair, path: tuple[str, ...], steps: frozenset[str]) -> None:
        """A further way to a pair that is not finished."""
        known, others = self.back.get(to, (path, frozenset[str]()))
        self.back[to] = known, others | steps | frozenset(path)


class SchemaComparer:
    """Compares schemas of two documents; keeps what it found, so that a shared schema costs once.

    Args:
        today: the day by which a sunset has passed or not; None: no sunset has passed.
    """

    def __init__(self, today: date | None = None) -> None:
        self._views = Views()
        self._results: dict[_Pair, _Result] = {}
        self._open: dict[_Pair, _Result] = {}
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
                found.repeats,
            )
            told = change(found.rule, spot.direction, at, found.facts)
            yield told if found.level is None else replace(told, level=found.level)

    def is_single(self, schema: Node) -> bool:
        """Whether its values are neither lists nor objects."""
        return not {"array", "object"} & self._views.of((schema,)).types

    def _pair(
        self, old: Sequence[Node], new: Sequence[Node], way: Direction, depth: int, step: str = ""
    ) -> Iterator[Found]:
        """What changed in a pair of schemas, seen from the schema around: `step` leads from there to here."""
        key = (_identity(old), _identity(new), way)
        path = (step,) if step else ()
        around = next(reversed(self._open.values()), None)
        if key in self._open and around is not None:  # a schema that holds itself: what is inside is told further out
            around.leads(key, path, frozenset())
            return
        result = self._results.get(key)
        if result is None:
            if depth > _MAX_DEPTH:
                return
            result = self._compared(key, old, new, depth)
        for pair, (below, steps) in result.back.items():
            if pair in self._open and around is not None:
                around.leads(pair, (*path, *below), steps)
        for found in self._resolved(result):
            yield found.below(step) if step else found

    def _compared(self, key: _Pair, old: Sequence[Node], new: Sequence[Node], depth: int) -> _Result:
        result = self._open[key] = _Result()
        found = () if self._same.of(old, new) else tuple(self._changes(old, new, key[2], depth))
        del self._open[key]
        _, steps = result.back.pop(key, ((), frozenset[str]()))
        if steps:
            again = Repeat(0, 0, steps)
            found = tuple(replace(one, repeats=(again, *one.repeats)) for one in found)
            result.back = {pair: (path, others | steps) for pair, (path, others) in result.back.items()}
        result.found = _few(found)
        self._results[key] = result
        return result

    def _resolved(self, result: _Result) -> Iterable[Found]:
        """What was found, with what was left to pairs further out that are finished by now."""
        missing = [pair for pair in result.back if pair not in self._open and pair in self._results]
        if missing:
            left = {pair: result.back.pop(pair) for pair in missing}
            result.found = _few((*result.found, *self._left(left)))
        return result.found

    def _left(self, back: dict[_Pair, tuple[tuple[str, ...], frozenset[str]]]) -> Iterator[Found]:
        for pair, (path, steps) in back.items():
            for one in self._resolved(self._results[pair]):
                again = Repeat(0, len(path), steps)
                repeats = (again, *shifted(one.repeats, len(path)))
                yield replace(one, path=(*path, *one.path), repeats=repeats)

    def _changes(self, old: Sequence[Node], new: Sequence[Node], way: Direction, depth: int) -> Iterator[Found]:
        before, after = self._views.of(old), self._views.of(new)
        there = new[0].followed().pointer
        pointer = old[0].followed().pointer or there  # what the old document does not say has its place in the new one
        own = [
            *value_changes(before, after, pointer),
            *_extra_changes(before, after, pointer),
            *self._mapped(before, after, pointer, (old[0], new[0])),
        ]
        inside, others = self._choices(before, after, pointer, way, depth)
        deeper = [*self._fields(before, after, pointer, way, depth), *self._items(before, after, way, depth)]
        own = [*own, *others]
        special = before.special or after.special or _unnamed(before) != _unnamed(after)
        if special or inside or any(one.about for one in own):
            about = {name for one in own for name in one.about}
            question = self._judge.question(old, new, way)
            own = [*question.judged(own, before.only_choice is not None or after.only_choice is not None)]
            inside = question.alternatives(inside)
            if special:
                names = before.fields.keys() | after.fields.keys()
                about |= {f"required {name}" for name in names}
                own += question.rest(pointer, about, own, inside, deeper)
        for one in (*own, *notes(before, after, pointer)):
            yield one if one.new_pointer else replace(one, new_pointer=there)
        yield from inside
        yield from deeper

    def _fields(self, before: View, after: View, pointer: str, way: Direction, depth: int) -> Iterator[Found]:
        for name, nodes in before.fields.items():
            if name in after.fields:
                yield from self._field(name, before, after, way, depth)
            elif within := self._within(name, after):
                if name in before.required and not all(name in view.required for view in within):
                    yield Found("field_optional", (name,), nodes[0].pointer)
                for view in within if way is Direction.RESPONSE else ():  # what is taken is judged as a choice
                    yield from self._pair(nodes, view.fields[name], way, depth + 1, name)
            elif not self._hidden(nodes, way):
                gone = nodes[0].pointer or f"{pointer}/properties/{escape(name)}"
                yield self._gone(name, before, after, gone, way)
                yield from self._against_rest(name, nodes, after.extra, way, depth)
        for name in (name for name in after.fields if name not in before.fields):
            nodes = after.fields[name]
            if within := self._within(name, before):
                if name in after.required and not all(name in view.required for view in within):
                    yield Found("field_required", (name,), nodes[0].pointer, new_pointer=nodes[0].pointer)
                for view in within if way is Direction.REQUEST else ():
                    yield from self._pair(view.fields[name], nodes, way, depth + 1, name)
            elif not self._hidden(nodes, way):
                rule = "required_field_added" if name in after.required else "field_added"
                rule = "field_added" if way is Direction.RESPONSE else rule
                yield Found(rule, (name,), nodes[0].pointer, new_pointer=nodes[0].pointer)
                yield from self._against_rest(name, before.extra, nodes, way, depth)
        yield from self._rest_of_fields(before, after, way, depth)

    def _within(self, name: str, view: View) -> list[View]:
        """The alternatives, where each of them names a field: then it is there as if it stood beside them."""
        views = [made for made in (self._views.of((one,)) for one in view.choices) if "object" in made.types]
        return views if all(name in made.fields for made in views) else []

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
        yield from self._pair(old, new, way, depth + 1, name)

    def _gone(self, name: str, before: View, after: View, pointer: str, way: Direction) -> Found:
        view = self._views.of(before.fields[name])
        if view.deprecated and _is_day(view.sunset) and view.sunset <= self._today:
            return Found("field_removed_after_sunset", (name,), pointer, (("sunset", view.sunset),))
        return Found(_removed(name, before, after, way), (name,), pointer)

    def _against_rest(
        self,
        name: str,
        old: Sequence[Node] | bool,
        new: Sequence[Node] | bool,
        way: Direction,
        depth: int,
    ) -> Iterator[Found]:
        """A field that one of the schemas does not name is one of its further fields there, if those have a schema."""
        if isinstance(old, bool) or isinstance(new, bool):
            return
        yield from self._pair(old, new, way, depth + 1, name)

    def _rest_of_fields(self, before: View, after: View, way: Direction, depth: int) -> Iterator[Found]:
        old, new = before.extra, after.extra
        if old is False or new is False or not _both(before, after, "object"):
            return
        one, other = (_ANYTHING if extra is True else extra for extra in (old, new))
        yield from self._pair(one, other, way, depth + 1, "*")

    def _hidden(self, nodes: Sequence[Node], way: Direction) -> bool:
        """Whether a field is not part of the data in this direction."""
        view = self._views.of(nodes)
        return view.read_only if way is Direction.REQUEST else view.write_only

    def _items(self, before: View, after: View, way: Direction, depth: int) -> Iterator[Found]:
        if not _both(before, after, "array"):
            return
        olds, news = before.items or _ANYTHING, after.items or _ANYTHING
        yield from self._pair(olds, news, way, depth + 1, "[]")
        for position in range(max(len(before.prefix), len(after.prefix))):
            one = before.prefix[position] if position < len(before.prefix) else olds
            other = after.prefix[position] if position < len(after.prefix) else news
            yield from self._pair(one, other, way, depth + 1, f"[{position}]")

    def _choices(
        self, before: View, after: View, pointer: str, way: Direction, depth: int
    ) -> tuple[list[Found], list[Found]]:
        """Changes inside of alternatives, and alternatives that came or went.

        They are paired where they are the same, by name (of the `$ref`, the title, the type), else by their order.
        """
        if not before.choices and not after.choices:
            return [], []
        pairs, olds, news = self._paired(_alternatives(before), _alternatives(after))
        inside: list[Found] = []
        for one, other in pairs:
            inside += self._pair((one,), (other,), way, depth + 1)
        about = frozenset({"choice"})
        gone = [("alternative_removed", (("gone", name),)) for name in sorted(olds)]
        come = [("alternative_added", (("added", name),)) for name in sorted(news)]
        return inside, [Found(rule, (), pointer, facts, about=about) for rule, facts in (*gone, *come)]

    def _paired(
        self, olds: list[Node], news: list[Node]
    ) -> tuple[list[tuple[Node, Node]], tuple[str, ...], tuple[str, ...]]:
        """Alternatives that differ and belong together, and the names of those that went and came."""
        before, after = _named(olds), _named(news)
        for name, one in list(before.items()):
            twin = next((n for n, other in after.items() if self._same.of((one,), (other,))), None)
            if twin is not None:
                del before[name], after[twin]
        pairs: list[tuple[Node, Node]] = []
        for name, one in list(before.items()):
            partner = name if name in after else next((n for n in after if _kin(one, after[n])), None)
            if partner is not None:
                pairs.append((one, after.pop(partner)))
                del before[name]
        return pairs, tuple(before), tuple(after)

    def _mapped(self, before: View, after: View, pointer: str, whole: tuple[Node, Node]) -> Iterator[Found]:
        """Values of a discriminator that lead to another schema now; a schema with another name may be the same."""
        for value in before.mapping.keys() & after.mapping.keys():
            old, new = before.mapping[value], after.mapping[value]
            if old == new or not before.discriminator or not after.discriminator:
                continue
            if not self._same.of((_target(whole[0], old),), (_target(whole[1], new),)):
                yield Found("discriminator_value_changed", (), pointer, (("value", f"`{value}`"),))


def _few(found: tuple[Found, ...]) -> tuple[Found, ...]:
    """The same change in a great many places becomes one that stands for all of them: no document grows without end."""
    places: dict[tuple[object, ...], list[Found]] = {}
    for one in found:
        key = (one.rule, one.pointer, one.new_pointer, one.facts, one.level, one.path[-1:])
        places.setdefault(key, []).append(one)
    if all(len(same) <= _MAX_PLACES for same in places.values()):
        return found
    return tuple(
        one
        for same in places.values()
        for one in (same if len(same) <= _MAX_PLACES else [replace(same[0], repeats=(together(same),))])
    )


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


def _kin(one: Node, other: Node) -> bool:
    """Whether two alternatives are called alike, or neither is called anything."""
    return _name(one) == _name(other)


def _name(choice: Node) -> str:
    raw = choice.raw
    if not isinstance(raw, Mapping):
        return ""
    ref, title, kind = raw.get("$ref"), raw.get("title"), raw.get("type")
    if isinstance(ref, str):
        return ref.rsplit("/", 1)[-1]
    return title if isinstance(title, str) else kind if isinstance(kind, str) else ""
