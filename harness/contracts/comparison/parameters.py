"""Parameters as text on the wire, read as the values their schemas are about: styles, explode, content, coercion."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from harness.documents.nodes import Node

__all__ = ["coerced", "of_fields", "query_readings", "readings", "schema_of"]

_MAX_DEPTH = 20
_INTEGER = re.compile(r"[+-]?\d+(\.0+)?")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SEPARATORS = {"spaceDelimited": " ", "pipeDelimited": "|"}


def schema_of(parameter: Node) -> tuple[Node, str]:
    """A parameter's schema, and its media type where it is written as content."""
    for media, content in parameter.get("content").items():
        return content.here("schema"), media
    return parameter.here("schema"), ""


def readings(parameter: Node, text: str) -> Iterator[Any]:
    """What the text of a path, header or cookie parameter can mean, the most likely first."""
    schema, media = schema_of(parameter)
    if media:
        yield _content(text)
        return
    kinds = _types(schema, 0)
    style, explode = parameter.text("style"), parameter.raw.get("explode") is True
    if style in {"label", "matrix"}:
        text = _unprefixed(style, text, parameter.text("name"))
    between = "." if style == "label" and explode else ";" if style == "matrix" and explode else ","
    if "array" in kinds:
        items = [part.strip() for part in text.split(between)] if text else []
        if style == "matrix" and explode:
            items = [i.removeprefix(f"{parameter.text('name')}=") for i in items]
        yield coerced(schema, items)
    if "object" in kinds:
        yield coerced(schema, _fields(text, between))
    yield from _scalars(schema, text)


def query_readings(
    parameter: Node, query: Mapping[str, list[str]], others: Collection[str] = ()
) -> tuple[set[str], list[Any]]:
    """What a query says about a parameter.

    Args:
        others: names of the other parameters; an object with fields of any name takes only what is not theirs.

    Returns:
        The names in the query that belong to it, and what they can mean together; no meaning when it is not there.
    """
    name = parameter.text("name")
    schema, media = schema_of(parameter)
    kinds = _types(schema, 0)
    found: list[Any] = []
    used = {n for n in (name, f"{name}[]") if n in query}
    values = [v for n in sorted(used) for v in query[n]]
    if media:
        return used, [_content(v) for v in values[:1]]
    if values == [""] and parameter.raw.get("allowEmptyValue") is True:
        return used, []
    if used:
        found += _together(parameter, schema, values, kinds)
    if "object" in kinds or "array" in kinds:
        nested, names = _nested(name, query)
        if names and not used:
            used, found = names, [coerced(schema, nested)]
        elif not used and "object" in kinds and parameter.raw.get("explode", True) is True:
            own = _properties(schema)
            free = _is_map(schema)
            inner = {n: v for n, v in query.items() if n in own or (free and n.split("[", 1)[0] not in others)}
            if inner:
                used = set(inner)
                found = [coerced(schema, {n: v if len(v) > 1 else v[0] for n, v in inner.items()})]
    return used, found


def _together(parameter: Node, schema: Node, values: list[str], kinds: set[str]) -> Iterator[Any]:
    between = _SEPARATORS.get(parameter.text("style"), ",")
    if "array" in kinds:
        yield coerced(schema, values)
        if len(values) == 1:
            yield coerced(schema, values[0].split(between) if values[0] else [])
    if "object" in kinds:
        yield coerced(schema, _fields(",".join(values), ","))
    if len(values) == 1:
        yield from _scalars(schema, values[0])
    elif "array" not in kinds:
        yield from (coerced(schema, values), ",".join(values)) if "string" in kinds or not kinds else (values,)


def _scalars(schema: Node, text: str) -> Iterator[Any]:
    yield coerced(schema, text)
    yield text
    other = _number(text)
    if other is not None:
        yield other
    if text in {"true", "false"}:
        yield text == "true"
    if text in {"", "null"}:
        yield None


def coerced(schema: Node, value: Any, depth: int = 0) -> Any:
    """Text made the number, boolean or null that a schema asks for, within lists and objects too."""
    if depth > _MAX_DEPTH:
        return value
    if isinstance(value, list):
        items = _below(schema, "items")
        return [coerced(items, item, depth + 1) for item in value]
    if isinstance(value, dict):
        fields, extra = _properties(schema), schema.followed().here("additionalProperties")
        return {k: coerced(fields.get(k, extra), v, depth + 1) for k, v in value.items()}
    if not isinstance(value, str):
        return value
    return _scalar(_types(schema, 0), schema, value, depth)


