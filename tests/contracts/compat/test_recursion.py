"""Schemas that hold themselves or each other, and shared ones: every place is known, and no document grows without end."""

from __future__ import annotations

from typing import Any

from harness.contracts.compat import Change, compare_openapi

S = {"type": "string"}
Document = dict[str, Any]


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def document(*answers: str, **schemas: Any) -> Document:
    paths = {
        f"/{name}": {"get": {"responses": {"200": {"content": {"application/json": {"schema": ref(name)}}}}}}
        for name in answers
    }
    return {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas}}


def obj(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields}


def removed(old: Document, new: Document) -> Change:
    [change] = [c for c in compare_openapi(old, new).changes if c.rule == "optional_field_removed"]
    return change


def test_an_operation_whose_schema_was_met_inside_of_another_one_is_told_too() -> None:
    old = document("A", "B", A=obj(x=S, b=ref("B")), B=obj(a=ref("A")))
    new = document("A", "B", A=obj(b=ref("B")), B=obj(a=ref("A")))

    change = removed(old, new)

    assert (change.operation, change.also) == ("GET /A", ("GET /B",))
    assert {(operation, path) for operation, _, path, _ in change.spots} == {
        ("GET /A", ("x",)),
        ("GET /B", ("a", "x")),
    }


def test_a_schema_used_in_a_great_many_places_ends() -> None:
    def doubling(**last: Any) -> Document:
        steps = {f"S{n}": obj(left=ref(f"S{n + 1}"), right=ref(f"S{n + 1}")) for n in range(60)}
        return document("S0", **steps, S60=obj(**last))

    change = removed(doubling(a=S, b=S), doubling(a=S))

    assert change.path[-1] == "b"
    assert len(change.spots) <= 16


def test_schemas_that_all_hold_each_other_end() -> None:
    def tangled(**last: Any) -> Document:
        names = [f"S{n}" for n in range(20)]
        return document(*names, **{n: obj(**last, **{f"to{m}": ref(m) for m in names}) for n in names})

    changes = compare_openapi(tangled(a=S), tangled(a={"type": "integer"})).changes

    assert {c.rule for c in changes} == {"type_changed"}
    assert all(len(c.also) == 19 for c in changes)
