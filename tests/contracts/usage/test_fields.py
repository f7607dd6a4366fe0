"""The map of a document: what it describes, who uses it, and what nobody does."""

from __future__ import annotations

from typing import Any

import pytest

from harness.contracts.compat import PartKind
from harness.contracts.pacts import pact_from_json
from harness.contracts.usage import FieldUse, Use, usage_of
from tests.contracts.shop import http, pact

ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "readOnly": True},
        "total": {"type": "integer"},
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"sku": {}, "price": {"type": "integer"}}},
        },
    },
}


def document(schema: dict[str, Any], **schemas: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    return {
        "openapi": "3.1.0",
        "paths": {
            "/orders/{id}": {
                "parameters": [{"in": "path", "name": "id", "required": True}],
                "get": {
                    "parameters": [{"in": "query", "name": "expand"}, {"in": "header", "name": "X-Trace"}],
                    "responses": {"200": {"content": content, "headers": {"ETag": {}}}, "404": {}},
                },
                "put": {"requestBody": {"content": content}, "responses": {"204": {}}},
            }
        },
        "components": {"schemas": schemas},
    }


def fields(schema: dict[str, Any], *interactions: dict[str, Any], **schemas: Any) -> dict[str, FieldUse]:
    """Lines of the 200 body of GET by dotted path."""
    pacts = [pact_from_json(pact(*interactions, consumer="web"))]
    found = usage_of(pacts, document(schema, **schemas)).fields()
    return {
        ".".join(f.path): f for f in found if f.part.kind is PartKind.RESPONSE_BODY and f.operation.startswith("GET")
    }


@pytest.mark.parametrize("where", ["document", "operation"])
def test_a_key_in_a_header_is_described_by_its_security_scheme(where: str) -> None:
    described = document(ORDER)
    described["components"]["securitySchemes"] = {"key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}}
    holder = described if where == "document" else described["paths"]["/orders/{id}"]["get"]
    holder["security"] = [{"key": []}]
    asked = http("an order")
    asked["request"]["headers"] = {"X-Api-Key": ["s3cret"]}

    found = usage_of([pact_from_json(pact(asked, consumer="web"))], described).fields()

    [key] = [f for f in found if f.part.name == "x-api-key" and f.operation.startswith("GET")]
    assert key.described
    assert key.consumers == {"web": frozenset({Use.SENDS})}


def test_the_map_says_who_reads_a_field_and_which_nobody_reads() -> None:
    found = fields(ORDER, http("an order", body={"id": "1", "lines": [{"sku": 1}]}))

    assert found["id"].consumers == {"web": frozenset({Use.READS})}
    assert found["id"].places == ("web-orders.json:/interactions/0/response/body/content/id",)
    assert found["lines.[].sku"].consumers == {"web": frozenset({Use.READS})}
    assert {path for path, line in found.items() if not line.consumers} == {"total", "lines.[].price"}


def test_operations_parameters_headers_and_statuses_are_lines_too() -> None:
    pacts = [pact_from_json(pact(http("an order"), consumer="web"))]
    found = usage_of(pacts, document(ORDER)).fields()

    unused = {(f.operation, f.part.kind, f.part.name or f.part.status) for f in found if not f.consumers and not f.path}
    assert unused >= {
        ("PUT /orders/{id}", PartKind.OPERATION, ""),
        ("PUT /orders/{id}", PartKind.REQUEST_BODY, ""),
        ("GET /orders/{id}", PartKind.PARAMETER, "expand"),
        ("GET /orders/{id}", PartKind.PARAMETER, "x-trace"),
        ("GET /orders/{id}", PartKind.RESPONSE, "404"),
        ("GET /orders/{id}", PartKind.RESPONSE_HEADER, "etag"),
    }
    used = {(f.part.kind, f.part.name or f.part.status) for f in found if f.consumers}
    assert used == {(PartKind.OPERATION, ""), (PartKind.PARAMETER, "id"), (PartKind.RESPONSE, "200")}


def test_a_request_body_has_no_read_only_fields() -> None:
    found = usage_of([], document(ORDER)).fields()

    assert {f.path for f in found if f.part.kind is PartKind.REQUEST_BODY} == {
        (), ("total",), ("lines",), ("lines", "[]"), ("lines", "[]", "sku"), ("lines", "[]", "price")
    }  # fmt: skip


@pytest.mark.parametrize("keyword", ["allOf", "oneOf", "anyOf"])
def test_fields_of_combined_schemas_are_laid_together(keyword: str) -> None:
    one, other = {"properties": {"a": {}}, "type": "object"}, {"properties": {"b": {}}, "type": "object"}

    assert {"a", "b"} <= fields({keyword: [one, {"$ref": "#/components/schemas/Other"}]}, Other=other).keys()


def test_a_schema_that_holds_itself_ends_and_what_is_read_deeper_in_counts_as_described() -> None:
    below = {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}
    tree = {"type": "object", "properties": {"name": {}, "below": below}}
    deep = {"name": "a", "below": [{"name": "b", "below": [{"name": "c"}]}]}

    found = fields({"$ref": "#/components/schemas/Tree"}, http("a tree", body=deep), Tree=tree)

    assert found["below.[].below.[].name"].described
    assert found["name"].consumers


def test_a_document_of_schemas_that_multiply_is_cut_and_ends() -> None:
    levels = {
        f"L{n}": {
            "type": "object",
            "properties": {f"f{k}": {"$ref": f"#/components/schemas/L{n + 1}"} for k in range(10)},
        }
        for n in range(12)
    }

    found = fields({"$ref": "#/components/schemas/L0"}, **levels)

    assert 1_000 < len(found) < 20_000


def test_what_the_document_does_not_describe_is_told_apart_from_what_it_leaves_open() -> None:
    closed = fields(ORDER, http("an order", body={"colour": "red"}))
    free = fields({"type": "object"}, http("an order", body={"colour": "red"}))

    assert not closed["colour"].described
    assert free["colour"].described


def test_fields_without_a_name_are_used_by_who_reads_one_of_them() -> None:
    labels = {"type": "object", "additionalProperties": {"type": "string"}}

    found = fields(labels, http("labels", body={"colour": "red"}))

    assert found["*"].consumers
    assert "colour" not in found


def test_where_a_contract_does_not_tell_by_field_every_field_is_perhaps_used() -> None:
    keyed = http("an order", body={"lines": []})
    keyed["response"]["matchingRules"] = {"body": {"$": {"matchers": [{"match": "eachKey"}]}}}

    found = fields(ORDER, keyed)

    assert found["total"].consumers == {"web": frozenset({Use.MAYBE})}


def parameters(request: dict[str, Any], *named: tuple[str, str]) -> set[str]:
    """Names of the parameters of GET /orders that a contract with this request sends."""
    described = {"openapi": "3.1.0", "paths": {"/orders": {"get": {"parameters": [], "responses": {"200": {}}}}}}
    described["paths"]["/orders"]["get"]["parameters"] = [{"in": place, "name": name} for place, name in named]
    interaction = {"description": "orders", "request": {"method": "GET", "path": "/orders", **request}}
    raw = {"consumer": {"name": "web"}, "provider": {"name": "orders"}, "interactions": [interaction]}
    lines = usage_of([pact_from_json(raw)], described).fields()
    assert all(line.described for line in lines)
    return {line.part.name for line in lines if line.part.kind is PartKind.PARAMETER and line.consumers}


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ({"query": "ids[]=1&ids[]=2"}, "ids[]"),
        ({"query": {"ids[]": ["1"]}}, "ids[]"),
        ({"query": {"ids[]": ["1"]}}, "ids"),
        ({"query": {"ids": ["1"]}}, "ids[]"),
        ({"query": "filter[min]=1"}, "filter[min]"),
        ({"query": "filter[min]=1"}, "filter"),
        ({"query": "filter.min=1"}, "filter"),
        ({"query": {"order%20by": ["x"]}}, "order by"),
        ({"path": "/orders?page=1"}, "page"),
    ],
)
def test_a_parameter_counts_as_sent_however_the_contract_writes_it(request_: dict[str, Any], name: str) -> None:
    assert parameters(request_, ("query", name)) == {name}


