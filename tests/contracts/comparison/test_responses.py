"""Whether a document promises what a contract expects: each check on a pair in which it fires, and one in which not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.comparison.pairs import Document, codes, compared, document, expecting, pact, returning

BAD, NO_STATUS = "response.body.incompatible", "response.status.unknown"


def answering(**responses: Any) -> Document:
    return document({"responses": {k.lstrip("_"): {"description": "", **v} for k, v in responses.items()}})


@pytest.mark.parametrize(
    ("status", "described", "said"),
    [
        (200, answering(_200={}), []),
        (201, answering(_200={}), [NO_STATUS]),
        (201, answering(_2XX={}), []),
        (404, answering(_4xx={}), []),
        (404, answering(default={}), ["response.status.default"]),
        (404, answering(_200={}), [NO_STATUS]),
    ],
)
def test_a_status_is_one_of_the_document(status: int, described: Document, said: list[str]) -> None:
    assert codes(pact(response={"status": status}), described) == said


ID: Document = {"type": "integer"}
THING: Document = {"type": "object", "required": ["id", "name"], "properties": {"id": ID, "name": {"type": "string"}}}
OPEN = {**THING, "additionalProperties": True}
FREE = {**THING, "additionalProperties": {"type": "string"}}
CAT: Document = {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["cat"]}, "lives": ID}}
DOG: Document = {
    "type": "object",
    "required": ["kind"],
    "properties": {"kind": {"enum": ["dog"]}, "tricks": {"type": "string"}},
}
REF = {"$ref": "#/components/schemas/Thing"}
BASED = {"allOf": [REF, {"type": "object", "properties": {"size": ID}}]}


@pytest.mark.parametrize(
    ("body", "schema", "said"),
    [
        ({"id": 1, "name": "a"}, THING, []),
        ({"id": 1}, THING, []),
        ({"id": "1"}, THING, [BAD]),
        ({"id": 1, "more": 1}, THING, [BAD]),
        ({"more": 1}, OPEN, [BAD]),
        ({"more": "x"}, FREE, []),
        ({"more": 1}, FREE, [BAD]),
        ({"anything": 1}, {}, []),
        ([{"id": 1}], {"type": "array", "items": THING}, []),
        ([{"id": "x"}], {"type": "array", "items": THING}, [BAD]),
        ({"id": 1}, REF, []),
        ({"name": 1}, REF, [BAD]),
        ({"id": 1, "size": 2}, BASED, []),
        ({"id": 1, "sise": 2}, BASED, [BAD]),
        ({"size": "large"}, BASED, [BAD]),
        ({"kind": "cat", "lives": 9}, {"oneOf": [CAT, DOG]}, []),
        ({"kind": "cat", "tricks": "none"}, {"oneOf": [CAT, DOG]}, [BAD]),
        ({"kind": "cow"}, {"oneOf": [CAT, DOG]}, [BAD]),
        ({"lives": 9}, {"oneOf": [CAT, DOG]}, []),
        ({}, {"oneOf": [CAT, DOG]}, []),
        ({"tricks": "sit"}, {"anyOf": [CAT, DOG]}, []),
        ({"id": 1, "lives": 9}, {"type": "object", "properties": {"id": ID}, "oneOf": [CAT, DOG]}, []),
        ({"id": 1, "wings": 2}, {"type": "object", "properties": {"id": ID}, "oneOf": [CAT, DOG]}, [BAD]),
        ({"id": None}, THING, [BAD]),
        ({"id": None}, {"type": "object", "properties": {"id": {**ID, "nullable": True}}}, []),
        ({"x": None}, {"type": "object", "properties": {"x": {"type": "string", "nullable": True, "enum": ["a"]}}}, []),
        ({"t": None}, {"type": "object", "properties": {"t": {"$ref": "#/components/schemas/Thing", "nullable": True}}}, []),
        ({"id": 1, "more": 1}, {**THING, "nullable": True}, [BAD]),
        ({"secret": "x"}, {"type": "object", "properties": {"secret": {"type": "string", "writeOnly": True}}}, [BAD]),
        ({"n": 5}, {"type": "object", "properties": {"n": {**ID, "minimum": 5, "exclusiveMinimum": True}}}, [BAD]),
        ({"n": 2**40}, {"type": "object", "properties": {"n": {**ID, "format": "int32"}}}, [BAD]),
        ({"n": 1.5}, {"type": "object", "properties": {"n": {"type": "number", "format": "double"}}}, []),
        ({"d": "yesterday"}, {"type": "object", "properties": {"d": {"type": "string", "format": "date"}}}, [BAD]),
        ({"d": "2026-01-02T03:04:05Z"}, {"type": "object", "properties": {"d": {"type": "string", "format": "date-time"}}}, []),
        ({"d": "x"}, {"type": "object", "properties": {"d": {"type": "string", "format": "uuid"}}}, [BAD]),
        ({"d": "x"}, {"type": "object", "properties": {"d": {"type": "string", "format": "no-such-format"}}}, []),
        ({"d": "%%"}, {"type": "object", "properties": {"d": {"type": "string", "format": "byte"}}}, [BAD]),
        ({"d": "x"}, {"type": "object", "properties": {"d": {"type": "string", "pattern": "^[0-9]+$"}}}, [BAD]),
        ({"d": "x"}, {"type": "object", "properties": {"d": {"type": "string", "pattern": "(((["}}}, []),
        ([], {"type": "array", "minItems": 1, "items": {}}, [BAD]),
        ({}, {"type": "object", "minProperties": 1}, []),
        ({"a": 1}, {"type": "object", "not": {"required": ["b"]}}, [BAD]),
        ({"a": 1}, {"type": "object", "properties": {"a": ID}, "not": {"required": ["b"]}}, []),
        ({"id": 1}, {"$ref": "#/components/schemas/Nowhere"}, []),
        (False, {"type": "string"}, [BAD]),
        ("text", {"type": "string"}, []),
    ],
)  # fmt: skip
def test_an_expected_body_is_part_of_what_the_schema_promises(body: Any, schema: Document, said: list[str]) -> None:
    assert codes(expecting(body), returning(schema, Thing=THING)) == said


def test_the_types_and_conditions_of_openapi_3_1_are_understood() -> None:
    kinds = {"if": {"properties": {"kind": {"const": "a"}}}, "then": {"properties": {"n": {"type": "string"}}}}
    fields = {"kind": {"type": ["string", "null"]}, "n": {}, "pair": {"prefixItems": [ID, {"type": "string"}]}}
    described = {**returning({"type": "object", "properties": fields, **kinds}), "openapi": "3.1.0"}

    assert codes(expecting({"kind": None, "n": 1, "pair": [1, "a"]}), described) == []
    assert codes(expecting({"n": 1}), described) == []
    assert codes(expecting({"kind": "a", "n": 1}), described) == [BAD]
    assert codes(expecting({"kind": 1}), described) == [BAD]
    assert codes(expecting({"pair": ["a"]}), described) == [BAD]


def test_a_reference_of_openapi_3_1_can_have_words_beside_it() -> None:
    schema = {"$ref": "#/components/schemas/Thing", "properties": {"size": ID}}
    described = {**returning(schema, Thing=THING), "openapi": "3.1.0"}

    assert codes(expecting({"id": 1, "size": 2}), described) == []
    assert codes(expecting({"id": 1, "weight": 2}), described) == [BAD]


INNER: Document = {"type": "object", "properties": {"x": ID}}
OTHER: Document = {"type": "object", "properties": {"y": ID}}


def holding(schema: Document) -> Document:
    return {"type": "object", "properties": {"in": schema}}


@pytest.mark.parametrize(
    ("body", "schema", "said"),
    [
        ({"in": {"x": 1, "y": 2}}, {"allOf": [holding(INNER), holding(OTHER)]}, []),
        ({"in": {"x": 1, "z": 2}}, {"allOf": [holding(INNER), holding(OTHER)]}, [BAD]),
        ({"in": {"x": 1, "y": "2"}}, {"allOf": [holding(INNER), holding(OTHER)]}, [BAD]),
        ({"x": 1, "y": 2}, {"anyOf": [INNER, OTHER]}, []),
        ({"x": 1, "z": 2}, {"anyOf": [INNER, OTHER]}, [BAD]),
        ({"x": 1, "y": 2}, {"oneOf": [INNER, OTHER]}, [BAD]),
        ({"x": 1, "y": 2}, {**INNER, "unevaluatedProperties": ID}, []),
        ({"x": 1, "y": "2"}, {"allOf": [INNER], "unevaluatedProperties": ID}, [BAD]),
        ({"x": 1, "y": 2}, {**INNER, "if": {"required": ["x"], "properties": {"x": {"const": 1}}}, "then": OTHER}, []),
        ({"x": 2, "y": 2}, {**INNER, "if": {"required": ["x"], "properties": {"x": {"const": 1}}}, "else": OTHER}, []),
        (
            {"x": 1, "z": 2},
            {**INNER, "if": {"required": ["x"], "properties": {"x": {"const": 1}}}, "then": OTHER},
            [BAD],
        ),
        ({"x": 1, "y": 2}, {**INNER, "dependentSchemas": {"x": OTHER}}, []),
    ],
)
def test_a_field_is_known_when_any_part_of_the_schema_names_it(body: Any, schema: Document, said: list[str]) -> None:
    assert codes(expecting(body), {**returning(schema), "openapi": "3.1.0"}) == said


def test_schemas_that_hold_themselves_are_followed_as_deep_as_the_body() -> None:
    tree = {"type": "object", "properties": {"v": ID, "next": {"$ref": "#/components/schemas/Tree"}}}
    described = returning({"$ref": "#/components/schemas/Tree"}, Tree=tree)

    assert codes(expecting({"next": {"next": {"v": 1}}}), described) == []
    assert codes(expecting({"next": {"next": {"v": "1"}}}), described) == [BAD]


PET: Document = {
    "type": "object",
    "properties": {"kind": {"type": "string"}},
    "discriminator": {"propertyName": "kind", "mapping": {"c": "#/components/schemas/Cat"}},
}
CAT_PET = {"allOf": [{"$ref": "#/components/schemas/Pet"}, {"type": "object", "properties": {"lives": ID}}]}


@pytest.mark.parametrize(
    ("body", "said"),
    [({"kind": "c", "lives": 9}, []), ({"kind": "c", "lives": "9"}, [BAD]), ({"kind": "d", "lives": 9}, [BAD])],
)
def test_the_mapping_of_a_discriminator_says_which_schema_a_value_has(body: Any, said: list[str]) -> None:
    described = returning({"$ref": "#/components/schemas/Pet"}, Pet=PET, Cat=CAT_PET)
    choice = {"oneOf": [{"$ref": "#/components/schemas/Cat"}], "discriminator": PET["discriminator"]}

    assert codes(expecting(body), described) == said
    assert codes(expecting(body), returning(choice, Pet=PET, Cat=CAT_PET)) == said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"kind": "Cat", "lives": 9}, []),
        ({"kind": "Kitten", "lives": 9, "weeks": 3}, []),
        ({"kind": "Cat", "weeks": 3}, [BAD]),
        ({"kind": "Dog", "lives": 9}, [BAD]),
    ],
)
def test_a_schema_with_a_discriminator_stands_for_those_built_on_it(body: Any, said: list[str]) -> None:
    parts = {
        "Pet": {**PET, "discriminator": {"propertyName": "kind"}},
        "Cat": CAT_PET,
        "Kitten": {"allOf": [{"$ref": "#/components/schemas/Cat"}, {"properties": {"weeks": ID}}]},
    }

    assert codes(expecting(body), returning({"$ref": "#/components/schemas/Pet"}, **parts)) == said


@pytest.mark.parametrize(("field", "said"), [("lives", []), ("tricks", [BAD])])
@pytest.mark.parametrize("pinned", [True, False], ids=["by an enum", "by their names"])
def test_alternatives_are_told_apart_by_their_names_unless_they_say_themselves(
    field: str, said: list[str], pinned: bool
) -> None:
    def animal(value: str, field: str) -> Document:
        kind = {"enum": [value.lower()]} if pinned else {"type": "string"}
        return {"type": "object", "properties": {"kind": kind, field: ID}}

    animals = {"Cat": animal("Cat", "lives"), "Dog": animal("Dog", "tricks")}
    listed = [{"$ref": f"#/components/schemas/{name}"} for name in animals]
    described = returning({"oneOf": listed, "discriminator": {"propertyName": "kind"}}, **animals)

    assert codes(expecting({"kind": "cat" if pinned else "Cat", field: 1}), described) == said


def with_header(schema: Document) -> Document:
    return answering(_200={"headers": {"X-Total": {"schema": schema}}})


@pytest.mark.parametrize(
    ("headers", "described", "said"),
    [
        ({"X-Total": "5"}, with_header(ID), []),
        ({"x-total": "five"}, with_header(ID), ["response.header.incompatible"]),
        ({}, with_header(ID), []),
        ({"X-Other": "5"}, with_header(ID), ["response.header.unknown"]),
        ({"Location": "/"}, with_header(ID), ["response.header.undefined"]),
        ({"Content-Type": "text/html"}, with_header(ID), ["response.content-type.unknown"]),
        ({"Content-Type": "text/html"}, returning({}), ["response.content-type.incompatible"]),
        ({"Content-Type": "application/json;charset=utf-8"}, returning({}), []),
        ({"Content-Type": "application/problem+json"}, returning({}), []),
        (
            {"Content-Type": "application/hal+json"},
            returning({}, media="application/problem+json"),
            ["response.content-type.incompatible"],
        ),
        ({"Content-Type": "text/html"}, returning({}, media="text/*"), []),
    ],
)
def test_expected_headers_are_those_of_the_response(headers: Document, described: Document, said: list[str]) -> None:
    assert codes(pact(response={"headers": headers}), described) == said


def test_a_body_nobody_described_cannot_be_expected() -> None:
    assert codes(expecting({"a": 1}), answering(_200={})) == ["response.body.unknown"]


def test_a_body_that_is_no_json_is_told_to_be_left_out() -> None:
    described = returning({"type": "string"}, media="text/csv")

    assert codes(expecting("a,b", headers={"Content-Type": "text/csv"}), described) == ["response.body.unvalidatable"]


def test_an_expected_body_in_base64_is_read() -> None:
    body = {"content": "eyJpZCI6ICJ4In0=", "contentType": "application/json", "encoded": "base64"}

    assert codes(pact(response={"body": body}, version="4.0"), returning(THING)) == [BAD]


def test_a_result_says_the_places_in_both_documents() -> None:
    found = compared(expecting({"id": "x"}), returning(REF, Thing=THING)).found[0]

    told = found.as_dict("openapi.json")
    assert (found.pact_pointer, found.spec_pointer) == (
        "/interactions/0/response/body/id",
        "/components/schemas/Thing/properties/id/type",
    )
    assert (told["code"], told["type"]) == (BAD, "error")
    assert told["mockDetails"] == {
        "interactionDescription": "an interaction",
        "interactionState": "[none]",
        "location": "[root].interactions[0].response.body.id",
        "pointer": "/interactions/0/response/body/id",
        "mockFile": "pact.json",
        "value": "x",
    }
    assert (told["specDetails"]["pathMethod"], told["specDetails"]["pathName"]) == ("get", "/things")


def test_a_field_that_is_wrong_is_not_told_to_be_unknown_too() -> None:
    described = returning(BASED, Thing=THING)

    assert [f.message for f in compared(expecting({"size": "x", "id": 1}), described).found] == [
        'the body, `size`: "x" is not of type integer'
    ]


def test_of_alternatives_the_one_of_the_right_type_is_explained() -> None:
    schema = {"type": "object", "properties": {"c": {"anyOf": [{"type": "string", "pattern": "^c"}, {"type": "null"}]}}}

    assert [f.message for f in compared(expecting({"c": "x"}), returning(schema)).found] == [
        'the body, `c`: "x" does not match ^c'
    ]


def test_the_media_type_a_v4_contract_gives_its_body_is_expected_too() -> None:
    body = {"content": "<a/>", "contentType": "application/xml", "encoded": False}

    found = compared(pact(response={"body": body}, version="4.0"), returning(THING)).found

    assert [(f.code, f.pact_pointer) for f in found] == [
        ("response.content-type.incompatible", "/interactions/0/response/body")
    ]


def test_a_reference_that_points_at_nothing_is_told_where_it_is_needed() -> None:
    described = returning({"$ref": "#/components/schemas/Nowhere"}, Unused={"$ref": "#/components/schemas/Never"})

    assert compared(expecting({"id": 1}), described).unresolved == ("#/components/schemas/Nowhere",)
    assert compared(pact(), described).unresolved == ()


def test_only_the_deepest_field_nobody_named_is_told() -> None:
    schema = {"allOf": [holding(INNER), {"type": "object", "properties": {"size": ID}}]}

    assert [f.message for f in compared(expecting({"in": {"z": 1}}), returning(schema)).found] == [
        "the body, `in.z`: the schema has no `z`"
    ]
