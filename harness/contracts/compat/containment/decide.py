"""The decision: proved by shapes, refuted by a value that a validator confirmed, else undecided."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from harness.contracts.compat.containment.effort import Effort, affordable, size_of
from harness.contracts.compat.containment.parts import parts
from harness.contracts.compat.containment.plain import Plain, TooLargeError, plain
from harness.contracts.compat.containment.samples import samples
from harness.contracts.compat.containment.shapes import Shape, shapes
from harness.contracts.compat.rules import Direction
from harness.documents.nodes import Node

__all__ = ["Answer", "Conditions", "Containment", "Verdict"]

_MAX_DEPTH = 8
_MAX_VALUES = 3000
_UNDECIDABLE = (TooLargeError, re.error, RecursionError, KeyError, TypeError, ValueError, ArithmeticError)
_Defs = dict[str, Plain]


class Verdict(StrEnum):
    """Undecided is not "no": neither a proof nor an example was found within the limits."""

    CONTAINED = "contained"
    NOT_CONTAINED = "not contained"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict; `example` is the value that shows it when it is NOT_CONTAINED."""

    verdict: Verdict
    example: Any = None


class Conditions:
    """Whether every value of one schema meets each condition of another: decided where it is asked, and once."""

    def __init__(self, one: dict[str, Any], two: dict[str, Any], effort: Effort) -> None:
        self._one, self._effort = one, effort
        defs, other_defs = one.get("$defs", {}), two.get("$defs", {})
        met = {_text(part) for _, part in parts(one)} if _text(defs) == _text(other_defs) else set[str]()
        self._open: dict[str, list[dict[str, Any]]] = {}
        self._known: dict[str, Answer] = {}
        for name, part in parts(two):
            unmet = self._open.setdefault(name, [])
            if _text(part) not in met:
                unmet.append(_with(part, other_defs))

    @property
    def names(self) -> frozenset[str]:
        """Names of the conditions there are, see `parts`."""
        return frozenset(self._open)

    @property
    def differing(self) -> frozenset[str]:
        """Names of the conditions that the other schema does not state in the same words."""
        return frozenset(name for name, unmet in self._open.items() if unmet)

    def of(self, names: Iterable[str]) -> Answer:
        """About some conditions at once; one that does not exist is met. An example belongs to the condition."""
        return _worst(self._answer(name) for name in sorted(names) if name in self._open)

    def _answer(self, name: str) -> Answer:
        if name not in self._known:
            self._known[name] = _worst(_tried(self._one, part, self._effort) for part in self._open[name])
        return self._known[name]


class Containment:
    """Decides, each pair of schemas once, and with an effort that is limited for all of them together."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[int, ...], tuple[int, ...], Direction], Conditions | None] = {}
        self._effort = Effort()

    def of(self, inner: Sequence[Node], outer: Sequence[Node], way: Direction) -> Answer:
        """Whether every value of `inner` is one of `outer`; the nodes' documents must outlive this object."""
        try:
            return _tried(plain(inner, way), plain(outer, way), self._effort)
        except _UNDECIDABLE:
            return Answer(Verdict.UNDECIDED)

    def conditions(self, inner: Sequence[Node], outer: Sequence[Node], way: Direction) -> Conditions | None:
        """As `of`, for each condition of `outer` apart; None where the schemas are broken or too large."""
        key = (tuple(id(n.raw) for n in inner), tuple(id(n.raw) for n in outer), way)
        if key not in self._known:
            try:
                self._known[key] = Conditions(plain(inner, way), plain(outer, way), self._effort)
            except _UNDECIDABLE:
                self._known[key] = None
        return self._known[key]


def _tried(one: dict[str, Any], two: dict[str, Any], effort: Effort) -> Answer:
    effort.start()
    try:
        return _decide(one, two, effort)
    except _UNDECIDABLE:  # broken patterns and values that no validator takes
        return Answer(Verdict.UNDECIDED)


def _with(part: Plain, defs: _Defs) -> dict[str, Any]:
    made = dict(part) if isinstance(part, dict) else {"allOf": [part]}
    return {**made, "$defs": defs} if defs else made


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _worst(answers: Iterable[Answer]) -> Answer:
    worst = Answer(Verdict.CONTAINED)
    for answer in answers:
        if answer.verdict is Verdict.NOT_CONTAINED:
            return answer
        worst = answer if answer.verdict is Verdict.UNDECIDED else worst
    return worst


def _decide(one: dict[str, Any], two: dict[str, Any], effort: Effort) -> Answer:
    return Answer(Verdict.CONTAINED) if _proved(one, two, effort) else _refuted(one, two, effort)


def _proved(one: dict[str, Any], two: dict[str, Any], effort: Effort) -> bool:
    try:
        return _Proof(one, two, effort).covers(one, two)
    except _UNDECIDABLE:  # an example may still be found
        return False


