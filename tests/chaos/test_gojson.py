"""The scanner that says where JSON breaks finds fault with exactly what Python's decoder refuses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.chaos.server.gojson import what_is_wrong

pieces = st.lists(
    st.sampled_from(
        [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            '"',
            '"a"',
            "1",
            "-",
            "0",
            ".",
            "e",
            "true",
            "nul",
            "null",
            "\\",
            "u12",
            " ",
            "é",
        ]
    ),
    max_size=12,
)


@given(pieces.map("".join))
def test_a_list_around_any_text_breaks_where_pythons_decoder_breaks(inside: str) -> None:
    text = f"[{inside}]"
    try:
        # The first value counts; what follows is nobody's business.
        json.JSONDecoder().raw_decode(text)
    except ValueError:
        assert what_is_wrong(text.encode()) is not None
    else:
        assert what_is_wrong(text.encode()) is None


@given(st.binary(max_size=40))
def test_any_bytes_are_taken_or_told_about(text: bytes) -> None:
    assert what_is_wrong(text) is None or what_is_wrong(text)


@pytest.mark.parametrize(("depth", "told"), [(10_000, "unexpected EOF"), (10_001, "exceeded max depth")])
def test_depth_has_a_limit(depth: int, told: str) -> None:
    assert what_is_wrong(b"[" * depth) == told
