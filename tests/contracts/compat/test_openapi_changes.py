"""Each kind of change of an OpenAPI document is seen, with the right polarity; rewrites without effect are silent."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.contracts.compat import Change, Level, compare_openapi

Document = dict[str, Any]


def document() -> Document:
    """Orders: a component used both ways, inline schemas, headers, parameters and security."""
    order = {
        "type": "object",
        "required": ["id", "total", "status"],
        "properties": {
            "id": {"type": "string", "minLength": 1, "readOnly": True},
            "total": {"type": "integer", "minimum": 0, "maximum": 100},
            "status": {"type": "string", "enum": ["open", "paid"]},
            "note": {"type": "string", "pattern": "^a", "default": "abc"},
            "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}, "maxItems": 5},
            "parent": {"$ref": "#/components/schemas/Order"},
            "due": {"type": ["string", "null"], "format": "date"},
            "how": {"oneOf": [{"$ref": f"#/components/schemas/{kind}"} for kind in ("Card", "Cash", "Bank")]},
            "extra": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
    }
    kinds = {
        "Line": {
            "type": "object",
            "required": ["sku"],
            "properties": {"sku": {"type": "string"}, "n": {"type": "integer"}},
        },
        "Card": {"type": "object", "properties": {"pan": {"type": "string"}}},
        "Bank": {"type": "object", "properties": {"iban": {"type": "string"}}},
        "Cash": {"type": "object", "properties": {"note": {"type": "string"}}},
    }
    ref = {"schema": {"$ref": "#/components/schemas/Order"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "orders", "version": "1"},
        "paths": {
            "/orders": {
                "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}}],
                "get": {
                    "responses": {
                        "200": {
                            "description": "",
                            "headers": {"X-Total": {"required": True, "schema": {"type": "integer"}}},
                            "content": {"application/json": {"schema": {"type": "array", "items": ref["schema"]}}},
                        }
                    }
                },
                "post": {
                    "security": [{"key": []}],
                    "requestBody": {"required": True, "content": {"application/json": ref, "text/csv": {}}},
                    "responses": {
                        "201": {"description": "", "content": {"application/json": ref}},
                        "422": {"description": ""},
                    },
                },
            },
            "/orders/{id}": {
                "get": {
                    "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                    "responses": {"200": {"description": "", "content": {"application/json": ref}}},
                }
            },
        },
        "components": {"schemas": {"Order": order, **kinds}},
    }


def changes(mutate: Callable[[Document], object], base: Document | None = None) -> list[Change]:
    old = base or document()
    new = copy.deepcopy(old)
    mutate(new)
    return list(compare_openapi(old, new).changes)


def order(d: Document) -> dict[str, Any]:
    found: dict[str, Any] = d["components"]["schemas"]["Order"]
    return found


def prop(name: str, **values: object) -> Callable[[Document], object]:
    return lambda d: order(d)["properties"][name].update(values)


def without(name: str, key: str) -> Callable[[Document], object]:
    return lambda d: order(d)["properties"][name].pop(key)


def post(d: Document) -> dict[str, Any]:
    found: dict[str, Any] = d["paths"]["/orders"]["post"]
    return found


def get(d: Document) -> dict[str, Any]:
    found: dict[str, Any] = d["paths"]["/orders"]["get"]
    return found


B, R, C = Level.BREAKING, Level.WARNING, Level.COMPATIBLE

#: what is changed, the rule it must fire, and how bad it is for a request and for a response (None: not told there)
BOTH_WAYS: list[tuple[str, Callable[[Document], object], str, Level | None, Level | None]] = [
    ("a required field goes", lambda d: order(d)["properties"].pop("total"), "field_removed", R, B),
    ("an optional field goes", lambda d: order(d)["properties"].pop("note"), "optional_field_removed", R, R),
    ("a field comes", lambda d: order(d)["properties"].update(new={"type": "string"}), "field_added", C, C),
    ("a field becomes required", lambda d: order(d)["required"].append("note"), "field_required", B, C),
    ("a field becomes optional", lambda d: order(d)["required"].remove("total"), "field_optional", C, B),
    ("a type changes", prop("total", type="string"), "type_changed", B, B),
    ("a type is widened", prop("total", type="number"), "type_widened", C, B),
    ("null comes", prop("note", type=["string", "null"]), "type_widened", C, B),
    ("null goes", prop("due", type="string"), "type_narrowed", B, C),
    ("a value goes", prop("status", enum=["open"]), "enum_value_removed", B, C),
    ("a value comes", prop("status", enum=["open", "paid", "void"]), "enum_value_added", C, R),
    ("values are limited", prop("note", enum=["abc"]), "enum_introduced", B, C),
    ("values are free", without("status", "enum"), "enum_dropped", C, R),
    ("a maximum drops", prop("total", maximum=10), "limit_tightened", B, C),
    ("a maximum rises", prop("total", maximum=1000), "limit_loosened", C, B),
    ("a minimum rises", prop("total", minimum=1), "limit_tightened", B, C),
    ("a minimum goes", without("total", "minimum"), "limit_loosened", C, B),
    ("a length is limited", prop("note", maxLength=3), "limit_tightened", B, C),
    ("a list may be longer", prop("lines", maxItems=9), "limit_loosened", C, B),
    ("items must differ", prop("lines", uniqueItems=True), "limit_tightened", B, C),
    ("a step comes", prop("total", multipleOf=5), "limit_tightened", B, C),
    ("a pattern comes", prop("due", pattern="x"), "pattern_added", B, C),
    ("a pattern goes", without("note", "pattern"), "pattern_removed", C, B),
    ("a pattern changes", prop("note", pattern="^b"), "pattern_changed", B, B),
    ("a format comes", prop("note", format="date"), "format_added", R, C),
    ("a format goes", without("due", "format"), "format_removed", C, R),
    ("a format changes", prop("due", format="time"), "format_changed", R, R),
    ("a default changes", prop("note", default="x"), "default_changed", R, C),
    ("a field is deprecated", prop("note", deprecated=True), "field_deprecated", C, C),
    ("something is excluded", prop("note", **{"not": {"const": "abc"}}), "exclusion_changed", B, C),
    ("further fields refused", lambda d: order(d).update(additionalProperties=False), "extra_fields_refused", B, C),
    ("an alternative goes", lambda d: order(d)["properties"]["how"]["oneOf"].pop(0), "alternative_removed", B, C),
    (
        "an alternative comes",
        lambda d: order(d)["properties"]["how"]["oneOf"].append({"$ref": "#/components/schemas/Line"}),
        "alternative_added",
        C,
        R,
    ),
    (
        "an item's field goes",
        lambda d: d["components"]["schemas"]["Line"]["properties"].pop("sku"),
        "field_removed",
        R,
        B,
    ),
    (
        "extra values change type",
        lambda d: order(d)["properties"]["extra"]["additionalProperties"].update(type="string"),
        "type_changed",
        B,
        B,
    ),
]


@pytest.mark.parametrize(
    ("mutate", "rule", "request_level", "response_level"), [c[1:] for c in BOTH_WAYS], ids=[c[0] for c in BOTH_WAYS]
)
def test_a_change_of_a_schema_is_judged_by_its_direction(
    mutate: Callable[[Document], object], rule: str, request_level: Level, response_level: Level
) -> None:
    found = {(c.rule, c.direction): c.level for c in changes(mutate)}

    assert {r for r, _ in found} == {rule}
    assert found[rule, "request"] == request_level
    assert found[rule, "response"] == response_level


OPERATIONS: list[tuple[str, Callable[[Document], object], str, Level]] = [
    ("an operation goes", lambda d: d["paths"].pop("/orders/{id}"), "operation_removed", B),
    ("an operation comes", lambda d: d["paths"].update({"/x": {"get": {"responses": {}}}}), "operation_added", C),
    ("it is deprecated", lambda d: post(d).update(deprecated=True), "operation_deprecated", C),
    ("a parameter goes", lambda d: d["paths"]["/orders"]["parameters"].pop(), "parameter_removed", R),
    ("a parameter comes", lambda d: post(d).update(parameters=[{"name": "x", "in": "query"}]), "parameter_added", C),
    (
        "a required parameter comes",
        lambda d: post(d).update(parameters=[{"name": "X-Key", "in": "header", "required": True}]),
        "required_parameter_added",
        B,
    ),
    (
        "a parameter becomes required",
        lambda d: d["paths"]["/orders"]["parameters"][0].update(required=True),
        "parameter_required",
        B,
    ),
    (
        "a parameter is limited",
        lambda d: d["paths"]["/orders"]["parameters"][0]["schema"].update(maximum=10),
        "limit_tightened",
        B,
    ),
    ("the body becomes optional", lambda d: post(d)["requestBody"].update(required=False), "body_optional", C),
    ("the body goes", lambda d: post(d).pop("requestBody"), "body_removed", R),
    ("a body must come", lambda d: get(d).update(requestBody={"required": True, "content": {}}), "body_required", B),
    ("a body may come", lambda d: get(d).update(requestBody={"content": {}}), "body_added", C),
    ("a media type goes", lambda d: post(d)["requestBody"]["content"].pop("text/csv"), "media_type_removed", B),
    ("a media type comes", lambda d: post(d)["requestBody"]["content"].update({"a/b": {}}), "media_type_added", C),
    ("a success goes", lambda d: post(d)["responses"].pop("201"), "success_status_removed", B),
    ("an error goes", lambda d: post(d)["responses"].pop("422"), "error_status_removed", C),
    ("a success comes", lambda d: post(d)["responses"].update({"202": {}}), "success_status_added", R),
    ("an error comes", lambda d: post(d)["responses"].update({"409": {}}), "error_status_added", C),
    ("a header goes", lambda d: get(d)["responses"]["200"]["headers"].pop("X-Total"), "header_removed", B),
    (
        "a header becomes optional",
        lambda d: get(d)["responses"]["200"]["headers"]["X-Total"].pop("required"),
        "header_optional",
        B,
    ),
    ("a header comes", lambda d: get(d)["responses"]["200"]["headers"].update(Z={"schema": {}}), "header_added", C),
    ("a header's type", lambda d: header(d).update(type="string"), "type_changed", B),
    ("a key is asked for", lambda d: get(d).update(security=[{"key": []}]), "security_tightened", B),
    ("a scope is asked for", lambda d: post(d).update(security=[{"key": ["write"]}]), "security_tightened", B),
    ("no key is asked for", lambda d: post(d).update(security=[]), "security_loosened", C),
]


def header(d: Document) -> dict[str, Any]:
    found: dict[str, Any] = get(d)["responses"]["200"]["headers"]["X-Total"]["schema"]
    return found


@pytest.mark.parametrize(("mutate", "rule", "level"), [c[1:] for c in OPERATIONS], ids=[c[0] for c in OPERATIONS])
def test_a_change_of_an_operation_is_seen(mutate: Callable[[Document], object], rule: str, level: Level) -> None:
    found = changes(mutate)

    assert {(c.rule, c.level) for c in found} == {(rule, level)}


def test_a_field_added_to_requests_and_required_breaks_them() -> None:
    def mutate(d: Document) -> None:
        order(d)["properties"]["vat"] = {"type": "integer"}
        order(d)["required"].append("vat")

    found = {(c.rule, c.direction): c.level for c in changes(mutate)}

    assert found == {("required_field_added", "request"): B, ("field_added", "response"): C}


def test_a_field_that_requests_now_refuse_breaks_them() -> None:
    def mutate(d: Document) -> None:
        order(d)["properties"].pop("note")
        order(d)["additionalProperties"] = False

    assert ("field_refused", B) in {(c.rule, c.level) for c in changes(mutate)}


def test_titles_name_the_field_and_the_place() -> None:
    found = changes(lambda d: order(d)["properties"].pop("total"))

    texts = [c.text for c in found]
    assert "no longer returns `[].total` in 200 of GET /orders" in texts
    assert "no longer takes `total` in the body of POST /orders" in texts


def test_a_shared_schema_is_told_once_with_the_other_operations() -> None:
    [response] = [c for c in changes(lambda d: order(d)["properties"].pop("total")) if c.direction == "response"]

    assert response.pointer == "/components/schemas/Order/properties/total"
    assert set(response.also) == {"POST /orders", "GET /orders/{id}"}


def test_read_only_fields_are_no_part_of_requests() -> None:
    found = changes(lambda d: order(d)["properties"]["id"].update(minLength=9))

    assert {c.direction for c in found} == {"response"}


def test_losing_all_alternatives_but_one_is_losing_alternatives() -> None:
    found = changes(lambda d: order(d)["properties"]["how"].update(oneOf=[{"$ref": "#/components/schemas/Card"}]))

    gone = {dict(c.facts)["gone"] for c in found if c.rule == "alternative_removed" and c.level is B}
    assert gone == {"Cash", "Bank"}


def charset(d: Document) -> None:
    content = post(d)["requestBody"]["content"]
    content["application/json; charset=utf-8"] = content.pop("application/json")


REWRITES: list[tuple[str, Callable[[Document], object]]] = [
    ("null as a type list", lambda d: order(d)["properties"].update(due=nullable_any_of())),
    ("wrapped in allOf", lambda d: d["components"]["schemas"].update(Order={"allOf": [order(d)]})),
    ("split over allOf", lambda d: d["components"]["schemas"].update(Order=split(order(d)))),
    ("a reference inlined", lambda d: order(d)["properties"]["lines"].update(items=copy.deepcopy(line(d)))),
    ("required in another order", lambda d: order(d)["required"].reverse()),
    ("an enum in another order", lambda d: order(d)["properties"]["status"]["enum"].reverse()),
    ("an enum as constants", lambda d: order(d)["properties"].update(status=constants())),
    ("a path parameter renamed", lambda d: d["paths"].update({"/orders/{key}": renamed(d)})),
    ("a media type's charset", charset),
    ("a description", lambda d: order(d).update(description="hm", title="Order")),
    ("the same security twice", lambda d: post(d)["security"].append({"key": []})),
]


def nullable_any_of() -> Document:
    return {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}


def constants() -> Document:
    return {"oneOf": [{"const": "paid"}, {"const": "open", "title": "Open"}]}


def split(whole: Document) -> Document:
    return {"allOf": [{"type": "object", "required": whole["required"]}, {"properties": whole["properties"]}]}


def line(d: Document) -> Document:
    found: Document = d["components"]["schemas"]["Line"]
    return found


def renamed(d: Document) -> Document:
    item: Document = d["paths"].pop("/orders/{id}")
    item["get"]["parameters"][0]["name"] = "key"
    return item


@pytest.mark.parametrize("rewrite", [r[1] for r in REWRITES], ids=[r[0] for r in REWRITES])
def test_a_rewrite_that_changes_nothing_is_silent(rewrite: Callable[[Document], object]) -> None:
    assert changes(rewrite) == []


def test_the_openapi_3_0_way_of_null_and_exclusive_bounds_is_understood() -> None:
    old = document()
    old["openapi"] = "3.0.3"
    order(old)["properties"]["due"] = {"type": "string", "format": "date", "nullable": True}
    order(old)["properties"]["total"].update(minimum=0, exclusiveMinimum=True)
    new = copy.deepcopy(old)
    new["openapi"] = "3.1.0"
    order(new)["properties"]["due"] = {"type": ["string", "null"], "format": "date"}
    order(new)["properties"]["total"].update(minimum=0, exclusiveMinimum=0)

    assert compare_openapi(old, new).changes == ()


def test_a_document_of_a_thousand_operations_is_compared_without_walking_shared_schemas_again() -> None:
    big = document()
    for n in range(1000):
        big["paths"][f"/copy/{n}"] = copy.deepcopy(big["paths"]["/orders"])
    new = json.loads(json.dumps(big))
    order(new)["properties"].pop("total")

    comparison = compare_openapi(big, new)

    assert comparison.operations == 2003
    assert len([c for c in comparison.changes if c.level is B]) == 1


def test_what_was_optional_or_refused_before_is_seen_too() -> None:
    base = document()
    base["paths"]["/orders"]["parameters"][0]["required"] = True
    get(base)["responses"]["200"]["headers"]["X-Page"] = {"schema": {"type": "integer"}}
    line(base)["additionalProperties"] = False

    def mutate(d: Document) -> None:
        d["paths"]["/orders"]["parameters"][0]["required"] = False
        get(d)["responses"]["200"]["headers"].pop("X-Page")
        line(d).pop("additionalProperties")

    rules = {c.rule for c in changes(mutate, base)}

    assert rules == {"parameter_optional", "optional_header_removed", "extra_fields_allowed"}


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_broken_document_is_never_more_than_compared(data: st.DataObject) -> None:
    """Any value in any place: the comparison ends, and says something or nothing."""
    new = document()
    place: Any = new
    while True:
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.integers(0, 3)) == 0:
            place[key] = data.draw(_JUNK)
            break
        place = place[key]

    compare_openapi(document(), new)
    compare_openapi(new, document())
    assert compare_openapi(new, copy.deepcopy(new)).changes == ()