@pytest.mark.parametrize("header", ["session=1; seen=2", ["session=1", "seen=2"]])
def test_cookies_are_told_apart(header: Any) -> None:
    sent = parameters({"headers": {"Cookie": header}}, ("cookie", "session"), ("cookie", "seen"), ("cookie", "third"))

    assert sent == {"session", "seen"}


def test_a_body_of_any_status_is_perhaps_that_of_another_one() -> None:
    content = {"application/json": {"schema": {"type": "object", "properties": {"a": {}, "b": {}}}}}
    responses = {status: {"content": content} for status in ("200", "201")}
    described = {"openapi": "3.1.0", "paths": {"/orders": {"get": {"responses": responses}}}}
    contract = pact(http("orders", path="/orders", body={"a": 1}), consumer="web")
    contract["interactions"][0]["response"]["matchingRules"] = {"status": {"matchers": [{"match": "statusCode"}]}}

    lines = usage_of([pact_from_json(contract)], described).fields()

    found = {(f.part.status, f.path): f.consumers for f in lines if f.part.kind is PartKind.RESPONSE_BODY}
    assert found[("200", ("a",))] == {"web": frozenset({Use.READS})}
    assert found[("201", ("a",))] == {"web": frozenset({Use.MAYBE})}
    assert not found[("200", ("b",))]
    assert not found[("201", ("b",))]


def test_a_matcher_of_a_field_called_values_speaks_of_that_field_alone() -> None:
    interaction = http("an order", body={"values": [1]})
    interaction["response"]["matchingRules"] = {"body": {"$.values": {"matchers": [{"match": "type"}]}}}
    schema = {"type": "object", "properties": {"values": {"type": "array", "items": {}}, "each": {}}}

    assert not fields(schema, interaction)["each"].consumers
