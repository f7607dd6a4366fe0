"""Nobody is said to be safe who is not: changes through the real comparison, and contracts that are hit by them or not."""

from __future__ import annotations

from typing import Any

import pytest

from harness.contracts.compat import Change, Level, compare_openapi
from harness.contracts.pacts import pact_from_json
from harness.contracts.usage import usage_of
from tests.contracts.shop import http, pact

S, I = {"type": "string"}, {"type": "integer"}  # noqa: E741 (types of JSON Schema)
Document = dict[str, Any]


def obj(*required: str, **fields: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": fields}


def answering(answers: dict[str, Any], **schemas: Any) -> Document:
    """`GET /orders/1` with a schema for each status."""
    responses = {s: {"content": {"application/json": {"schema": schema}}} for s, schema in answers.items()}
    paths = {"/orders/1": {"get": {"responses": responses}}}
    return {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}}


def taking(schema: Any, *parameters: Any) -> Document:
    """`POST /orders/1` with a body and parameters."""
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    post = {"requestBody": body, "parameters": list(parameters), "responses": {"201": {}}}
    return {"openapi": "3.1.0", "paths": {"/orders/1": {"post": post}}}


def sending(body: Any, **query: str) -> dict[str, Any]:
    made = http("an order is placed", status=201)
    made["request"] |= {"method": "POST", "body": {"content": body, "contentType": "application/json"}}
    made["request"]["query"] = {name: [value] for name, value in query.items()}
    return made


def reading(body: Any, status: int = 200, **matchers: Any) -> dict[str, Any]:
    made = http("an order is read", status=status, body=body)
    made["response"]["matchingRules"] = {"body": {path: {"matchers": [m]} for path, m in matchers.items()}}
    return made


def hit(old: Document, new: Document, interaction: dict[str, Any]) -> list[str]:
    """Rules of the changes that hit the contract and are more than compatible for it."""
    usage = usage_of([pact_from_json(pact(interaction))], old)

    def matters(change: Change) -> bool:
        hits = usage.affected(change)
        return bool(hits) and usage.level(change, hits) is not Level.COMPATIBLE

    return [change.rule for change in compare_openapi(old, new).changes if matters(change)]


def tree(*fields: str) -> Document:
    ref = {"$ref": "#/components/schemas/Node"}
    node = obj(*fields, **dict.fromkeys(fields, S), kids={"type": "array", "items": ref}, next=ref)
    return answering({"200": ref}, Node=node)


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ({"m": "x"}, True),
        ({"kids": [{"m": "x"}]}, True),
        ({"next": {"kids": [{"next": {"m": "x"}}]}}, True),
        ({"kids": [{"n": "x"}]}, False),
        ({"n": {"m": "x"}}, False),
    ],
)
def test_a_field_of_a_schema_that_holds_itself_is_read_at_any_depth(body: Any, read: bool) -> None:
    assert hit(tree("m", "n"), tree("n"), reading(body)) == (["field_removed"] if read else [])


@pytest.mark.parametrize("first", ["A", "B"])
@pytest.mark.parametrize("body", [{"x": "1"}, {"b": {"a": {"x": "1"}}}, {"a": {"b": {"a": {"x": "1"}}}}])
def test_schemas_that_hold_each_other_hide_no_change_whichever_is_come_to_first(first: str, body: Any) -> None:
    def document(*fields: str) -> Document:
        a, b = ({"$ref": f"#/components/schemas/{name}"} for name in "AB")
        schemas = {"A": obj(*fields, **dict.fromkeys(fields, S), b=b), "B": obj(a=a)}
        both = answering({"200": obj(a=a, b=b, **({"x": S} if "x" in fields else {}))}, **schemas)
        ahead = {"$ref": f"#/components/schemas/{first}"}
        paths = {"/before": {"get": {"responses": {"200": {"content": {"application/json": {"schema": ahead}}}}}}}
        return both | {"paths": paths | both["paths"]}

    assert hit(document("x"), document(), reading(body))


