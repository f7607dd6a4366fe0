"""Who uses what, and whom a change hits: contracts as text against a small document, and the record shop's own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.contracts.compat import Change, Direction, Level, Part, PartKind, compare_openapi
from harness.contracts.pacts import pact_from_json
from harness.contracts.sources import FolderSource
from harness.contracts.usage import Usage, usage_of
from tests.contracts.shop import http, pact

ROOT = Path(__file__).parents[3]
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "servers": [{"url": "https://api.example/v1"}],
    "paths": {
        "/orders/{id}": {"get": {"responses": {"200": {}, "4XX": {}}}},
        "/orders/latest": {"get": {"responses": {"200": {}}}},
        "/orders": {"post": {"responses": {"201": {}}}},
    },
}
BODY = Part(PartKind.RESPONSE_BODY, status="200")


def usage(*interactions: dict[str, Any], consumer: str = "web") -> Usage:
    return usage_of([pact_from_json(pact(*interactions, consumer=consumer))], DOCUMENT, "orders")


def change(
    rule: str,
    *path: str,
    part: Part = BODY,
    way: Direction = Direction.RESPONSE,
    operation: str = "GET /orders/{order_id}",
) -> Change:
    return Change(
        rule=rule,
        direction=way,
        level=Level.BREAKING,
        text="",
        operation=operation,
        pointer="",
        part=part,
        path=path,
    )


def test_a_removed_field_hits_who_reads_it_and_names_the_line_of_the_contract() -> None:
    found = usage(http("an order", body={"id": "1", "total": 3}))

    [hit] = found.affected(change("field_removed", "total"))

    assert (hit.consumer, hit.interactions) == ("web", ("an order",))
    assert hit.places == ("web-orders.json:/interactions/0/response/body/content/total",)


@pytest.mark.parametrize(
    ("path", "hit"),
    [
        ((), True),
        (("customer",), True),
        (("customer", "name"), True),
        (("customer", "mail"), False),
        (("lines", "[]", "sku"), True),
        (("lines", "[0]", "sku"), True),
        (("lines", "[]", "price"), False),
        (("other",), False),
    ],
)
def test_a_change_hits_readers_of_the_field_and_of_what_is_in_it(path: tuple[str, ...], hit: bool) -> None:
    found = usage(http("an order", body={"customer": {"name": "a"}, "lines": [{"sku": "1"}]}))

    assert bool(found.affected(change("type_changed", *path))) is hit


def test_a_change_of_another_status_or_operation_hits_nobody() -> None:
    found = usage(http("no order", status=404, body={"total": 1}))

    assert found.affected(change("field_removed", "total")) == ()
    assert found.affected(change("operation_removed", part=Part(), operation="POST /orders")) == ()
    assert found.affected(change("type_changed", "total", part=Part(PartKind.RESPONSE_BODY, status="4XX")))


def test_the_most_specific_path_wins_under_a_server_s_base_path_and_under_one_nobody_declared() -> None:
    found = usage(http("a", "/v1/orders/latest"), http("b", "/orders/7"), http("c", "/behind/a/proxy/orders/7"))

    assert [(u.operation, u.assumed) for u in found.used] == [
        ("GET /orders/latest", ""),
        ("GET /orders/{id}", ""),
        ("GET /orders/{id}", "/behind/a/proxy"),
    ]


def test_what_fits_no_operation_is_kept_with_the_reason() -> None:
    found = usage(http("x", "/nothing"), http("y", "/orders"))

    assert [u.reason for u in found.unmatched] == [
        "the document has no /nothing",
        "the document has /orders only with POST",
    ]


def sending(body: dict[str, Any], **headers: list[str]) -> dict[str, Any]:
    made = http("place an order", "/orders", 201, headers=headers)
    made["request"] |= {"method": "POST", "body": {"content": body, "contentType": "application/json"}}
    return made


def test_a_new_required_field_hits_who_does_not_send_it() -> None:
    asked = change(
        "required_field_added",
        "note",
        part=Part(PartKind.REQUEST_BODY),
        way=Direction.REQUEST,
        operation="POST /orders",
    )

    assert usage(sending({"sku": 1})).affected(asked)
    assert usage(sending({"sku": 1, "note": "x"})).affected(asked) == ()


def test_a_parameter_refused_hits_who_sends_it_and_one_required_hits_who_does_not() -> None:
    header = Part(PartKind.PARAMETER, "X-Key", "header")
    with_it, without = usage(sending({}, **{"x-key": ["1"]})), usage(sending({}))
    for rule, hit, spared in (
        ("type_changed", with_it, without),
        ("required_parameter_added", without, with_it),
    ):
        asked = change(rule, part=header, way=Direction.REQUEST, operation="POST /orders")
        assert hit.affected(asked)
        assert spared.affected(asked) == ()


def test_every_http_interaction_of_the_record_shop_fits_its_provider_s_document() -> None:
    pacts = FolderSource(ROOT / "contracts/pacts", ROOT).contracts().pacts
    for provider in sorted({p.provider for p in pacts}):
        document = json.loads((ROOT / f"contracts/baselines/{provider}.openapi.json").read_text())
        found = usage_of(pacts, document, provider)
        assert found.used
        assert found.unmatched == ()
        assert all(u.assumed == "" for u in found.used)


def test_where_it_is_not_known_what_is_sent_a_change_is_a_hit() -> None:
    form = sending({})
    form["request"]["body"] = {"content": "sku=1", "contentType": "application/x-www-form-urlencoded"}
    asked = [
        change("required_field_added", "note", part=Part(PartKind.REQUEST_BODY), way=Direction.REQUEST),
        change("type_changed", "sku", part=Part(PartKind.REQUEST_BODY), way=Direction.REQUEST),
        change("type_changed", part=Part(PartKind.PARAMETER, "session", "cookie"), way=Direction.REQUEST),
    ]

    assert all(usage(form).affected(replace(one, operation="POST /orders")) for one in asked)


def test_a_change_of_fields_without_a_name_hits_who_reads_one_of_them() -> None:
    found = usage(http("an order", body={"labels": {"colour": {"shown": "red"}}}))

    assert found.affected(change("type_changed", "labels", "*", "shown"))
    assert found.affected(change("type_changed", "labels", "*", "other")) == ()


def test_a_change_in_a_shared_schema_hits_readers_wherever_it_stands() -> None:
    order = {"type": "object", "required": ["total"], "properties": {"total": {"type": "integer"}, "id": {}}}

    def document(schema: dict[str, Any]) -> dict[str, Any]:
        ref = {"$ref": "#/components/schemas/Order"}
        answers = {
            "/orders": {"type": "object", "properties": {"items": {"type": "array", "items": ref}}},
            "/orders/{id}": ref,
        }
        paths = {
            path: {"get": {"responses": {"200": {"content": {"application/json": {"schema": answer}}}}}}
            for path, answer in answers.items()
        }
        return {"openapi": "3.1.0", "paths": paths, "components": {"schemas": {"Order": schema}}}

    old, new = document(order), document(order | {"required": [], "properties": {"id": {}}})
    [gone] = [c for c in compare_openapi(old, new).changes if c.rule == "field_removed"]
    assert gone.operation == "GET /orders"
    found = usage_of([pact_from_json(pact(http("an order", body={"total": 1})))], old)

    assert [hit.consumer for hit in found.affected(gone)] == ["web"]


@pytest.mark.parametrize(
    "name",
    ["webhook paid (POST)", "callback onPaid of GET /orders/{order_id}", ""],
    ids=["webhook", "callback", "none"],
)
def test_of_what_the_service_itself_sends_no_contract_tells_so_everyone_is_named(name: str) -> None:
    found = usage(http("an order", body={"id": "1"}))

    asked = change("field_removed", "other", part=Part(PartKind.REQUEST_BODY), way=Direction.REQUEST, operation=name)
    scheme = change("security_flow_changed", part=Part(PartKind.SECURITY, "key"), way=Direction.REQUEST, operation=name)
    assert [hit.consumer for hit in found.affected(scheme)] == ["web"]
    assert [hit.consumer for hit in found.affected(asked)] == (["web"] if name else [])


def test_a_response_header_hits_who_expects_it() -> None:
    expecting = http("an order")
    expecting["response"]["headers"] = {"ETag": ["1"]}
    gone = change("header_removed", part=Part(PartKind.RESPONSE_HEADER, "etag", "header", "200"))

    assert usage(expecting).affected(gone)
    assert usage(http("an order")).affected(gone) == ()


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0", "3.0.0"])
def test_contracts_of_older_versions_are_laid_over_as_well(version: str) -> None:
    raw = {
        "consumer": {"name": "web"},
        "provider": {"name": "orders"},
        "interactions": [
            {
                "description": "an order",
                "providerState": "there is one",
                "request": {"method": "get", "path": "/orders/1", "query": "expand=lines&expand=customer"},
                "response": {"status": 200, "body": {"total": 3}},
            }
        ],
        "metadata": {"pactSpecification": {"version": version}},
    }
    found = usage_of([pact_from_json(raw)], DOCUMENT, "orders")

    [hit] = found.affected(change("field_removed", "total"))
    assert hit.places == ("web-orders.json:/interactions/0/response/body/total",)
    asked = change("parameter_removed", part=Part(PartKind.PARAMETER, "expand", "query"), way=Direction.REQUEST)
    assert found.affected(asked)


def test_a_path_is_not_cut_down_to_a_placeholder_alone() -> None:
    document = {"openapi": "3.1.0", "paths": {"/{id}": {"get": {"responses": {"200": {}}}}}}

    found = usage_of([pact_from_json(pact(http("an order", "/orders/1"), http("a thing", "/7")))], document, "orders")

    assert [u.description for u in found.used] == ["a thing"]
    assert [u.description for u in found.unmatched] == ["an order"]


def test_a_query_object_written_as_several_parameters_counts_as_sent() -> None:
    parameters = [
        {"in": "query", "name": "filter", "schema": {"type": "object"}},
        {"in": "query", "name": "limit", "schema": {"type": "integer"}},
    ]
    document = {"openapi": "3.1.0", "paths": {"/orders": {"get": {"parameters": parameters, "responses": {"200": {}}}}}}
    asking = http("open orders", "/orders")
    asking["request"]["query"] = {"status": ["open"]}
    found = usage_of([pact_from_json(pact(asking))], document, "orders")

    def hit(name: str) -> bool:
        part = Part(PartKind.PARAMETER, name, "query")
        asked = change("type_changed", part=part, way=Direction.REQUEST, operation="GET /orders")
        return bool(found.affected(asked))

    assert hit("filter")
    assert not hit("limit")
