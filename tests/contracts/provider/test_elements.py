"""Of which lists at least one element is asked."""

from __future__ import annotations

from typing import Any

import pytest

from harness.contracts.provider.elements import with_elements


def asked(path: str, matcher: dict[str, Any], content: object) -> Any:
    """The matcher that is verified for one that a contract has at a path."""
    raw = {
        "response": {"body": {"content": content}, "matchingRules": {"body": {path: {"matchers": [matcher]}}}},
    }
    return with_elements(raw)["response"]["matchingRules"]["body"][path]["matchers"][0]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("$", [1]),
        ("$.items", {"items": [{"id": "1"}]}),
        ("$['all items']", {"all items": ["x"]}),
        ("$[*].tags", [{"tags": ["new"]}]),
        ("$.*.tags", {"any": {"tags": ["new"]}}),
        ("$.pages[1].items", {"pages": [{}, {"items": [1]}]}),
    ],
)
def test_a_list_whose_elements_are_matched_has_to_have_one(path: str, content: object) -> None:
    assert asked(path, {"match": "type"}, content) == {"match": "type", "min": 1}


@pytest.mark.parametrize(
    ("path", "matcher", "content"),
    [
        ("$", {"match": "type", "min": 0}, [1]),
        ("$", {"match": "type", "min": 3}, [1, 2, 3]),
        ("$", {"match": "type"}, []),
        ("$.name", {"match": "type"}, {"name": "x"}),
        ("$.gone.items", {"match": "type"}, {"items": [1]}),
        ("$.items", {"match": "arrayContains", "variants": []}, {"items": [1]}),
        ("no path", {"match": "type"}, [1]),
    ],
)
def test_what_says_how_many_or_is_no_list_stays_as_it_is(path: str, matcher: dict[str, Any], content: object) -> None:
    assert asked(path, matcher, content) == matcher


def test_what_a_consumer_sends_is_left_alone() -> None:
    raw = {
        "request": {"body": {"content": [1]}, "matchingRules": {"body": {"$": {"matchers": [{"match": "type"}]}}}},
        "response": {"status": 200},
    }

    assert with_elements(raw) == raw
