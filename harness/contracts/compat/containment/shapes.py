"""A schema as a union of shapes, each of one type. Shapes may admit more than the schema, never less, unless exact."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import combinations
from typing import Any

from harness.contracts.compat.containment.plain import Plain, TooLargeError

__all__ = ["Shape", "Union", "shapes"]

TYPES = ("null", "boolean", "number", "string", "array", "object")
_MAX_SHAPES = 64
_MAX_DEPTH = 20
#: Compared as texts only; keywords that work together stand together.
_OPAQUE = (
    ("not",),
    ("if", "then", "else"),
    ("contains", "minContains", "maxContains"),
    ("propertyNames",),
    ("patternProperties",),
    ("dependentRequired",),
    ("dependentSchemas",),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Values of one type.

    Args:
        values: the only ones there are, as a list; None when not listed.
        low, high: bounds of the number, length, item or field count, with whether the bound itself is excluded.
        steps: the number is a multiple of each.
        rest: of items after `prefix`, of fields beside `fields`.
        opaque: keywords that are only compared as texts.
    """

    type: str
    values: tuple[Any, ...] | None = None
    low: tuple[Fraction, bool] | None = None
    high: tuple[Fraction, bool] | None = None
    steps: frozenset[Fraction] = frozenset()
    patterns: frozenset[str] = frozenset()
    unique: bool = False
    prefix: tuple[Plain, ...] = ()
    fields: dict[str, Plain] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    rest: Plain = True
    opaque: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Union:
    """Shapes, one of which a value has. `exact`: and every value of a shape is one of the schema."""

    shapes: tuple[Shape, ...]
    exact: bool = True


def shapes(schema: Plain, defs: dict[str, Plain], depth: int = 0) -> Union:
    """The union a schema is.

    Raises:
        TooLargeError: more shapes, or deeper ones, than are looked at.
    """
    if depth > _MAX_DEPTH:
        raise TooLargeError
    if isinstance(schema, bool):
        return Union(tuple(Shape(t) for t in TYPES) if schema else ())
    union = _own(schema)
    if "$ref" in schema:
        union = _meet(union, shapes(defs[schema["$ref"].rsplit("/", 1)[-1]], defs, depth + 1))
    for part in schema.get("allOf", ()):
        union = _meet(union, shapes(part, defs, depth + 1))
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            parts = [shapes(part, defs, depth + 1) for part in schema[keyword]]
            exact = all(p.exact for p in parts) and (keyword == "anyOf" or _disjoint(parts))
            union = _meet(union, Union(tuple(s for p in parts for s in p.shapes), exact))
    return union


def _own(schema: dict[str, Any]) -> Union:
    said = schema.get("type")
    names = {"number" if n == "integer" else n for n in said} if said is not None else set(TYPES)
    whole = said is not None and "integer" in said and "number" not in said
    opaque = frozenset(json.dumps({k: schema.get(k) for k in ks}, sort_keys=True) for ks in _OPAQUE if ks[0] in schema)
    listed = schema.get("enum")
    if "const" in schema:
        listed = [schema["const"]] if listed is None or schema["const"] in listed else []
    made = []
    for name in TYPES:
        if name in names:
            shape = replace(_shape(name, schema, whole), opaque=opaque)
            if listed is not None:
                shape = replace(shape, values=tuple(v for v in listed if _type(v) == name))
                if not shape.values:
                    continue
            made.append(shape)
    # What is unevaluated depends on the schemas around it.
    return Union(
        tuple(made), not names - set(TYPES) and not {"unevaluatedItems", "unevaluatedProperties"} & set(schema)
    )