def test_what_only_a_matcher_speaks_of_is_read() -> None:
    def document(*fields: str) -> Document:
        line = obj(*fields, **dict.fromkeys(fields, S))
        lines = {"type": "array", "items": line}
        return answering({"200": obj("k", "l", "lines", k=obj("a", a=S), l=line, lines=lines)})

    old, new = document("a", "b"), document("a")
    variants = {"match": "arrayContains", "variants": [{"index": 0, "rules": {"$.b": {"matchers": []}}}]}
    for body, matchers in (
        ({"l": {}}, {"$.l.b": {"match": "type"}}),
        ({"l": {}}, {"$['l']['b']": {"match": "type"}}),
        ({"k": {"a": "x"}}, {"$.*.b": {"match": "type"}}),
        ({"lines": []}, {"$.lines[*].b": {"match": "type"}}),
        ({"lines": []}, {"$.lines": variants}),
        ({"l": {}}, {"$..b": {"match": "type"}}),
    ):
        assert hit(old, new, reading(body, **matchers)), matchers
    assert hit(old, new, reading({"l": {}}, **{"$.l.a": {"match": "type"}})) == []


def test_a_status_that_gets_a_range_of_its_own_is_still_the_one_the_consumer_expects() -> None:
    full, less = obj("a", "b", a=S, b=S), obj("a", a=S)
    old = answering({"200": obj(), "default": full})

    assert hit(old, answering({"200": obj(), "4XX": less, "default": full}), reading({"b": "x"}, 404))
    assert hit(old, answering({"200": obj(), "404": less, "default": full}), reading({"b": "x"}, 404))
    assert not hit(old, answering({"200": obj(), "5XX": less, "default": full}), reading({"b": "x"}, 404))


def test_an_error_that_a_consumer_expects_and_that_goes_is_a_warning_for_it() -> None:
    old, new = answering({"200": S, "404": S}), answering({"200": S})

    assert hit(old, new, reading("x", 404)) == ["error_status_removed"]
    assert hit(old, new, reading("x", 200)) == []


def test_what_is_asked_for_once_it_is_no_longer_read_only_hits_who_does_not_send_it() -> None:
    old, new = taking(obj("a", a=S | {"readOnly": True}, c=S)), taking(obj("a", a=S, c=S))

    assert hit(old, new, sending({"c": "x"})) == ["field_not_read_only"]
    assert hit(old, new, sending({"c": "x", "a": "y"})) == []


def test_a_default_that_changes_hits_who_relies_on_it() -> None:
    def document(default: str) -> Document:
        sort = {"in": "query", "name": "sort", "schema": S | {"default": default}}
        return taking(obj(a=S | {"default": default}), sort)

    old, new = document("x"), document("y")
    assert hit(old, new, sending({})) == ["default_changed", "default_changed"]
    assert hit(old, new, sending({"a": "x"}, sort="x")) == []


@pytest.mark.parametrize(
    ("lines", "hits"), [([{"s": 1}, {"s": 2}], False), ([{"s": 1}, {"q": 2}], True), ([], False), ([{}], True)]
)
def test_a_field_required_of_every_item_hits_who_leaves_it_out_of_one(lines: Any, hits: bool) -> None:
    def document(*required: str) -> Document:
        return taking(obj(lines={"type": "array", "items": obj(*required, s=I, q=I)}))

    assert hit(document(), document("s"), sending({"lines": lines})) == (["field_required"] if hits else [])


@pytest.mark.parametrize(("name", "sent"), [("ids", "ids"), ("ids", "ids[]"), ("ids[]", "ids[]"), ("f[a]", "f[a]")])
def test_a_change_inside_of_a_parameter_hits_who_sends_it(name: str, sent: str) -> None:
    def document(items: Any) -> Document:
        return taking({}, {"in": "query", "name": name, "schema": {"type": "array", "items": items}})

    assert hit(document(S), document(I), sending({}, **{sent: "1"})) == ["type_changed"]
    assert hit(document(S), document(I), sending({}, other="1")) == []
