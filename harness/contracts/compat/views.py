"""One schema, seen with allOf merged, nullable and const and single-choice anyOf rewritten: equal meaning, equal view.

Covers OpenAPI 3.0 (its own dialect) and 3.1, AsyncAPI (JSON Schema draft 7). Comparison is in `schemas`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import gcd, lcm
from typing import Any

from harness.documents.nodes import Node

__all__ = ["ALL_TYPES", "View", "Views", "shown"]

ALL_TYPES = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
#: keyword -> whether a larger number means a tighter limit
_LIMITS = {
    "minimum": True,
    "exclusiveMinimum": True,
    "maximum": False,
    "exclusiveMaximum": False,
    "minLength": True,
    "maxLength": False,
    "minItems": True,
    "maxItems": False,
    "minProperties": True,
    "maxProperties": False,
}
_AND = " and "
_MAX_DEPTH = 60
_MAX_MERGED = 3000
#: Formats of OpenAPI 3.0 that 3.1 says as encoding and media type.
_CONTENT = {"byte": ("base64", ""), "binary": ("", "application/octet-stream")}
#: Keywords that are judged by containment alone.
_SPECIAL = {
    *("contains", "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas", "dependencies"),
    *("unevaluatedProperties", "unevaluatedItems", "if", "not", "anyOf", "oneOf"),
}


@dataclass(slots=True)
class View:
    """What a schema asks for.

    Args:
        types: the JSON types it allows; `number` is always there together with `integer`.
        enum: the values it allows as JSON texts, None when not limited to some.
        limits: bounds by keyword. extra: schemas for further fields, or whether there may be any.
        prefix: schemas of the items at each position. pattern, format: all of them, in one text, where there are several.
        choices: alternatives of anyOf or oneOf that could not be rewritten. only_choice: the one there was, merged.
        sunset: an ISO date. encoding, media_type: of what a text holds; `byte` and `binary` of OpenAPI 3.0 included.
        extensible: values of `x-extensible-enum`. discriminator: its field, mapping: its values and their schemas.
        special: it says something that has no attribute here.
    """

    types: frozenset[str] = ALL_TYPES
    enum: frozenset[str] | None = None
    fields: dict[str, list[Node]] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    extra: tuple[Node, ...] | bool = True
    items: list[Node] = field(default_factory=list)
    prefix: list[list[Node]] = field(default_factory=list)
    limits: dict[str, float] = field(default_factory=dict)
    pattern: str = ""
    format: str = ""
    multiple_of: float | None = None
    unique: bool = False
    choices: list[Node] = field(default_factory=list)
    only_choice: Node | None = None
    exclusion: str = ""
    default: str = ""
    deprecated: bool = False
    read_only: bool = False
    write_only: bool = False
    sunset: str = ""
    encoding: str = ""
    media_type: str = ""
    extensible: frozenset[str] | None = None
    discriminator: str = ""
    mapping: dict[str, str] = field(default_factory=dict)
    special: bool = False


def shown(value: object) -> str:
    """A JSON value for people, shortened."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


