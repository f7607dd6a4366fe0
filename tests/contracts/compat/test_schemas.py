"""Schemas in depth: every rule fires, is as bad as its direction makes it, and equal meanings are silent."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from harness.contracts.compat.catalogue import schemas
from harness.contracts.compat.changes import Change
from harness.contracts.compat.rules import Direction, Level
from harness.contracts.compat.schemas import SchemaComparer, Spot
from harness.documents.nodes import Node

B, W, C = Level.BREAKING, Level.WARNING, Level.COMPATIBLE
S = {"type": "string"}
I = {"type": "integer"}  # noqa: E741 (as S)


def found(old: Any, new: Any, way: Direction, today: date | None = None) -> list[Change]:
    spot = Spot(way, "GET /x", "GET /x")
    return list(SchemaComparer(today).compare(Node({}, old, "/old"), Node({}, new, "/new"), spot))


def obj(*required: str, **fields: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": fields}


def closed(**fields: Any) -> dict[str, Any]:
    return {**obj(**fields), "additionalProperties": False}


def told_apart(name: str, **mapping: str) -> dict[str, Any]:
    return {"type": "object", "discriminator": {"propertyName": name, "mapping": mapping}}


OLD_DAY = {**S, "deprecated": True, "x-sunset": "2020-01-01"}
LONG, SHORT = {**S, "maxLength": 9}, {**S, "maxLength": 3}

P_A, T_S, M_1 = {**S, "pattern": "^a"}, {"type": "array", "prefixItems": [S]}, {"additionalProperties": {"minimum": 1}}


def both(*parts: Any) -> dict[str, Any]:
    return {"allOf": list(parts)}


def by(step: int) -> dict[str, Any]:
    return {**I, "multipleOf": step}


KINDS = [{**obj("k", k={"const": name}), "title": name} for name in "abc"]

#: rule, old, new, how bad it is for a request and for a response (None: another rule tells it there)
TABLE: list[tuple[str, Any, Any, Level | None, Level | None]] = [
    ("field_removed", obj("a", a=S), obj(), W, B),
    ("optional_field_removed", obj(a=S), obj(), W, W),
    ("field_refused", closed(a=S), closed(), B, None),
    ("field_added", obj(), obj(a=S), C, C),
    ("required_field_added", obj(), obj("a", a=S), B, None),
    ("field_required", obj(a=S), obj("a", a=S), B, C),
    ("field_optional", obj("a", a=S), obj(a=S), C, B),
    ("field_removed_after_sunset", obj("a", a=OLD_DAY), obj(), W, W),
    ("field_read_only", obj(a=S), obj(a={**S, "readOnly": True}), W, None),
    ("field_not_read_only", obj(a={**S, "readOnly": True}), obj("a", a=S), B, None),
    ("field_write_only", obj("a", a=S), obj("a", a={**S, "writeOnly": True}), None, B),
    ("field_not_write_only", obj(a={**S, "writeOnly": True}), obj(a=S), None, C),
    ("type_changed", S, I, B, B),
    ("type_narrowed", {"type": ["string", "null"]}, S, B, C),
    ("type_widened", I, {"type": "number"}, C, B),
    ("enum_value_removed", {"enum": ["a", "b"]}, {"enum": ["a"]}, B, C),
    ("enum_value_added", {"enum": ["a"]}, {"enum": ["a", "b"]}, C, W),
    ("enum_introduced", S, {**S, "enum": ["a"]}, B, C),
    ("enum_dropped", {**S, "enum": ["a"]}, S, C, W),
    ("const_changed", {"const": "a"}, {"const": "b"}, B, B),
    ("known_value_removed", {**S, "x-extensible-enum": ["a", "b"]}, {**S, "x-extensible-enum": ["a"]}, W, C),
    ("known_value_added", {**S, "x-extensible-enum": ["a"]}, {**S, "x-extensible-enum": ["a", "b"]}, C, C),
    ("limit_tightened", LONG, SHORT, B, C),
    ("limit_loosened", SHORT, LONG, C, B),
    ("pattern_added", S, {**S, "pattern": "^a"}, B, C),
    ("pattern_removed", {**S, "pattern": "^a"}, S, C, B),
    ("pattern_changed", {**S, "pattern": "^a"}, {**S, "pattern": "^b"}, B, B),
    ("format_added", S, {**S, "format": "date"}, W, C),
    ("format_removed", {**S, "format": "date"}, S, C, W),
    ("format_changed", {**I, "format": "int32"}, {**I, "format": "int64"}, C, B),
    ("format_changed", {**I, "format": "int64"}, {**I, "format": "int32"}, B, C),
    ("format_changed", {**S, "format": "date"}, {**S, "format": "time"}, W, W),
    ("extra_fields_refused", obj(), closed(), B, C),
    ("extra_fields_allowed", closed(), obj(), C, C),
    ("alternative_removed", {"oneOf": KINDS}, {"oneOf": KINDS[:2]}, B, C),
    ("alternative_added", {"oneOf": KINDS[:2]}, {"oneOf": KINDS}, C, B),
    ("exclusion_changed", I, {**I, "not": {"const": 7}}, B, C),
    ("discriminator_added", {"type": "object"}, told_apart("kind"), W, W),
    ("discriminator_removed", told_apart("kind"), {"type": "object"}, W, W),
    ("discriminator_changed", told_apart("kind"), told_apart("sort"), B, B),
    ("discriminator_value_removed", told_apart("k", a="A", b="B"), told_apart("k", a="A"), B, C),
    ("discriminator_value_added", told_apart("k", a="A"), told_apart("k", a="A", b="B"), C, W),
    ("values_narrowed", {"type": "object"}, {"type": "object", "patternProperties": {"^x": I}}, B, C),
    ("values_narrowed", {"type": "array"}, {"type": "array", "contains": I}, B, C),
    ("values_narrowed", {"type": "object"}, {"type": "object", "propertyNames": {"maxLength": 2}}, B, C),
    ("values_narrowed", {"type": "object"}, {"type": "object", "dependentRequired": {"a": ["b"]}}, B, C),
    ("values_narrowed", {"type": "object"}, {"type": "object", "dependencies": {"a": ["b"]}}, B, C),
    ("values_narrowed", {"type": "object"}, {"type": "object", "required": ["a"]}, B, C),
    ("values_narrowed", I, {**I, "if": {"minimum": 5}, "then": {"maximum": 9}}, B, C),
    ("values_narrowed", {"anyOf": [I, LONG, SHORT]}, {"oneOf": [I, LONG, SHORT]}, B, C),
    ("values_widened", {"type": "array", "contains": I}, {"type": "array"}, C, B),
    ("values_widened", {"type": "object", "patternProperties": {"^x": I}}, {"type": "object"}, C, B),
    ("content_encoding_changed", {**S, "format": "byte"}, {**S, "contentEncoding": "base32"}, B, B),
    ("content_media_type_changed", {**S, "contentMediaType": "text/css"}, {**S, "contentMediaType": "a/b"}, W, W),
    ("default_added", S, {**S, "default": "a"}, C, C),
    ("default_changed", {**S, "default": "a"}, {**S, "default": "b"}, W, C),
    ("field_deprecated", S, {**S, "deprecated": True}, C, C),
    ("field_undeprecated", {**S, "deprecated": True}, S, C, C),
    ("sunset_earlier", OLD_DAY, {**OLD_DAY, "x-sunset": "2019-01-01"}, W, W),
    ("sunset_later", OLD_DAY, {**OLD_DAY, "x-sunset": "2030-01-01"}, C, C),
    ("type_narrowed", {"type": "array"}, {"type": "array", "items": S}, B, C),
    ("type_narrowed", {"type": "object"}, {"type": "object", "additionalProperties": S}, B, C),
    ("type_narrowed", {"type": "array"}, {"type": "array", "prefixItems": [S]}, B, C),
    ("pattern_changed", both(P_A, {"pattern": "b$"}), both(P_A, {"pattern": "c$"}), B, B),
    ("pattern_changed", both(P_A), both(P_A, {"pattern": "c$"}), B, C),
    ("format_changed", both({"format": "uri"}, {"format": "a"}), both({"format": "uri"}, {"format": "b"}), W, W),
    ("type_changed", both(T_S, {"prefixItems": [{}, I]}), both(T_S, {"prefixItems": [{}, S]}), B, B),
    ("type_changed", both(M_1, {"additionalProperties": I}), both(M_1, {"additionalProperties": S}), B, B),
    ("limit_tightened", both(by(6), by(4)), both(by(8), by(9)), B, C),
    ("limit_loosened", both(by(8), by(9)), both(by(6), by(4)), C, B),
]
CASES = [
    (rule, old, new, way, level)
    for rule, old, new, *levels in TABLE
    for way, level in zip(Direction, levels, strict=True)
    if level is not None
]


@pytest.mark.parametrize(("rule", "old", "new", "way", "level"), CASES)
def test_a_rule_fires_as_bad_as_its_direction_makes_it(
    rule: str, old: Any, new: Any, way: Direction, level: Level
) -> None:
    told = found(old, new, way, today=date(2026, 1, 1))

    assert {(c.rule, c.level) for c in told} == {(rule, level)}


#: Fired by tests of their own below.
ELSEWHERE = {"discriminator_value_changed", "schema_changed"}


def test_no_rule_about_schemas_is_missing_from_the_table() -> None:
    assert {rule for rule, *_ in CASES} | ELSEWHERE == {rule.id for rule in schemas.RULES}


def test_a_discriminator_value_that_leads_to_another_schema_is_told_and_a_renamed_schema_is_not() -> None:
    def document(name: str, schema: Any) -> Node:
        root = {"components": {"schemas": {name: schema}}}
        return Node(root, told_apart("k", a=name), "/x")

    def rules(new: Node) -> list[str]:
        spot = Spot(Direction.RESPONSE, "GET /x", "GET /x")
        return [c.rule for c in SchemaComparer().compare(document("A", S), new, spot)]

    assert rules(document("B", I)) == ["discriminator_value_changed"]
    assert rules(document("B", S)) == []


def test_what_was_not_worked_out_is_said_and_is_a_warning() -> None:
    old = {"type": "array", "contains": {**I, "minimum": 2}}
    new = {"type": "array", "contains": {**I, "exclusiveMinimum": 1}}

    assert [(c.rule, c.level) for c in found(old, new, Direction.REQUEST)] == [("schema_changed", W)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"const": 1}, {"enum": [1]}),
        ({**I, "minimum": 1}, {**I, "exclusiveMinimum": 0}),
        ({**S, "nullable": True}, {"anyOf": [{"type": "null"}, S]}),
        ({**S, "format": "byte"}, {**S, "contentEncoding": "base64"}),
        ({"anyOf": [LONG, I]}, {"oneOf": [I, LONG]}),
        ({"type": "object", "dependencies": {"a": ["b"]}}, {"type": "object", "dependentRequired": {"a": ["b"]}}),
        ({"type": "array", "items": [S]}, {"type": "array", "prefixItems": [S]}),
        ({"allOf": [obj("a", a=S), obj(b=I)]}, obj("a", a=S, b=I)),
        ({"type": "object", "additionalProperties": True}, {"type": "object", "additionalProperties": {}}),
        (both(by(2), by(3)), by(6)),
        (both(P_A, {"pattern": "b$"}), both({"pattern": "b$"}, P_A)),
        ({**S, "pattern": "^[0-9]{1,}-$"}, {**S, "pattern": "^\\d+\\-$"}),
        ({**S, "pattern": ".*"}, S),
        ({**S, "not": False}, S),
        ({**obj("a", a=S), "if": {"required": ["a"]}}, obj("a", a=S)),
        ({**obj(a=S), "patternProperties": {}, "dependentRequired": {}}, obj(a=S)),
        ({**obj(a=S), "unevaluatedProperties": False}, closed(a=S)),
        ({"oneOf": [obj("k", "c", k={"const": n}, c=S) for n in "ab"]}, {**obj("c", c=S), "oneOf": KINDS[:2]}),
        (
            {"oneOf": [obj(a={"enum": ["x", "y"]}), obj("b", b=S)]},
            {"oneOf": [obj("b", b=S), obj(a={"enum": ["y", "x"]})]},
        ),
        ({"anyOf": [{**obj("a", "b", a=S, b=I), "title": "A"}, S]}, {"anyOf": [S, obj("b", "a", b=I, a=S)]}),
    ],
)
@pytest.mark.parametrize("way", Direction)
def test_the_same_meaning_in_other_words_is_silent(one: Any, other: Any, way: Direction) -> None:
    assert found(one, other, way) == []
    assert found(other, one, way) == []


def test_an_example_proves_the_change_it_stands_at_and_not_its_neighbour() -> None:
    old = {**S, "maxLength": 5, "pattern": "^a"}
    told = found(old, {**S, "maxLength": 3, "pattern": "a"}, Direction.REQUEST)

    by_rule = {c.rule: c for c in told}
    assert by_rule["pattern_changed"].level is W
    assert by_rule["limit_tightened"].level is B
    example = json.loads(by_rule["limit_tightened"].example)
    assert Draft202012Validator(old).is_valid(example)
    assert not Draft202012Validator({"maxLength": 3}).is_valid(example)


def test_before_its_sunset_a_field_is_removed_like_any_other() -> None:
    told = found(obj("a", a=OLD_DAY), obj(), Direction.RESPONSE, today=date(2019, 12, 31))

    assert [(c.rule, c.level) for c in told] == [("field_removed", B)]


def laughing() -> Node:
    named: dict[str, Any] = {"s0": S}
    for n in range(1, 60):
        ref = {"$ref": f"#/components/schemas/s{n - 1}"}
        named[f"s{n}"] = {"allOf": [ref, ref], "anyOf": [ref, ref]}
    return Node({"components": {"schemas": named}}, named["s59"], "/x")


@pytest.mark.parametrize(
    "hostile",
    [
        {**S, "pattern": "^(a+)+$", "enum": ["a" * 60 + "!"]},
        {**S, "pattern": "^(a|a)*b$"},
        {**S, "pattern": "a*a*a*a*a*a*a*b", "minLength": 2000},
        {**S, "pattern": "((((a{99}){99}){99}){99})"},
        {"type": "array", "minItems": 10**12},
        {"type": "array", "minItems": 150, "items": {"type": "array", "minItems": 150, "items": {"minItems": 150}}},
        {"type": "object", "patternProperties": {"^(a+)+$": I}, "properties": {"a" * 60: S}},
        {"type": "object", "minProperties": 10**12},
        {**I, "multipleOf": 1e-300},
        {"allOf": [{"allOf": 3}], "properties": [], "type": "nothing"},
    ],
)
def test_hostile_schemas_neither_raise_nor_hang(hostile: Any) -> None:
    for way in Direction:
        found({}, hostile, way)
        found(hostile, {**hostile, "maxLength": 3, "maxItems": 10**13, "maxProperties": 10**13}, way)


def test_a_schema_that_doubles_at_every_step_ends() -> None:
    assert list(SchemaComparer().compare(laughing(), laughing(), Spot(Direction.REQUEST, "x", "x"))) == []
    assert list(SchemaComparer().compare(laughing(), Node({}, I), Spot(Direction.REQUEST, "x", "x")))


@pytest.mark.parametrize("way", Direction)
def test_steps_of_which_neither_is_part_of_the_other_break_whoever_reads_or_sends(way: Direction) -> None:
    told = found(by(2), by(3), way)

    assert {c.level for c in told} == {B, C}
    [worst] = [c for c in told if c.level is B]
    assert int(worst.example) % (2 if way is Direction.REQUEST else 3) == 0
    assert int(worst.example) % (3 if way is Direction.REQUEST else 2) != 0


def test_alternatives_put_in_place_of_one_schema_take_less_than_it_did() -> None:
    old, new = obj("x", x=S), {"oneOf": [obj("k", "x", k={"const": n}, x=I) for n in "ab"]}

    worst = [c for c in found(old, new, Direction.REQUEST) if c.level is B]

    assert [c.rule for c in worst] == ["values_narrowed"]
    example = json.loads(worst[0].example)
    assert Draft202012Validator(old).is_valid(example)
    assert not Draft202012Validator(new).is_valid(example)


def test_a_field_that_moves_into_alternatives_with_another_type_breaks_who_reads_it() -> None:
    new = {"oneOf": [obj("k", "x", k={"const": n}, x=I) for n in "ab"]}

    told = found(obj("x", x=S), new, Direction.RESPONSE)

    assert "type_changed" in {c.rule for c in told if c.level is B}


def test_an_alternative_that_changes_is_compared_with_itself_wherever_it_stands() -> None:
    old = {"oneOf": [obj("a", a=S), obj("b", b=S), obj("c", c=S)]}
    new = {"oneOf": [obj("c", c=S), obj("b", b=I), obj("a", a=S)]}

    assert {(c.rule, c.path) for c in found(old, new, Direction.RESPONSE)} == {("type_changed", ("b",))}


def test_a_place_that_only_the_new_document_has_is_not_said_to_be_in_the_old_one() -> None:
    [change] = found({"type": "array", "items": S}, {"type": "array"}, Direction.RESPONSE)

    assert (change.pointer, change.new_pointer) == ("/old/items", "")


def test_what_is_refused_beside_a_reference_is_what_the_reference_does_not_name() -> None:
    def document(**fields: Any) -> Node:
        schema = {"$ref": "#/components/schemas/A", "unevaluatedProperties": False}
        return Node({"components": {"schemas": {"A": obj(**fields)}}}, schema, "/x")

    spot = Spot(Direction.REQUEST, "POST /x", "POST /x")
    told = list(SchemaComparer().compare(document(a=S, b=S), document(a=S), spot))

    assert ("field_refused", B, ("b",)) in {(c.rule, c.level, c.path) for c in told}
    assert {tuple(json.loads(c.example)) for c in told if c.example} == {("a", "b")}


def test_what_a_reference_leads_to_counts_also_where_more_stands_beside_it() -> None:
    def document(schema: Any) -> Node:
        return Node({"x": {"A": schema}}, {"$ref": "#/x/A", "minLength": 1, "default": {"$ref": "no reference"}}, "/x")

    told = SchemaComparer().compare(document(S), document(I), Spot(Direction.REQUEST, "POST /x", "POST /x"))

    assert [c.rule for c in told] == ["type_changed"]


def test_a_field_that_moves_into_alternatives_not_all_of_which_require_it_may_be_left_out() -> None:
    told = found(obj("a", a=S), {"anyOf": [obj("a", "k", a=S, k=S), obj(a=S)]}, Direction.RESPONSE)

    assert ("field_optional", B) in {(c.rule, c.level) for c in told}
