"""Documents and contracts of wrong shapes: whatever stands wherever, a comparison ends with results, not with a traceback."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.contracts.comparison import read_pacts
from harness.contracts.compat import compare_asyncapi
from harness.contracts.pacts import PactError
from tests.contracts.comparison.pairs import (
    Document,
    asking,
    codes,
    compared,
    document,
    expecting,
    pact,
    parameter,
    returning,
    sending,
    taking,
)
from tests.contracts.comparison.test_messages import asked, message, version_2, version_3
from tests.contracts.comparison.test_responses import BASED, CAT_PET, PET, THING

WRONG: list[Any] = [None, 1, "x", [], {}, True, [1], {"a": 1}, {"$ref": 1}, {"$ref": "#/nowhere"}, -1, "{"]
OBJECT = parameter("q", "query", "object", style="deepObject", properties={"a": {"type": "integer"}})
PAIRS: list[tuple[Document, Document]] = [
    (
        returning({"$ref": "#/components/schemas/Pet"}, Pet=PET, Cat=CAT_PET),
        expecting({"kind": "c"}, headers={"X-A": "1"}),
    ),
    (taking(BASED, Thing=THING, required=True), sending({"id": 1})),
    (taking({"type": "integer", "format": "int32"}, required=True), pact({"method": "POST"})),
    (
        asking(OBJECT, parameter("id", "path", "integer"), path="/things/{id}"),
        pact({"path": "/things/1", "query": "q[a]=1", "headers": {"Cookie": "a=b"}}),
    ),
    (version_3(reply=True), asked({"parcel": 1})),
    (version_2(), message({"id": 1}, metadata={"type": "Paid"})),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*path, key)
        yield from places(inner, (*path, key))


def with_wrong(value: Any, path: tuple[Any, ...], wrong: Any) -> Any:
    changed = here = copy.deepcopy(value)
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = wrong
    return changed


@pytest.mark.parametrize("pair", PAIRS, ids=range(len(PAIRS)))
def test_any_wrong_value_at_any_place_ends_in_results(pair: tuple[Document, Document]) -> None:
    described, contract = pair
    for path in places(described):
        for wrong in WRONG:
            compared(contract, with_wrong(described, path, wrong))
    for path in places(contract):
        for wrong in WRONG:
            with contextlib.suppress(PactError):  # it is no contract any more, and is told to be none
                compared(with_wrong(contract, path, wrong), described)


@pytest.mark.parametrize("old", [version_2(), version_3(reply=True)], ids=["2.6", "3.0"])
def test_any_wrong_value_in_a_document_of_messages_can_be_compared(old: Document) -> None:
    for path in places(old):
        for wrong in WRONG:
            new = with_wrong(old, path, wrong)
            compare_asyncapi(old, new)
            compare_asyncapi(new, old)


@pytest.mark.parametrize(("depth", "said"), [(50, "response.body.incompatible"), (180, "response.body.unvalidatable")])
def test_a_deep_schema_is_followed_and_one_that_is_too_deep_is_told_to_be_left_out(depth: int, said: str) -> None:
    schema: Document = {"type": "integer"}
    body: Any = "not an integer"
    for _ in range(depth):
        schema, body = {"type": "object", "properties": {"a": schema}}, {"a": body}

    assert codes(expecting(body), returning(schema)) == [said]


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ({"ignore-trailing-slash": True}, "/things/"),
        ({"ignore-duplicate-slashes": True}, "//things"),
        ({"case-insensitive": True}, "/Things"),
        ({"base-path": "/api"}, "/api/things"),
    ],
)
def test_options_in_the_document_change_how_paths_are_found(option: Document, path: str) -> None:
    info = {f"x-opc-config-{key}": value for key, value in option.items()}

    assert codes(pact({"path": path}), document()) == ["request.path-or-method.unknown"]
    assert codes(pact({"path": path}), document(info=info)) == []


def test_half_a_character_in_a_contract_is_read_as_one_nobody_knows(tmp_path: Path) -> None:
    contract = pact(response={"body": {"half \ud800": "and pair \ud83d\ude00"}})
    (tmp_path / "pact.json").write_text(json.dumps(contract))

    [(_, read)] = read_pacts([str(tmp_path / "pact.json")])

    assert read.interactions[0].raw["response"]["body"] == {"half \ufffd": "and pair \U0001f600"}


def test_a_value_nested_very_deeply_is_checked_and_only_the_place_is_left_open() -> None:
    deep: Any = 1
    for _ in range(500):
        deep = {"a": deep}
    asked = {"name": "q", "in": "query", "content": {"application/json": {"schema": {"type": "array"}}}}

    assert codes(sending(deep), taking({"type": "object"})) == []
    assert codes(pact({"query": {"q": [json.dumps(deep)]}}), asking(asked)) == ["request.query.incompatible"]
    assert [f.message for f in compared(expecting(deep), returning({"type": "array"})).found] == [
        "the body: does not fit, and is nested too deeply to say where"
    ]