def _type(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def _shape(name: str, schema: dict[str, Any], whole: bool) -> Shape:
    if name == "number":
        steps = {Fraction(str(schema["multipleOf"]))} if schema.get("multipleOf", 0) > 0 else set()
        low = _tighter(_bound(schema, "minimum", False), _bound(schema, "exclusiveMinimum", True), 1)
        high = _tighter(_bound(schema, "maximum", False), _bound(schema, "exclusiveMaximum", True), -1)
        return Shape(name, low=low, high=high, steps=frozenset(steps | ({Fraction(1)} if whole else set())))
    if name == "string":
        patterns = frozenset({schema["pattern"]} if "pattern" in schema else ())
        return Shape(name, low=_count(schema, "minLength"), high=_count(schema, "maxLength"), patterns=patterns)
    if name == "array":
        return Shape(
            name,
            low=_count(schema, "minItems"),
            high=_count(schema, "maxItems"),
            unique=bool(schema.get("uniqueItems")),
            prefix=tuple(schema.get("prefixItems", ())),
            rest=schema.get("items", True),
        )
    if name == "object":
        return Shape(
            name,
            low=_count(schema, "minProperties"),
            high=_count(schema, "maxProperties"),
            fields=schema.get("properties", {}),
            required=frozenset(schema.get("required", ())),
            rest=schema.get("additionalProperties", True),
        )
    return Shape(name, values=(None,) if name == "null" else (False, True))


_Bound = tuple[Fraction, bool] | None


def _bound(schema: dict[str, Any], keyword: str, excluded: bool) -> _Bound:
    value = schema.get(keyword)
    try:
        return None if value is None else (Fraction(str(value)), excluded)
    except ValueError as error:  # NaN and infinity
        raise TooLargeError from error


def _count(schema: dict[str, Any], keyword: str) -> _Bound:
    value = schema.get(keyword, 0)
    return None if not value and keyword.startswith("min") else _bound(schema, keyword, False)


def _tighter(one: _Bound, other: _Bound, sign: int) -> _Bound:
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda b: (sign * b[0], b[1]))


def _meet(one: Union, other: Union) -> Union:
    met = [_both(a, b) for a in one.shapes for b in other.shapes if a.type == b.type]
    if len(met) > _MAX_SHAPES:
        raise TooLargeError
    found = tuple(shape for shape, _ in met if shape is not None)
    return Union(found, one.exact and other.exact and all(exact for _, exact in met))


def _both(a: Shape, b: Shape) -> tuple[Shape | None, bool]:
    """Values of both, and whether that is exact."""
    values = a.values if b.values is None else b.values
    if a.values is not None and b.values is not None:
        texts = {_key(v) for v in b.values}
        values = tuple(v for v in a.values if _key(v) in texts)
        if not values:
            return None, True
    closes = any(x.rest is not True and x.opaque for x in (a, b))
    # In the order written, not a set's: examples are made of them, and are the same in every run.
    names = list(dict.fromkeys((*a.fields, *b.fields)))
    length = max(len(a.prefix), len(b.prefix))
    return Shape(
        a.type,
        values=values,
        low=_tighter(a.low, b.low, 1),
        high=_tighter(a.high, b.high, -1),
        steps=a.steps | b.steps,
        patterns=a.patterns | b.patterns,
        unique=a.unique or b.unique,
        prefix=tuple(_and(_item(a, i), _item(b, i)) for i in range(length)),
        fields={n: _and(a.fields.get(n, a.rest), b.fields.get(n, b.rest)) for n in names}
        if not closes
        else {n: _and(a.fields.get(n, True), b.fields.get(n, True)) for n in names},
        required=a.required | b.required,
        rest=_and(a.rest, b.rest) if not closes else True,
        opaque=a.opaque | b.opaque,
    ), not closes


def _item(shape: Shape, position: int) -> Plain:
    return shape.prefix[position] if position < len(shape.prefix) else shape.rest


def _and(one: Plain, other: Plain) -> Plain:
    if one is True or one == other:
        return other
    return one if other is True else {"allOf": [one, other]}


def _key(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True)


def _disjoint(parts: list[Union]) -> bool:
    return all(_apart(a, b) for one, two in combinations(parts, 2) for a in one.shapes for b in two.shapes)


def _apart(a: Shape, b: Shape) -> bool:
    if a.type != b.type:
        return True
    if a.values is not None and b.values is not None:
        return not {_key(v) for v in a.values} & {_key(v) for v in b.values}
    for low, high in ((a.low, b.high), (b.low, a.high)):
        if low and high and (low[0] > high[0] or (low[0] == high[0] and (low[1] or high[1]))):
            return True
    for name in a.required & b.required:
        one, two = a.fields.get(name, True), b.fields.get(name, True)
        if isinstance(one, dict) and isinstance(two, dict) and _constants_apart(one, two):
            return True
    return False


def _constants_apart(one: dict[str, Any], two: dict[str, Any]) -> bool:
    listed = [{_key(v) for v in s.get("enum", [s["const"]] if "const" in s else [])} for s in (one, two)]
    return all(listed) and not listed[0] & listed[1]
