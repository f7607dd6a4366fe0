"""A schema of a document as one self-contained JSON Schema (draft 2020-12) without annotations, for one direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.contracts.compat.rules import Direction
from harness.documents.nodes import Node

__all__ = ["RANGES", "Plain", "TooLargeError", "plain"]

Plain = dict[str, Any] | bool
_MAX_SCHEMAS = 2000
_MAX_DEPTH = 40
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_SINGLE_REST = ("unevaluatedItems", "unevaluatedProperties")
_ALL_SINGLE = {*_SINGLE, *_SINGLE_REST}
_MAPS = ("properties", "patternProperties", "dependentSchemas")
_TYPES = {"null", "boolean", "integer", "number", "string", "array", "object"}
#: Formats of integers that are ranges: the smallest and the largest.
RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minContains", "maxContains")


class TooLargeError(Exception):
    """The schema is too large, too deep or broken: nothing is decided about it."""


def plain(nodes: Sequence[Node], way: Direction) -> dict[str, Any]:
    """One schema for a value that satisfies all of `nodes`.

    Fields that are no part of the data in this direction are left out, as is `format`, which is an annotation.

    Raises:
        TooLargeError: the schema is beyond the limits, or refers to what is not there.
    """
    made = _Plainer(way)
    parts = [made.of(node, 0) for node in nodes]
    whole: dict[str, Any] = {"allOf": parts} if len(parts) != 1 or isinstance(parts[0], bool) else dict(parts[0])
    return {**whole, "$defs": made.defs} if made.defs else whole


class _Plainer:
    def __init__(self, way: Direction) -> None:
        self._hidden = "readOnly" if way is Direction.REQUEST else "writeOnly"
        self._above: dict[int, bool] = {}
        self._left = _MAX_SCHEMAS
        self.defs: dict[str, Plain] = {}

    def of(self, node: Node, depth: int) -> Plain:
        raw = node.raw
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            raise TooLargeError
        if isinstance(raw, bool):
            return raw
        if raw is None and not node.pointer:
            return True
        if not isinstance(raw, Mapping):
            raise TooLargeError
        if isinstance(raw.get("$ref"), str):
            return self._referred(node, depth)
        made = self._keywords(node, depth)
        if "unevaluatedProperties" in made and not {*_BESIDE, "additionalProperties"} & made.keys():
            made["additionalProperties"] = made.pop("unevaluatedProperties")
        return made or True

    def _referred(self, node: Node, depth: int) -> Plain:
        target = node.followed()
        if not isinstance(target.raw, Mapping | bool):
            raise TooLargeError
        key = id(target.raw)
        if key in self._above:
            self._above[key] = True
            referred: Plain = {"$ref": f"#/$defs/s{key}"}
        else:
            self._above[key] = False
            referred = self.of(target, depth + 1)
            if self._above.pop(key):
                self.defs[f"s{key}"] = referred
        beside = self._keywords(Node(node.root, {k: v for k, v in node.raw.items() if k != "$ref"}), depth)
        return {**beside, "allOf": [referred, *beside.get("allOf", ())]} if beside else referred

    def _keywords(self, node: Node, depth: int) -> dict[str, Any]:
        raw, made = node.raw, dict[str, Any]()
        _values(raw, made)
        for keyword in raw.keys() & _ALL_SINGLE:
            if isinstance(raw.get(keyword), Mapping | bool):
                made[keyword] = self.of(node.here(keyword), depth + 1)
        for keyword in (k for k in _LISTS if k in raw):
            listed = node.here(keyword).list()
            if listed:
                made[keyword] = [self.of(one, depth + 1) for one in listed]
        for keyword in (k for k in _MAPS if k in raw):
            holder = node.here(keyword)
            if isinstance(holder.raw, Mapping):
                names = [n for n in holder.raw if keyword != "properties" or not self._is_hidden(holder.here(n))]
                made[keyword] = {str(name): self.of(holder.here(name), depth + 1) for name in names}
                gone = set(holder.raw) - set(names)
                if gone and "required" in made:
                    made["required"] = [name for name in made["required"] if name not in gone]
        _add_range(raw, made)
        _drop_idle(made)
        if "dependencies" in raw:
            self._add_dependencies(node, made, depth)
        tuple_items = node.here("items").list()
        if tuple_items:  # draft 7
            made["prefixItems"] = [self.of(one, depth + 1) for one in tuple_items]
            if isinstance(raw.get("additionalItems"), Mapping | bool):
                made["items"] = self.of(node.here("additionalItems"), depth + 1)
        return made

    def _add_dependencies(self, node: Node, made: dict[str, Any], depth: int) -> None:
        """Draft 7 had one keyword for fields and schemas that a field asks for."""
        holder = node.here("dependencies")
        for name in holder.raw if isinstance(holder.raw, Mapping) else ():
            asked = holder.here(name)
            if isinstance(asked.raw, list):
                made["dependentRequired"] = {**made.get("dependentRequired", {}), str(name): asked.raw}
            elif isinstance(asked.raw, Mapping | bool):
                made["dependentSchemas"] = {**made.get("dependentSchemas", {}), str(name): self.of(asked, depth + 1)}

    def _is_hidden(self, node: Node) -> bool:
        raw = node.followed().raw
        return (isinstance(raw, Mapping) and raw.get(self._hidden) is True) or (
            isinstance(node.raw, Mapping) and node.raw.get(self._hidden) is True
        )


#: What says nothing, by keyword: any value has met it.
_IDLE: dict[str, object] = {
    **{keyword: {} for keyword in ("patternProperties", "dependentRequired", "dependentSchemas")},
    "propertyNames": True,
    "not": False,
    "pattern": ".*",
}
#: With one of these beside it, `unevaluatedProperties` is about more than what stands in the same schema.
_BESIDE = ("allOf", "anyOf", "oneOf", "if", "dependentSchemas", "dependencies")


def _drop_idle(made: dict[str, Any]) -> None:
    """Leave out what changes nothing, so that it is no difference."""
    for keyword, idle in _IDLE.items():
        if keyword in made and made[keyword] == idle and type(made[keyword]) is type(idle):
            del made[keyword]
    if "unevaluatedProperties" not in made and ("if" not in made or not {"then", "else"} & made.keys()):
        for keyword in ("if", "then", "else"):
            made.pop(keyword, None)


def _add_range(raw: Mapping[str, Any], made: dict[str, Any]) -> None:
    said = raw.get("format")
    if isinstance(said, str) and said in RANGES and "integer" in made.get("type", ()):
        low, high = RANGES[said]
        made["allOf"] = [*made.get("allOf", ()), {"minimum": low, "maximum": high}]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _values(raw: Mapping[str, Any], made: dict[str, Any]) -> None:
    """Keywords that hold values, broken ones left out as validators do."""
    said = raw.get("type")
    names = [name for name in (said if isinstance(said, list) else [said]) if isinstance(name, str)]
    if not _TYPES.issuperset(names):
        raise TooLargeError
    if names:
        made["type"] = [*names, "null"] if raw.get("nullable") is True and "null" not in names else names
    if isinstance(raw.get("enum"), list):
        made["enum"] = raw["enum"]
    if "const" in raw:
        made["const"] = raw["const"]
    for keyword in _COUNTS:
        if isinstance(raw.get(keyword), int) and not isinstance(raw[keyword], bool):
            made[keyword] = raw[keyword]
    for keyword in _NUMBERS:
        if _is_number(raw.get(keyword)):
            made[keyword] = raw[keyword]
    for side in ("Minimum", "Maximum"):  # OpenAPI 3.0: a flag that says how to read the bound
        if raw.get(f"exclusive{side}") is True and side.lower() in made:
            made[f"exclusive{side}"] = made.pop(side.lower())
    _lists_and_texts(raw, made)


def _lists_and_texts(raw: Mapping[str, Any], made: dict[str, Any]) -> None:
    if isinstance(raw.get("pattern"), str):
        made["pattern"] = raw["pattern"]
    if raw.get("uniqueItems") is True:
        made["uniqueItems"] = True
    if isinstance(raw.get("required"), list):
        made["required"] = [name for name in raw["required"] if isinstance(name, str)]
    if isinstance(raw.get("dependentRequired"), Mapping):
        made["dependentRequired"] = raw["dependentRequired"]
