"""Swagger 2.0 in the words of OpenAPI 3.0: what becomes of each part, and that no shape of a document raises."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contracts.compat import compare_openapi
from harness.documents.swagger import convert

SWAGGER: dict[str, Any] = {
    "swagger": "2.0",
    "host": "parcels.example",
    "basePath": "/v1",
    "schemes": ["https", "http"],
    "consumes": ["application/json"],
    "produces": ["application/xml"],
    "paths": {
        "/parcels/{id}": {
            "parameters": [{"name": "id", "in": "path", "type": "string", "required": True}],
            "put": {
                "parameters": [
                    {"$ref": "#/parameters/Body"},
                    {"name": "tag", "in": "query", "type": "array", "items": {"type": "string"}},
                    {"name": "all", "in": "query", "type": "array", "collectionFormat": "multi"},
                ],
                "responses": {
                    "200": {"schema": {"$ref": "#/definitions/Parcel"}, "headers": {"X-Left": {"type": "integer"}}},
                    "400": {"$ref": "#/responses/Bad"},
                },
                "security": [{"login": ["write"]}],
            },
            "post": {
                "consumes": ["multipart/form-data"],
                "parameters": [
                    {"name": "label", "in": "formData", "type": "file", "required": True},
                    {"name": "copies", "in": "formData", "type": "integer"},
                ],
                "responses": {"204": {"description": "sent"}},
            },
        }
    },
    "definitions": {
        "Parcel": {
            "type": "object",
            "discriminator": "kind",
            "properties": {"kind": {"type": "string", "x-nullable": True}, "x": {"$ref": "#/definitions/Parcel"}},
        }
    },
    "parameters": {
        "Body": {"name": "parcel", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Parcel"}}
    },
    "responses": {"Bad": {"description": "bad", "schema": {"type": "string"}}},
    "securityDefinitions": {
        "login": {"type": "oauth2", "flow": "application", "tokenUrl": "https://t.example", "scopes": {"write": ""}},
        "basic": {"type": "basic"},
    },
}
PARCEL = {"schema": {"$ref": "#/components/schemas/Parcel"}}


def test_every_part_has_its_place_in_openapi_3() -> None:
    made = convert(SWAGGER)
    put, post = (made["paths"]["/parcels/{id}"][m] for m in ("put", "post"))

    assert made["openapi"] == "3.0.3"
    assert [s["url"] for s in made["servers"]] == ["https://parcels.example/v1", "http://parcels.example/v1"]
    assert put["requestBody"] == {"required": True, "content": {"application/json": PARCEL}}
    assert put["responses"]["200"]["content"] == {"application/xml": PARCEL}
    assert put["responses"]["200"]["headers"]["X-Left"]["schema"] == {"type": "integer"}
    assert put["responses"]["400"] == {"$ref": "#/components/responses/Bad"}
    assert [(p["style"], p["explode"]) for p in put["parameters"]] == [("form", False), ("form", True)]
    form = post["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["label"]
    assert form["properties"] == {"label": {"type": "string", "format": "binary"}, "copies": {"type": "integer"}}


def test_schemas_and_credentials_are_said_in_the_newer_words() -> None:
    components = convert(SWAGGER)["components"]

    assert components["schemas"]["Parcel"]["discriminator"] == {"propertyName": "kind"}
    assert components["schemas"]["Parcel"]["properties"]["kind"] == {"type": "string", "nullable": True}
    assert components["schemas"]["Parcel"]["properties"]["x"] == {"$ref": "#/components/schemas/Parcel"}
    assert components["securitySchemes"]["basic"] == {"type": "http", "scheme": "basic"}
    assert list(components["securitySchemes"]["login"]["flows"]) == ["clientCredentials"]


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if place:
        yield place
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield from _places(value[key], (*place, key))


HOSTILE = st.sampled_from(
    [None, True, -1, 1.5, "", "x", "#/", [], {}, [None], [[]], {"$ref": "#"}, {"$ref": 1}, {"": {}}, {"type": [{}]}]
)


@settings(max_examples=200, deadline=None)
@given(place=st.sampled_from(list(_places(SWAGGER))), junk=HOSTILE)
def test_no_shape_raises(place: tuple[Any, ...], junk: Any) -> None:
    broken: Any = deepcopy(SWAGGER)
    holder = broken
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = junk

    compare_openapi(convert(SWAGGER), convert(broken))
    compare_openapi(convert(broken), convert(SWAGGER))