class Views:
    """Makes views, each schema's once."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, ...], View] = {}

    def of(self, nodes: Iterable[Node]) -> View:
        """The view of a value that must satisfy every one of `nodes` (`$ref` not yet followed)."""
        parts = tuple(nodes)
        # Nodes point into a document that lives as long as we do, so identity is a sound key.
        key = tuple(id(node.raw) for node in parts)
        made = self._made.get(key)
        if made is None:
            made = View()
            way = _Way()
            for node in parts:
                _merge(made, node, way)
            self._made[key] = made
        return made


@dataclass(frozen=True, slots=True)
class _Way:
    """How a schema was come to: through which ones, and how many may still be merged into the view."""

    above: frozenset[int] = frozenset()
    left: list[int] = field(default_factory=lambda: [_MAX_MERGED])

    def through(self, raw: object) -> _Way | None:
        """One step further; None where that leads in a circle, too deep, or too far."""
        self.left[0] -= 1
        if id(raw) in self.above or len(self.above) > _MAX_DEPTH or self.left[0] < 0:
            return None
        return _Way(self.above | {id(raw)}, self.left)


def _merge(view: View, node: Node, way: _Way) -> None:
    """Narrow `view` by one more schema."""
    node, siblings = _follow(node)
    if node.raw is False:
        view.types = frozenset()
    further = way.through(node.raw) if isinstance(node.raw, Mapping) else None
    if further is None:
        return
    if siblings is not None:
        _merge_keywords(view, siblings)
    _merge_keywords(view, node)
    for part in node.here("allOf").list():
        _merge(view, part, further)
    for keyword in ("anyOf", "oneOf"):
        choices = node.here(keyword).list()
        if choices:
            _merge_choices(view, choices, further)


def _follow(node: Node) -> tuple[Node, Node | None]:
    """Follow a `$ref`; what stands beside it counts too (OpenAPI 3.1, JSON Schema 2019-09 and later)."""
    if isinstance(node.raw, Mapping) and "$ref" in node.raw:
        beside = node if len(node.raw) > 1 else None
        return node.followed(), beside
    return node, None


def _merge_keywords(view: View, node: Node) -> None:
    raw = node.raw
    _merge_values(view, raw)
    _merge_notes(view, raw)
    view.special |= not _SPECIAL.isdisjoint(raw)
    for name, child in _children(node, "properties"):
        view.fields.setdefault(name, []).append(child)
    required = raw.get("required")
    if isinstance(required, list):
        view.required |= {r for r in required if isinstance(r, str)}
    for keyword in ("additionalProperties", "unevaluatedProperties"):
        extra = raw.get(keyword)
        if extra is False:
            view.extra = False
        elif isinstance(extra, Mapping) and extra and view.extra is not False:
            view.extra = (*(() if view.extra is True else view.extra), node.here(keyword))
    if isinstance(raw.get("items"), Mapping | bool):
        view.items.append(node.here("items"))
    for position, item in enumerate(node.here("prefixItems").list() or _tuple_items(node)):
        if position == len(view.prefix):
            view.prefix.append([])
        view.prefix[position].append(item)
    _merge_limits(view, raw)


def _tuple_items(node: Node) -> list[Node]:
    return node.here("items").list()  # draft 7 wrote tuples this way


def _children(node: Node, keyword: str) -> Iterable[tuple[str, Node]]:
    holder = node.here(keyword)
    if isinstance(holder.raw, Mapping):
        for name in holder.raw:
            yield str(name), holder.here(name)


def _merge_values(view: View, raw: Mapping[str, Any]) -> None:
    view.types &= _types(raw)
    values = raw.get("enum")
    if not isinstance(values, list):
        values = [raw["const"]] if "const" in raw else None
    if values is not None:
        texts = frozenset(json.dumps(v, sort_keys=True, ensure_ascii=False, default=str) for v in values)
        view.enum = texts if view.enum is None else view.enum & texts
        view.types &= frozenset(t for v in values for t in _type_of(v))
    view.pattern = _both(view.pattern, _text(raw, "pattern"))
    said = raw.get("format")
    if isinstance(said, str) and said not in _CONTENT:
        view.format = _both(view.format, said)
    if raw.get("not", False) is not False:
        view.exclusion = view.exclusion or json.dumps(raw["not"], sort_keys=True, default=str)
    view.unique |= raw.get("uniqueItems") is True


def _both(one: str, other: str) -> str:
    """Two conditions a value must meet, in one text that does not depend on their order."""
    known = one.split(_AND) if one else []
    return _AND.join(sorted({*known, other})) if other else one


def _merge_notes(view: View, raw: Mapping[str, Any]) -> None:
    view.default = view.default or (shown(raw["default"]) if "default" in raw else "")
    view.deprecated |= raw.get("deprecated") is True
    view.read_only |= raw.get("readOnly") is True
    view.write_only |= raw.get("writeOnly") is True
    view.sunset = view.sunset or str(raw.get("x-sunset", ""))[:10]
    encoding, media_type = _CONTENT.get(str(raw.get("format")), ("", ""))
    view.encoding = view.encoding or _text(raw, "contentEncoding").lower() or encoding
    view.media_type = view.media_type or _text(raw, "contentMediaType").lower() or media_type
    if isinstance(raw.get("x-extensible-enum"), list):
        view.extensible = frozenset(json.dumps(v, sort_keys=True, default=str) for v in raw["x-extensible-enum"])
    said = raw.get("discriminator")
    if not view.discriminator and isinstance(said, Mapping):
        view.discriminator = _text(said, "propertyName")
        mapping = said.get("mapping")
        view.mapping = {str(k): str(v) for k, v in mapping.items()} if isinstance(mapping, Mapping) else {}


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    return value if isinstance(value, str) else ""


def _types(raw: Mapping[str, Any]) -> frozenset[str]:
    said = raw.get("type")
    listed = said if isinstance(said, list) else [said]
    names = {name for name in listed if isinstance(name, str)}
    if not names:
        return ALL_TYPES
    if raw.get("nullable") is True:
        names.add("null")
    if "number" in names:
        names.add("integer")
    return frozenset(names)


def _type_of(value: object) -> tuple[str, ...]:
    if value is None or isinstance(value, bool):
        return ("null",) if value is None else ("boolean",)
    if isinstance(value, int | float):
        return ("integer", "number") if float(value).is_integer() else ("number",)
    return ("string",) if isinstance(value, str) else ("array",) if isinstance(value, list) else ("object",)


def _merge_limits(view: View, raw: Mapping[str, Any]) -> None:
    for keyword, larger_is_tighter in _LIMITS.items():
        value = raw.get(keyword)
        if isinstance(value, bool):  # OpenAPI 3.0: exclusiveMinimum says how to read minimum
            bound = raw.get(keyword.replace("exclusive", "").lower())
            value = bound if value and isinstance(bound, int | float) else None
        if not isinstance(value, int | float):
            continue
        known = view.limits.get(keyword)
        view.limits[keyword] = value if known is None else (max if larger_is_tighter else min)(known, value)
    view.multiple_of = _step(view.multiple_of, raw.get("multipleOf"))


def _step(known: float | None, said: object) -> float | None:
    """The multiples of two numbers are those of their least common multiple."""
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 < said < float("inf"):
        return known
    if known is None:
        return said
    one, other = Fraction(str(known)), Fraction(str(said))
    both = Fraction(lcm(one.numerator, other.numerator), gcd(one.denominator, other.denominator))
    return both.numerator if both.denominator == 1 else float(both)


def _merge_choices(view: View, choices: list[Node], way: _Way) -> None:
    """Rewrite what can be: "or null" becomes a type, choices among plain types or values become one set."""
    rest, nullable = [], False
    for choice in choices:
        followed = choice.followed()
        if isinstance(followed.raw, Mapping) and followed.raw.get("type") == "null":
            nullable = True
        else:
            rest.append(choice)
    if len(rest) == 1:
        before = view.types
        view.only_choice = rest[0]
        _merge(view, rest[0], way)
        if nullable and "null" in before:
            view.types |= {"null"}
            view.enum = view.enum | {"null"} if view.enum is not None else None
        return
    plain = [_plain(choice) for choice in rest]
    if rest and all(p is not None for p in plain):
        types = frozenset[str]().union(*(p[0] for p in plain if p))
        values = [p[1] for p in plain if p]
        view.types &= types | ({"null"} if nullable else frozenset())
        if all(v is not None for v in values):
            allowed = frozenset[str]().union(*(v for v in values if v)) | ({"null"} if nullable else frozenset())
            view.enum = allowed if view.enum is None else view.enum & allowed
        return
    # Alternatives that say more are compared one by one; together they still say which types there are.
    types = frozenset[str]()
    for choice in choices:
        alone = View()
        _merge(alone, choice, way)
        types |= alone.types
    view.types &= types
    view.choices.extend(choices)


def _plain(node: Node) -> tuple[frozenset[str], frozenset[str] | None] | None:
    """Types and values of a schema that says nothing else; None when it does."""
    raw = node.followed().raw
    if not isinstance(raw, Mapping) or set(raw) - {"type", "enum", "const", "title", "description"} or not raw:
        return None
    view = View()
    _merge_values(view, raw)
    return view.types, view.enum
