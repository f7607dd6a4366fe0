"""Containment of schemas: no proof is refuted by a value, every example is one, and known pairs are decided."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from harness.contracts.compat.containment import Answer, Containment, Verdict
from harness.contracts.compat.rules import Direction
from harness.documents.nodes import Node


def decided(one: Any, two: Any) -> Answer:
    return Containment().of((Node({}, one, "/one"),), (Node({}, two, "/two"),), Direction.REQUEST)


SAME: list[tuple[Any, Any]] = [
    ({"type": "integer", "minimum": 1}, {"type": "integer", "exclusiveMinimum": 0}),
    ({"type": "string", "nullable": True}, {"anyOf": [{"type": "null"}, {"type": "string"}]}),
    ({"const": 1}, {"enum": [1]}),
    ({"type": ["string"]}, {"allOf": [{"type": "string"}]}),
    ({}, True),
    ({"minimum": 0, "exclusiveMinimum": True, "type": "number"}, {"type": "number", "exclusiveMinimum": 0}),
    ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
    ({"type": "object", "additionalProperties": {}}, {"type": "object"}),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_the_same_values_said_differently_are_contained_both_ways(one: Any, two: Any) -> None:
    assert decided(one, two).verdict is Verdict.CONTAINED
    assert decided(two, one).verdict is Verdict.CONTAINED


LESS: list[tuple[Any, Any]] = [
    ({"type": "integer"}, {"type": "integer", "maximum": 5}),
    ({"type": "string", "pattern": "^[a-z]+$"}, {"type": "string", "pattern": "^[a-m]+$"}),
    ({"type": "array", "items": {"type": "string"}}, {"type": "array", "items": {"type": "string"}, "minItems": 2}),
    ({"type": "integer"}, {"type": "integer", "not": {"enum": [7]}}),
    ({"type": "object"}, {"type": "object", "additionalProperties": False}),
    ({"type": "object"}, {"type": "object", "required": ["a"]}),
]


@pytest.mark.parametrize(("one", "two"), LESS)
def test_a_value_shows_what_is_not_contained(one: Any, two: Any) -> None:
    answer = decided(one, two)

    assert answer.verdict is Verdict.NOT_CONTAINED
    assert Draft202012Validator(one).is_valid(answer.example)
    assert not Draft202012Validator(two).is_valid(answer.example)


@pytest.mark.parametrize("junk", [[], 3, {"pattern": "("}, {"$ref": "#/nowhere"}, {"type": 5, "allOf": {"a": 1}}])
def test_a_broken_schema_is_never_more_than_undecided(junk: Any) -> None:
    assert decided(junk, {"type": "string", "maxLength": 1}).verdict in Verdict


_LEAVES = st.sampled_from(
    [
        True,
        {"type": "integer", "minimum": 1},
        {"type": "number", "maximum": 3},
        {"type": "number", "multipleOf": 0.5},
        {"type": "string", "maxLength": 2},
        {"type": "string", "pattern": "^a"},
        {"enum": [1, "a", None]},
        {"minimum": 2, "minLength": 1},
        {"type": ["null", "boolean"]},
    ]
)


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=2)
    return (
        st.builds(lambda k, s: {k: s}, st.sampled_from(["allOf", "anyOf", "oneOf"]), several)
        | st.builds(lambda s: {"type": "array", "items": s, "maxItems": 2}, inner)
        | st.builds(lambda s: {"prefixItems": [s]}, inner)
        | st.builds(
            lambda s, r, e: {"type": "object", "properties": {"a": s}, "required": r, "additionalProperties": e},
            inner,
            st.sampled_from([[], ["a"]]),
            inner | st.booleans(),
        )
        | st.builds(lambda s: {"not": s}, inner)
        | st.builds(lambda s: {"patternProperties": {"^a": s}}, inner)
    )


_SCHEMAS = st.recursive(_LEAVES, _larger, max_leaves=5)
_ATOMS: list[Any] = [None, True, 0, 1, 1.5, 2, 3, 4, -1, "", "a", "ab", "abc", "b"]
_VALUES: list[Any] = [
    *_ATOMS,
    [],
    {},
    *([x] for x in _ATOMS),
    *({"a": x} for x in _ATOMS),
    *({"b": x} for x in _ATOMS),
    *({"a": x, "b": y} for x in (None, 2, "a") for y in (1, "b")),
    [1, 2, 3],
    [[1]],
    {"a": {"a": 1}},
    {"a": [1]},
]


@settings(max_examples=600, deadline=None)
@given(one=_SCHEMAS, two=_SCHEMAS)
def test_no_verdict_is_refuted_by_a_value(one: Any, two: Any) -> None:
    answer = decided(one, two)
    inner, outer = Draft202012Validator(one), Draft202012Validator(two)
    if answer.verdict is Verdict.CONTAINED:
        assert [v for v in _VALUES if inner.is_valid(v) and not outer.is_valid(v)] == []
    if answer.verdict is Verdict.NOT_CONTAINED:
        assert inner.is_valid(answer.example)
        assert not outer.is_valid(answer.example)
