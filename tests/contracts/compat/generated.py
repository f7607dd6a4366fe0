"""Makes OpenAPI documents to mutate: small, varied, valid, and such that every place in them can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

__all__ = ["Document", "Slot", "document", "slots"]

Schema = dict[str, Any]
Document = dict[str, Any]
_METHODS = ("get", "post", "put", "delete")


@dataclass(frozen=True, slots=True)
class Slot:
    """A schema at a place where every value it allows can really be sent.

    Args:
        request: whether the service takes it; it gives it otherwise.
        holder, key: `holder[key]` is the schema, `$ref` already followed.
        parent: the object schema it is a property of, and under which name; None elsewhere.
    """

    request: bool
    holder: Any
    key: Any
    parent: tuple[Schema, str] | None = None

    @property
    def schema(self) -> Schema:
        """The schema itself."""
        found: Schema = self.holder[self.key]
        return found

    def put(self, value: Schema) -> None:
        """Put another schema in its place."""
        self.holder[self.key] = value


def document(rng: Random) -> Document:
    """A document of OpenAPI 3.0 with two to five operations over a few shared schemas."""
    names = [f"Thing{n}" for n in range(rng.randint(1, 3))]
    components: dict[str, Schema] = {}
    for position, name in enumerate(names):
        components[name] = _object(rng, 0, names[:position])
    paths: dict[str, Any] = {}
    for number in range(rng.randint(2, 5)):
        paths.setdefault(f"/things{number}/{{id}}", {})[rng.choice(_METHODS)] = _operation(rng, names, number)
    return {
        "openapi": "3.0.3",
        "info": {"title": "generated", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
        },
    }


def _operation(rng: Random, names: list[str], number: int) -> dict[str, Any]:
    parameters = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    parameters += [
        {"name": f"q{n}", "in": rng.choice(["query", "header"]), "required": rng.random() < 0.3, "schema": _plain(rng)}
        for n in range(rng.randint(1, 3))
    ]
    return {
        "operationId": f"op{number}",
        "parameters": parameters,
        "requestBody": {
            "required": rng.random() < 0.5,
            "content": {"application/json": {"schema": _schema(rng, 0, names)}},
        },
        "responses": {
            "200": {
                "description": "fine",
                "headers": {"X-Count": {"required": True, "schema": {"type": "integer"}}},
                "content": {"application/json": {"schema": _schema(rng, 0, names)}},
            },
            "404": {"description": "unknown", "content": {"application/json": {"schema": _object(rng, 2, [])}}},
        },
    }


def _schema(rng: Random, depth: int, names: list[str]) -> Schema:
    kind = rng.random()
    if names and kind < 0.35:
        return {"$ref": f"#/components/schemas/{rng.choice(names)}"}
    if kind < 0.7 and depth < 3:
        return _object(rng, depth, names)
    if kind < 0.85 and depth < 3:
        return {"type": "array", "minItems": 1, "maxItems": 50, "items": _schema(rng, depth + 1, names)}
    return _plain(rng)


def _object(rng: Random, depth: int, names: list[str]) -> Schema:
    fields = {f"f{n}": _schema(rng, depth + 1, names) for n in range(rng.randint(2, 4))}
    required = sorted(rng.sample(sorted(fields), rng.randint(1, len(fields))))
    return {"type": "object", "properties": fields, "required": required}


def _plain(rng: Random) -> Schema:
    return deepcopy(
        rng.choice(
            [
                {"type": "string", "minLength": 2, "maxLength": 40},
                {"type": "string", "pattern": "^[a-z]+$"},
                {"type": "string", "enum": ["red", "green", "blue"]},
                {"type": "string", "format": "date-time"},
                {"type": "string", "nullable": True},
                {"type": "integer", "minimum": 1, "maximum": 900},
                {"type": "integer"},
                {"type": "number", "minimum": -5, "maximum": 5.5},
                {"type": "number", "multipleOf": 0.5},
                {"type": "boolean"},
                {"oneOf": [{"type": "string", "maxLength": 20}, {"type": "integer"}]},
            ]
        )
    )


def slots(doc: Document) -> Iterator[Slot]:
    """Every schema that is sent, outermost first; one that is sent both ways comes twice."""
    seen: set[tuple[int, bool]] = set()
    for item in doc["paths"].values():
        for operation in item.values():
            for parameter in operation["parameters"]:
                if parameter["in"] != "path":
                    yield from _walk(doc, Slot(request=True, holder=parameter, key="schema"), seen)
            for content in operation["requestBody"]["content"].values():
                yield from _walk(doc, Slot(request=True, holder=content, key="schema"), seen)
            for response in operation["responses"].values():
                for content in response.get("content", {}).values():
                    yield from _walk(doc, Slot(request=False, holder=content, key="schema"), seen)


def _walk(doc: Document, slot: Slot, seen: set[tuple[int, bool]]) -> Iterator[Slot]:
    ref = slot.schema.get("$ref")
    if ref:
        slot = Slot(slot.request, doc["components"]["schemas"], ref.rsplit("/", 1)[-1], slot.parent)
    if (id(slot.schema), slot.request) in seen:
        return
    seen.add((id(slot.schema), slot.request))
    yield slot
    schema = slot.schema
    for name in schema.get("properties", {}):
        yield from _walk(doc, Slot(slot.request, schema["properties"], name, (schema, name)), seen)
    if "items" in schema:
        yield from _walk(doc, Slot(slot.request, schema, "items"), seen)
