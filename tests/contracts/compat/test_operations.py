"""Every rule about operations fires where it should; callbacks and webhooks are judged the other way round."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import date
from typing import Any

import pytest

from harness.contracts.compat import Change, Level, PartKind, compare_openapi
from harness.contracts.compat.catalogue import operations

Document = dict[str, Any]
Step = Callable[[Document], object]
B, W, C = Level.BREAKING, Level.WARNING, Level.COMPATIBLE
TODAY = date(2026, 6, 1)


def document() -> Document:
    """One operation with everything an operation can have, a callback and a webhook."""
    json_text = {"application/json": {"schema": {"type": "string"}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "parcels", "version": "1"},
        "servers": [
            {"url": "https://a.example/{v}", "variables": {"v": {"default": "v1"}}},
            {"url": "https://b.example"},
        ],
        "paths": {"/parcels/{id}": {"post": _operation(json_text)}},
        "webhooks": {"lost": {"post": _operation(json_text)}},
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
                "login": {
                    "type": "oauth2",
                    "flows": {
                        "clientCredentials": {"tokenUrl": "https://t.example", "scopes": {"read": "", "write": ""}}
                    },
                },
            }
        },
    }


def _operation(content: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": "send",
        "security": [{"key": []}],
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
            {"name": "tag", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
            {"name": "trace", "in": "header", "required": True, "schema": {"type": "string"}},
        ],
        "requestBody": {"required": True, "content": deepcopy(content) | {"text/csv": {}}},
        "responses": {
            "200": {
                "description": "",
                "headers": {"X-Sure": {"required": True, "schema": {}}, "X-Maybe": {"schema": {}}},
                "content": deepcopy(content),
            },
            "404": {"description": ""},
        },
    }


def call(d: Document) -> dict[str, Any]:
    """The operation clients call."""
    found: dict[str, Any] = d["paths"]["/parcels/{id}"]["post"]
    return found


def hook(d: Document) -> dict[str, Any]:
    """The operation the service calls."""
    found: dict[str, Any] = d["webhooks"]["lost"]["post"]
    return found


def path_of(d: Document) -> dict[str, Any]:
    """What holds the operation that clients call."""
    return next(item for item in d["paths"].values() if call(d) in item.values())  # type: ignore[no-any-return]


def headers(d: Document) -> dict[str, Any]:
    """Headers of its first answer."""
    return next(iter(call(d)["responses"].values())).setdefault("headers", {})  # type: ignore[no-any-return]


LIST = {"type": "array", "items": {"type": "string"}}


def nothing(_: Document) -> None: ...


def compared(old: Step, new: Step) -> list[Change]:
    before, after = document(), document()
    old(before)
    new(after)
    return list(compare_openapi(before, after, today=TODAY).changes)


def _response(o: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = o["responses"]["200"]
    return found


#: What happens to an operation: by rule and level for one that is called, and for one that the service calls.
INSIDE: list[tuple[str, Callable[[dict[str, Any]], object], str, Level, Level]] = [
    ("a parameter goes", lambda o: o["parameters"].pop(1), "parameter_removed", W, B),
    ("a parameter comes", lambda o: o["parameters"].append({"name": "x", "in": "query"}), "parameter_added", C, C),
    (
        "a required parameter comes",
        lambda o: o["parameters"].append({"name": "x", "in": "query", "required": True}),
        "required_parameter_added",
        B,
        C,
    ),
    ("a parameter becomes required", lambda o: o["parameters"][1].update(required=True), "parameter_required", B, C),
    ("a parameter becomes optional", lambda o: o["parameters"][2].update(required=False), "parameter_optional", C, B),
    (
        "a list is written otherwise",
        lambda o: o["parameters"][1].update(explode=False),
        "parameter_style_changed",
        B,
        B,
    ),
    ("a parameter is deprecated", lambda o: o["parameters"][1].update(deprecated=True), "parameter_deprecated", C, C),
    ("the body becomes optional", lambda o: o["requestBody"].update(required=False), "body_optional", C, B),
    ("the body goes", lambda o: o.pop("requestBody"), "body_removed", W, B),
    (
        "a media type of requests goes",
        lambda o: o["requestBody"]["content"].pop("text/csv"),
        "media_type_removed",
        B,
        B,
    ),
    (
        "a media type of requests comes",
        lambda o: o["requestBody"]["content"].update({"a/b": {}}),
        "media_type_added",
        C,
        C,
    ),
    (
        "parts are encoded otherwise",
        lambda o: o["requestBody"]["content"]["text/csv"].update(encoding={"x": {"style": "form"}}),
        "encoding_changed",
        W,
        W,
    ),
    ("a success goes", lambda o: o["responses"].pop("200"), "success_status_removed", B, B),
    ("an error goes", lambda o: o["responses"].pop("404"), "error_status_removed", C, B),
    ("a success comes", lambda o: o["responses"].update({"202": {}}), "success_status_added", W, C),
    ("an error comes", lambda o: o["responses"].update({"409": {}}), "error_status_added", C, C),
    ("a promised header goes", lambda o: _response(o)["headers"].pop("X-Sure"), "header_removed", B, W),
    ("a possible header goes", lambda o: _response(o)["headers"].pop("X-Maybe"), "optional_header_removed", W, W),
    ("a header becomes possible", lambda o: _response(o)["headers"]["X-Sure"].pop("required"), "header_optional", B, C),
    (
        "a header is promised",
        lambda o: _response(o)["headers"]["X-Maybe"].update(required=True),
        "header_required",
        C,
        B,
    ),
    ("a possible header comes", lambda o: _response(o)["headers"].update({"X-New": {}}), "header_added", C, C),
    (
        "a promised header comes",
        lambda o: _response(o)["headers"].update({"X-New": {"required": True}}),
        "required_header_added",
        C,
        B,
    ),
]

#: What happens to documents and operations as a whole, or needs another document to begin with.
WHOLE: list[tuple[str, Step, Step, str, Level]] = [
    ("an operation goes", nothing, lambda d: d["paths"].clear(), "operation_removed", B),
    (
        "a deprecated operation goes without a day",
        lambda d: call(d).update(deprecated=True),
        lambda d: d["paths"].clear(),
        "operation_removed",
        B,
    ),
    (
        "an operation goes before its day",
        lambda d: call(d).update({"deprecated": True, "x-sunset": "2026-06-02"}),
        lambda d: d["paths"].clear(),
        "operation_removed_early",
        B,
    ),
    (
        "an operation goes on its day",
        lambda d: call(d).update({"deprecated": True, "x-sunset": "2026-06-01"}),
        lambda d: d["paths"].clear(),
        "operation_retired",
        W,
    ),
    ("an operation comes", lambda d: d["paths"].clear(), nothing, "operation_added", C),
    ("an operation is deprecated", nothing, lambda d: call(d).update(deprecated=True), "operation_deprecated", C),
    ("it is not deprecated any more", lambda d: call(d).update(deprecated=True), nothing, "operation_undeprecated", C),
    (
        "its day is brought forward",
        lambda d: call(d).update({"x-sunset": "2027-06-01"}),
        lambda d: call(d).update({"x-sunset": "2027-05-01"}),
        "sunset_brought_forward",
        W,
    ),
    ("its id changes", nothing, lambda d: call(d).update(operationId="post"), "operation_id_changed", C),
    ("a webhook goes", nothing, lambda d: d["webhooks"].clear(), "callback_removed", B),
    ("a webhook comes", lambda d: d["webhooks"].clear(), nothing, "callback_added", C),
    ("a body must come", lambda d: call(d).pop("requestBody"), nothing, "body_required", B),
    ("the service now sends a body", lambda d: hook(d).pop("requestBody"), nothing, "body_required", C),
    (
        "a body may come",
        lambda d: call(d).pop("requestBody"),
        lambda d: call(d)["requestBody"].update(required=False),
        "body_added",
        C,
    ),
    ("a key is asked for", lambda d: call(d).update(security=[]), nothing, "security_tightened", B),
    ("no key is asked for", nothing, lambda d: call(d).update(security=[]), "security_loosened", C),
    (
        "the key is wanted elsewhere",
        nothing,
        lambda d: d["components"]["securitySchemes"]["key"].update({"in": "query"}),
        "security_tightened",
        B,
    ),
    (
        "tokens come from elsewhere",
        nothing,
        lambda d: d["components"]["securitySchemes"]["login"]["flows"]["clientCredentials"].update(
            tokenUrl="https://u"
        ),
        "security_flow_changed",
        W,
    ),
    (
        "a scope is not on offer any more",
        nothing,
        lambda d: d["components"]["securitySchemes"]["login"]["flows"]["clientCredentials"]["scopes"].pop("write"),
        "security_scope_removed",
        W,
    ),
    ("one server goes", nothing, lambda d: d["servers"].pop(), "server_removed", W),
    ("a server comes", nothing, lambda d: d["servers"].append({"url": "https://c.example"}), "server_added", C),
    ("every server goes", nothing, lambda d: d.update(servers=[{"url": "https://c.example"}]), "servers_replaced", B),
    (
        "the default of a server's variable changes",
        lambda d: d["servers"].pop(),
        lambda d: (d["servers"].pop(), d["servers"][0]["variables"]["v"].update(default="v2")),
        "servers_replaced",
        B,
    ),
    (
        "a value of a server's variable goes",
        lambda d: d["servers"][0]["variables"]["v"].update(enum=["v1", "v2"]),
        lambda d: d["servers"][0]["variables"]["v"].update(enum=["v1"]),
        "server_removed",
        W,
    ),
    ("one operation moves", nothing, lambda d: call(d).update(servers=[{"url": "/x"}]), "servers_replaced", B),
    (
        "a path moves",
        lambda d: path_of(d).update(servers=[{"url": "/x"}]),
        lambda d: path_of(d).update(servers=[{"url": "/y"}]),
        "servers_replaced",
        B,
    ),
    (
        "everything moves below a path",
        lambda d: d.pop("servers"),
        lambda d: d.update(servers=[{"url": "/v2"}]),
        "servers_replaced",
        B,
    ),
    (
        "a list among alternatives is written otherwise",
        lambda d: call(d)["parameters"][1].update(schema={"oneOf": [{"type": "string"}, LIST]}),
        lambda d: call(d)["parameters"][1].update(schema={"oneOf": [{"type": "string"}, LIST]}, explode=False),
        "parameter_style_changed",
        B,
    ),
    (
        "a header is written otherwise",
        lambda d: headers(d).update({"X-List": {"schema": {"type": "object"}}}),
        lambda d: headers(d).update({"X-List": {"schema": {"type": "object"}, "explode": True}}),
        "parameter_style_changed",
        B,
    ),
    (
        "a parameter takes a list as well",
        lambda d: call(d)["parameters"][1].update(schema={"type": "string"}),
        lambda d: call(d)["parameters"][1].update(schema={"type": ["string", "array"], "items": {"type": "string"}}),
        "type_widened",
        C,
    ),
]


def _rename_key(d: Document) -> None:
    schemes = d["components"]["securitySchemes"]
    schemes["apikey"] = schemes.pop("key")
    call(d)["security"] = [{"apikey": []}]


SAME: list[tuple[str, Step, Step]] = [
    ("a security scheme has another name", nothing, _rename_key),
    ("a default is written down", nothing, lambda d: call(d)["parameters"][1].update(style="form", explode=True)),
    ("a host is written in capitals", nothing, lambda d: d["servers"][1].update(url="HTTPS://B.Example")),
    ("the root is said", lambda d: d.pop("servers"), lambda d: d.update(servers=[{"url": "/"}])),
    ("an address is said for the first time", lambda d: d.pop("servers"), nothing),
    ("a server ends with a slash", nothing, lambda d: d["servers"][1].update(url="https://b.example/")),
    (
        "a media type has a parameter",
        nothing,
        lambda d: call(d)["requestBody"]["content"].update(
            {"text/csv; charset=utf-8": call(d)["requestBody"]["content"].pop("text/csv")}
        ),
    ),
]


@pytest.mark.parametrize(("change", "rule", "level"), [c[1:4] for c in INSIDE], ids=[c[0] for c in INSIDE])
def test_a_change_of_an_operation_clients_call(change: Callable[[Any], object], rule: str, level: Level) -> None:
    found = compared(nothing, lambda d: change(call(d)))

    assert [(c.rule, c.level) for c in found] == [(rule, level)]


@pytest.mark.parametrize(("change", "rule", "level"), [(*c[1:3], c[4]) for c in INSIDE], ids=[c[0] for c in INSIDE])
@pytest.mark.parametrize("where", ["webhook", "callback"])
def test_a_change_of_an_operation_the_service_calls_is_judged_the_other_way_round(
    where: str, change: Callable[[Any], object], rule: str, level: Level
) -> None:
    def with_callback(d: Document) -> None:
        call(d)["callbacks"] = {"done": {"{$request.body#/url}": {"post": hook(d)}}}
        d.pop("webhooks")

    def inside(d: Document) -> None:
        change(hook(d))
        if where == "callback":
            with_callback(d)

    found = compared(with_callback if where == "callback" else nothing, inside)

    assert [(c.rule, c.level) for c in found] == [(rule, level)]
    assert where in found[0].operation


@pytest.mark.parametrize(("old", "new", "rule", "level"), [c[1:] for c in WHOLE], ids=[c[0] for c in WHOLE])
def test_a_change_of_the_whole(old: Step, new: Step, rule: str, level: Level) -> None:
    found = compared(old, new)

    assert [(c.rule, c.level) for c in found] == [(rule, level)]


@pytest.mark.parametrize(("old", "new"), [c[1:] for c in SAME], ids=[c[0] for c in SAME])
def test_the_same_said_otherwise_is_no_change(old: Step, new: Step) -> None:
    assert compared(old, new) == []


def test_every_rule_about_operations_fires_here() -> None:
    fired = {c[2] for c in INSIDE} | {c[3] for c in WHOLE}

    assert fired - {"type_widened"} == {rule.id for rule in operations.RULES}


def test_what_a_client_never_gets_from_the_service_is_told_from_what_it_never_sends() -> None:
    """A request schema of a webhook that says more is a response that says more: a receiver can fail."""

    def wider(d: Document) -> None:
        hook(d)["requestBody"]["content"]["application/json"]["schema"] = {"type": ["string", "integer"]}

    assert {c.level for c in compared(nothing, wider)} == {B}


def test_a_change_says_which_part_of_the_exchange_it_is_about() -> None:
    def shorter(d: Document) -> None:
        call(d)["requestBody"]["content"]["application/json"]["schema"] = {"type": "string", "maxLength": 3}

    [found] = compared(nothing, shorter)

    assert (found.part.kind, found.part.media_type) == (PartKind.REQUEST_BODY, "application/json")
    assert found.example


def test_answers_named_one_by_one_instead_of_by_their_range_are_compared_with_it() -> None:
    def ranged(d: Document) -> None:
        call(d)["responses"] = {"2XX": call(d)["responses"]["200"], "404": {}}

    def named(d: Document) -> None:
        _response(call(d))["content"]["application/json"]["schema"] = {"type": "integer"}

    assert [c.rule for c in compared(ranged, named)] == ["type_changed"]


def test_a_range_of_media_types_stands_for_each_in_it() -> None:
    def ranged(d: Document) -> None:
        content = call(d)["requestBody"]["content"]
        content["text/*"] = content.pop("text/csv")

    assert [(c.rule, c.level) for c in compared(nothing, ranged)] == [("media_type_added", C)]
    assert [(c.rule, c.level) for c in compared(ranged, nothing)] == [("media_type_removed", B)]


def test_a_range_that_is_answered_by_one_of_its_types_gives_no_more_than_before() -> None:
    def ranged(d: Document) -> None:
        content = _response(call(d))["content"]
        content["*/*"] = content.pop("application/json")

    assert compared(ranged, nothing) == []


def test_a_scheme_that_asks_for_another_header_under_the_same_name_is_told_with_the_headers() -> None:
    new = document()
    new["components"]["securitySchemes"]["key"]["name"] = "X-Token"

    found = compare_openapi(document(), new).changes

    [change] = [c for c in found if c.rule == "security_tightened" and "/parcels" in c.operation]
    assert change.text.endswith("key (header X-Key) was enough, now key (header X-Token)")


def test_versions_of_a_media_type_are_told_apart() -> None:
    def both(d: Document) -> None:
        content = _response(call(d))["content"]
        content["application/json; v=1"] = content.pop("application/json")
        content["application/json; v=2"] = {"schema": {"type": "integer"}}

    def second(d: Document) -> None:
        both(d)
        del _response(call(d))["content"]["application/json; v=1"]

    assert [(c.rule, c.part.media_type) for c in compared(both, second)] == [("media_type_removed", "application/json")]


def test_a_body_without_a_schema_is_any_value() -> None:
    def anything(d: Document) -> None:
        del _response(call(d))["content"]["application/json"]["schema"]
        del call(d)["requestBody"]["content"]["application/json"]["schema"]

    assert [c.direction for c in compared(nothing, anything) if c.level is B] == ["response"]
    assert [c.direction for c in compared(anything, nothing) if c.level is B] == ["request"]


def test_a_slash_at_the_end_is_another_path() -> None:
    def slashed(d: Document) -> None:
        d["paths"]["/parcels/{id}/"] = d["paths"].pop("/parcels/{id}")

    def both(d: Document) -> None:
        d["paths"]["/parcels/{id}/"] = {"post": {"responses": {}}}

    assert [c.rule for c in compared(nothing, slashed)] == ["operation_removed", "operation_added"]
    assert [(c.rule, c.operation) for c in compared(both, slashed) if c.rule == "operation_removed"] == [
        ("operation_removed", "POST /parcels/{id}")
    ]


def test_no_operation_hides_behind_another_of_the_same_form() -> None:
    def twice(d: Document) -> None:
        d["paths"]["/parcels/{name}"] = {"post": {"responses": {}}}

    assert [c.operation for c in compared(twice, nothing)] == ["POST /parcels/{name}"]


def test_changes_come_in_the_order_of_the_document() -> None:
    def more(d: Document) -> None:
        call(d)["responses"] |= {status: {"description": ""} for status in ("201", "202", "203", "206", "207")}
        call(d)["requestBody"]["content"] |= {f"text/x{n}": {} for n in range(5)}

    facts = [dict(c.facts)["added"] for c in compared(nothing, more)]

    assert facts == ["201", "202", "203", "206", "207"] + [f"text/x{n}" for n in range(5)]
