"""JSON pointers: the places of RFC 6901, and those that are none."""

from __future__ import annotations

from typing import Any

import pytest

from harness.chaos.faults.pointer import dropped, is_pointer, with_value

DOCUMENT = {"a": [1, {"b": 2}], "": 3, "m~n": 4, "x/y": 5}


@pytest.mark.parametrize(
    ("pointer", "changed"),
    [
        ("/a/0", {**DOCUMENT, "a": [{"b": 2}]}),
        ("/a/1/b", {**DOCUMENT, "a": [1, {}]}),
        ("/", {k: v for k, v in DOCUMENT.items() if k}),
        ("/m~0n", {k: v for k, v in DOCUMENT.items() if k != "m~n"}),
        ("/x~1y", {k: v for k, v in DOCUMENT.items() if k != "x/y"}),
    ],
)
def test_a_place_is_taken_out_and_the_document_itself_stays(pointer: str, changed: Any) -> None:
    assert dropped(DOCUMENT, pointer) == changed
    assert len(DOCUMENT) == 4


@pytest.mark.parametrize(
    ("pointer", "changed"),
    [
        ("", 9),
        ("/a/1/b", {**DOCUMENT, "a": [1, {"b": 9}]}),
        ("/new", {**DOCUMENT, "new": 9}),
        ("/a/-", {**DOCUMENT, "a": [1, {"b": 2}, 9]}),
    ],
)
def test_a_place_gets_a_value(pointer: str, changed: Any) -> None:
    assert with_value(DOCUMENT, pointer, 9) == changed


@pytest.mark.parametrize("pointer", ["/z", "/a/2", "/a/01", "/a/-1", "/a/-", "/a/0/x", "/z/z"])
def test_a_place_that_is_not_there_cannot_be_taken_out(pointer: str) -> None:
    with pytest.raises(LookupError):
        dropped(DOCUMENT, pointer)


@pytest.mark.parametrize("pointer", ["/z/z", "/a/9", "/a/x", "/a/0/x"])
def test_a_place_without_a_parent_gets_no_value(pointer: str) -> None:
    with pytest.raises(LookupError):
        with_value(DOCUMENT, pointer, 9)


@pytest.mark.parametrize(
    ("text", "is_one"), [("", True), ("/a~0b/~1", True), ("a", False), ("/a~2", False), ("$.a", False)]
)
def test_what_is_a_pointer(text: str, is_one: bool) -> None:
    assert is_pointer(text) is is_one
