"""Edits stay inside the contract: what they leave, what they add, and where they keep away."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.testing.replay.edits import TOKEN, Answer, Edit, Kind, perturbed, sites

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
HEADERS = (("content-type", "application/json"), ("etag", "1"))


def answer(body: Any) -> Answer:
    return Answer("GET /", 200, HEADERS, json.dumps(body).encode())


def kinds(body: Any, rules: dict[str, Any] | None) -> set[tuple[Kind, tuple[str | int, ...]]]:
    return {(s.edit.kind, s.edit.path) for s in sites(answer(body), rules)} - {
        (kind, ()) for kind in (Kind.CASE, Kind.HEADER, Kind.CHARSET, Kind.SPACE)
    }


def without_extras(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_extras(v) for k, v in value.items() if k != TOKEN}
    return [without_extras(v) for v in value] if isinstance(value, list) else value


@given(JSON, st.data())
def test_without_its_additions_an_edited_answer_says_what_it_said(body: Any, data: st.DataObject) -> None:
    places = sites(answer(body), {})
    chosen = [place.at(data.draw(st.integers(1, place.variants))) for place in places if data.draw(st.booleans())]

    shown = perturbed(answer(body), chosen)

    assert without_extras(shown.decoded()) == body
    assert {n.lower(): v.partition(";")[0] for n, v in shown.headers if n.lower() != "x-harness-extra"} == dict(HEADERS)
    assert (shown != answer(body)) or not any(edit.kind in {Kind.FIELD, Kind.HEADER} for edit in chosen)


@given(JSON)
def test_edits_of_another_exchange_change_nothing(body: Any) -> None:
    places = sites(answer(body), {})

    assert perturbed(Answer("GET /other", 200, HEADERS, b"{}"), [p.edit for p in places]).body == b"{}"


@pytest.mark.parametrize("matcher", ["equality", "values", "eachKey", "eachValue", "arrayContains"])
def test_where_a_matcher_speaks_of_every_member_none_is_added(matcher: str) -> None:
    body = {"stock": {"a": {"n": 1}}}

    found = kinds(body, {"$.stock": {"matchers": [{"match": matcher}]}})

    assert found == {(Kind.FIELD, ())}


@pytest.mark.parametrize(
    ("rule", "grows"),
    [
        ({"match": "type", "min": 1}, True),
        ({"match": "type", "min": 1, "max": 9}, True),
        ({"match": "type", "min": 1, "max": 3}, False),
        ({"match": "type"}, False),
    ],
)
@pytest.mark.parametrize("path", ["$.orders[*].lines", "$['orders'][0]['lines']"])
def test_a_list_grows_only_where_its_matcher_leaves_room(rule: dict[str, Any], grows: bool, path: str) -> None:
    found = kinds({"orders": [{"lines": [1]}]}, {path: {"matchers": [rule]}})

    assert ((Kind.LONGER, ("orders", 0, "lines")) in found) is grows


def test_of_an_answer_no_contract_is_known_for_no_field_is_added() -> None:
    assert kinds({"a": 1, "b": 2}, None) == {(Kind.ORDER, ())}


def test_a_body_that_is_no_json_is_left_alone() -> None:
    text = Answer("GET /", 200, (("content-type", "text/plain"),), b"hello")

    assert {s.edit.kind for s in sites(text, {})} == {Kind.CASE, Kind.HEADER}
    assert perturbed(text, [s.edit for s in sites(text, {})]).body == b"hello"


def test_edits_inside_one_another_all_apply() -> None:
    edits = [
        Edit("GET /", Kind.FIELD),
        Edit("GET /", Kind.FIELD, ("items", 0)),
        Edit("GET /", Kind.LONGER, ("items",)),
        Edit("GET /", Kind.ORDER),
    ]

    shown = perturbed(answer({"items": [{"id": "r1"}], "next": None}), edits).decoded()

    assert shown == {"next": None, "items": [{TOKEN: None, "id": "r1"}] * 2, TOKEN: None}
    assert list(shown) == ["next", "items", TOKEN]
