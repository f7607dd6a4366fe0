"""A schema as the conditions it consists of, each of which a value must meet: what a change is about is one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.contracts.compat.containment.plain import Plain

__all__ = ["parts"]

_MAX_DEPTH = 20
#: keywords that only mean something together, by the name of their condition
_TOGETHER = {
    "values": ("enum", "const"),
    "choice": ("anyOf",),
    "only one": ("oneOf",),
    "contains": ("contains", "minContains", "maxContains"),
    "if": ("if", "then", "else"),
    "items": ("prefixItems", "items"),
}
_ALONE = (
    *("type", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems"),
    *("minProperties", "maxProperties", "properties", "patternProperties", "propertyNames"),
    *("dependentRequired", "dependentSchemas", "not", "$ref"),
)


def parts(schema: Plain, depth: int = 0) -> Iterator[tuple[str, Plain]]:
    """Conditions by name; together they are the schema. `required` is one for each field, `extra` is about the rest."""
    if isinstance(schema, bool):
        if not schema:
            yield "type", False
        return
    for keyword in _ALONE:
        if keyword in schema:
            yield keyword, {keyword: schema[keyword]}
    yield from _together(schema, depth)
    for name in schema.get("required", ()):
        yield f"required {name}", {"required": [name]}
    if "additionalProperties" in schema:
        yield "extra", _extra(schema)
    if "unevaluatedProperties" in schema or "unevaluatedItems" in schema:
        yield "unevaluated", {k: v for k, v in schema.items() if k != "$defs"}
    for part in schema.get("allOf", ()):
        if depth > _MAX_DEPTH:
            yield "deep", part
        else:
            yield from parts(part, depth + 1)


def _together(schema: dict[str, Any], depth: int) -> Iterator[tuple[str, Plain]]:
    for name, keywords in _TOGETHER.items():
        said = {k: schema[k] for k in keywords if k in schema}
        if not said or (keywords[0] not in schema and name in {"contains", "if"}):
            continue
        if name in {"choice", "only one"} and len(schema[keywords[0]]) == 1:
            yield from parts(schema[keywords[0]][0], depth + 1)
        else:
            yield ("choice" if name == "only one" else name), said


def _extra(schema: dict[str, Any]) -> dict[str, Any]:
    """What further fields must be; which ones are no further fields stands in the other keywords."""
    made: dict[str, Any] = {"additionalProperties": schema["additionalProperties"]}
    for keyword in ("properties", "patternProperties"):
        if schema.get(keyword):
            made[keyword] = dict.fromkeys(schema[keyword], True)
    return made