def _refuted(one: dict[str, Any], two: dict[str, Any], effort: Effort) -> Answer:
    effort.start()
    accepts, refuses = _Validator(one), _Validator(two)
    weight = 1 + (size_of(one, 20_000) + size_of(two, 20_000)) // 50
    for value in samples(one, two, effort):
        size = size_of(value, _MAX_VALUES)
        effort.spend(weight + size // 10)
        if size > _MAX_VALUES:
            continue
        try:
            if _valid(accepts, value) and not _valid(refuses, value):
                return Answer(Verdict.NOT_CONTAINED, value)
        except TooLargeError:  # a text that would take too long to match; the next one may be shorter
            continue
    return Answer(Verdict.UNDECIDED)


def _valid(validator: Any, value: object) -> bool:
    try:
        validator.validate(value)
    except ValidationError:
        return False
    return True


_Check = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


def _guarded(keyword: str) -> _Check:
    """A check of a validator that refuses to match what could take for ever."""
    check: _Check = Draft202012Validator.VALIDATORS[keyword]

    def guarded(validator: Any, said: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        patterns = [said] if keyword == "pattern" else list(schema.get("patternProperties", ()))
        words = instance if isinstance(instance, dict) else [instance]
        longest = max((len(word) for word in words if isinstance(word, str)), default=0)
        if not all(affordable(pattern, longest) for pattern in patterns):
            raise TooLargeError
        yield from check(validator, said, instance, schema) or ()

    return guarded


_GUARDED = ("pattern", "patternProperties", "additionalProperties", "unevaluatedProperties")
_Validator: Any = extend(  # type: ignore[no-untyped-call]  # jsonschema says no types here
    Draft202012Validator, {keyword: _guarded(keyword) for keyword in _GUARDED}
)


class _Proof:
    """Whether one schema is covered by another; False is "not proved"."""

    def __init__(self, one: dict[str, Any], two: dict[str, Any], effort: Effort) -> None:
        self._one: _Defs = one.get("$defs", {})
        self._two: _Defs = two.get("$defs", {})
        self._same_defs = _text(self._one) == _text(self._two)
        self._effort = effort
        self._assumed: set[tuple[str, str]] = set()

    def covers(self, one: Plain, two: Plain, depth: int = 0) -> bool:
        self._effort.spend()
        if two is True or one is False or (self._same_defs and one == two and _text(one) == _text(two)):
            return True
        if depth > _MAX_DEPTH:
            return False
        # Schemas that hold themselves: what is asked here about a part of a value has been assumed further out about
        # the value. Every step goes into a value, and values are finite, so this is an induction on their depth.
        key = (_reference(one), _reference(two))
        if all(key):
            if key in self._assumed:
                return True
            self._assumed.add(key)
        try:
            outer = shapes(two, self._two)
            return all(self._shape(a, two, outer.shapes, outer.exact, depth) for a in shapes(one, self._one).shapes)
        finally:
            self._assumed.discard(key)

    def _shape(self, a: Shape, two: Plain, outer: tuple[Shape, ...], exact: bool, depth: int) -> bool:
        if a.values is not None:
            whole = _Validator({"allOf": [two], "$defs": self._two})
            self._effort.spend(len(a.values))
            return all(_valid(whole, value) for value in a.values)
        return exact and any(a.type == b.type and self._inside(a, b, depth) for b in outer)

    def _inside(self, a: Shape, b: Shape, depth: int) -> bool:
        if b.values is not None or not b.opaque <= a.opaque or not b.patterns <= a.patterns:
            return False
        if not _low(a) >= _low(b) or not _high(a) <= _high(b) or b.unique > a.unique:
            return False
        if not all(any((have / step).denominator == 1 for have in a.steps) for step in b.steps):
            return False
        return self._items(a, b, depth) if a.type == "array" else self._fields(a, b, depth)

    def _items(self, a: Shape, b: Shape, depth: int) -> bool:
        length = max(len(a.prefix), len(b.prefix))
        pairs = [(_item(a, i), _item(b, i)) for i in range(length)]
        return all(self.covers(x, y, depth + 1) for x, y in [*pairs, (a.rest, b.rest)])

    def _fields(self, a: Shape, b: Shape, depth: int) -> bool:
        if not b.required <= a.required:
            return False
        open_rest: Plain = True if a.opaque else a.rest  # patternProperties may take a field out of the rest
        names = {*a.fields, *b.fields}
        pairs = [(a.fields.get(n, open_rest), b.fields.get(n, b.rest)) for n in names]
        return all(self.covers(x, y, depth + 1) for x, y in [*pairs, (a.rest, b.rest)])


def _reference(schema: Plain) -> str:
    return str(schema["$ref"]) if isinstance(schema, dict) and schema.keys() == {"$ref"} else ""


_Edge = tuple[int, Fraction, int]


def _whole(shape: Shape) -> bool:
    return any(step.denominator == 1 for step in shape.steps)


def _low(shape: Shape) -> _Edge:
    """The lower end, comparable; the larger, the tighter."""
    if shape.low is None:
        return (0, Fraction(0), 0) if shape.type == "number" else (1, Fraction(0), 0)
    value, excluded = shape.low
    if _whole(shape):  # the first integer inside
        value, excluded = Fraction(value.__floor__() + 1 if excluded else value.__ceil__()), False
    return 1, value, int(excluded)


def _high(shape: Shape) -> _Edge:
    if shape.high is None:
        return 1, Fraction(0), 0
    value, excluded = shape.high
    if _whole(shape):
        value, excluded = Fraction(value.__ceil__() - 1 if excluded else value.__floor__()), False
    return 0, value, -int(excluded)


def _item(shape: Shape, position: int) -> Plain:
    return shape.prefix[position] if position < len(shape.prefix) else shape.rest