def of_fields(schema: Node, fields: Mapping[str, list[str]]) -> Any:
    """The fields of a form as the value a schema is about: those that may come several times as lists, objects as JSON."""
    known = _properties(schema)
    found = {
        name: _field(known[name], texts) if name in known else _one_or_all(texts) for name, texts in fields.items()
    }
    return coerced(schema, found)


def _field(schema: Node, texts: list[str]) -> Any:
    kinds = _types(schema, 0)
    if "array" in kinds:
        inner = _below(schema, "items")
        several = len(texts) == 1 and _content(texts[0])
        return several if isinstance(several, list) else [_field(inner, [text]) for text in texts]
    value = _content(texts[0]) if "object" in kinds and len(texts) == 1 else None
    return value if isinstance(value, dict) else _one_or_all(texts)


def _one_or_all(texts: list[str]) -> Any:
    return texts if len(texts) > 1 else texts[0]


def _scalar(kinds: set[str], schema: Node, text: str, depth: int) -> Any:
    if "array" in kinds and "string" not in kinds and not {"integer", "number", "boolean"} & kinds:
        return coerced(schema, text.split(",") if text else [], depth + 1)
    if "string" in kinds or not kinds:
        return text
    if kinds & {"integer", "number"} and _number(text) is not None:
        return _number(text)
    if "boolean" in kinds and text in {"true", "false"}:
        return text == "true"
    return None if "null" in kinds and text in {"", "null"} else text


def _number(text: str) -> int | float | None:
    if _INTEGER.fullmatch(text) and len(text) < 400:
        return int(text.split(".", 1)[0])
    return float(text) if _NUMBER.fullmatch(text) and len(text) < 400 else None


def _types(schema: Node, depth: int) -> set[str]:
    """Every type a schema can mean, its alternatives included."""
    raw = schema.followed().raw
    if not isinstance(raw, Mapping) or depth > _MAX_DEPTH:
        return set()
    said = raw.get("type")
    found = {t for t in (said if isinstance(said, list) else [said]) if isinstance(t, str)}
    if not found:
        for word in ("allOf", "anyOf", "oneOf"):
            for part in schema.followed().here(word).list():
                found |= _types(part, depth + 1)
    if not found and isinstance(raw.get("enum"), list):
        found = {"string" if isinstance(v, str) else "number" for v in raw["enum"]}
    return found | ({"null"} if raw.get("nullable") is True else set())


def _properties(schema: Node, depth: int = 0) -> dict[str, Node]:
    node = schema.followed()
    found = dict(node.here("properties").items())
    if depth < _MAX_DEPTH:
        for word in ("allOf", "anyOf", "oneOf"):
            for part in node.here(word).list():
                found = {**_properties(part, depth + 1), **found}
    return found


def _is_map(schema: Node) -> bool:
    """Whether it says that its fields may have any name."""
    extra = schema.followed().here("additionalProperties").raw
    return extra is True or isinstance(extra, Mapping)


def _below(schema: Node, key: str) -> Node:
    node = schema.followed()
    if node.here(key).exists:
        return node.here(key)
    for word in ("allOf", "anyOf", "oneOf"):
        for part in node.here(word).list():
            if part.followed().here(key).exists:
                return part.followed().here(key)
    return node.here(key)


def _nested(name: str, query: Mapping[str, list[str]]) -> tuple[dict[str, Any] | list[Any], set[str]]:
    """`filter[a][b]=1` and `filter.a.b=1` as one value."""
    found: dict[str, Any] = {}
    used = set()
    for key, values in query.items():
        if not key.startswith((f"{name}[", f"{name}.")):
            continue
        used.add(key)
        steps = [s for s in re.split(r"[\[\].]+", key[len(name) :]) if s]
        here = found
        for step in steps[:-1]:
            inner = here.setdefault(step, {})
            here = inner if isinstance(inner, dict) else {}
        if steps:
            here[steps[-1]] = values if len(values) > 1 else values[0]
    if found and all(k.isdigit() for k in found):
        return [found[k] for k in sorted(found, key=int)], used
    return found, used


def _fields(text: str, between: str) -> dict[str, Any]:
    parts = [p.strip() for p in text.split(between)] if text else []
    if any("=" in p for p in parts):
        return dict(parse_qsl("&".join(parts), keep_blank_values=True))
    return dict(zip(parts[::2], parts[1::2], strict=False))


def _unprefixed(style: str, text: str, name: str) -> str:
    if style == "label":
        return text.removeprefix(".")
    return text.removeprefix(";").removeprefix(f"{name}=")


def _content(text: str) -> Any:
    for attempt in (text, unquote(text)):
        try:
            return json.loads(attempt)
        except (ValueError, RecursionError):
            continue
    return text
