"""How much of an answer is taken: no text, however made, costs more than the limits say."""

from __future__ import annotations

import gzip
import json
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.guard import Answer, Intake, Limits, TooMuchError, parse_json
from harness.guard.limits import shape

SMALL = Limits(wire_bytes=1000, plain_bytes=5000, depth=20, values=50)


def taken(body: bytes, encoding: str = "", limits: Limits = SMALL, piece: int = 100) -> bytes:
    with Intake(limits, encoding) as intake:
        for start in range(0, len(body), piece):
            intake.take(body[start : start + piece])
        return intake.body()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("", b"x" * 900),
        ("identity", b"x" * 900),
        ("gzip", gzip.compress(b"x" * 900)),
        ("X-GZIP", gzip.compress(b"x" * 900)),
        ("deflate", zlib.compress(b"x" * 900)),
        ("deflate", zlib.compress(b"x" * 900)[2:-4]),  # without zlib's frame, as many servers send it
    ],
    ids=["none", "identity", "gzip", "x-gzip", "deflate", "deflate without a frame"],
)
def test_a_body_is_taken_whole_and_inflated(encoding: str, packed: bytes) -> None:
    assert taken(packed, encoding) == b"x" * 900


def test_an_encoding_that_was_not_asked_for_is_left_as_it_is() -> None:
    assert taken(b"\x0b\x02\x80", "br") == b"\x0b\x02\x80"


def test_a_body_that_is_too_long_on_the_wire_is_refused() -> None:
    with pytest.raises(TooMuchError, match=r"longer than 0\.001 MB"):
        taken(b"x" * 1001)


def test_a_small_body_that_inflates_to_a_large_one_is_refused_with_both_sizes() -> None:
    bomb = gzip.compress(b"\0" * 100_000_000)
    with pytest.raises(TooMuchError, match=r"longer than 10 MB, inflated from \d+ kB"):
        taken(bomb, "gzip", Limits(), 65536)


def test_what_cannot_be_inflated_is_told() -> None:
    with pytest.raises(TooMuchError, match="cannot be inflated"):
        taken(b"no gzip at all", "gzip")


def test_many_large_answers_at_once_are_too_much_together() -> None:
    limits = Limits(wire_bytes=70_000_000, plain_bytes=70_000_000)
    with Intake(limits) as one, Intake(limits) as other:
        one.take(b"x" * 60_000_000)
        with pytest.raises(TooMuchError, match="together"):
            other.take(b"x" * 10_000_000)
    with Intake(limits) as again:
        again.take(b"x" * 60_000_000)


@pytest.mark.parametrize(
    "text", ["[" * 21 + "]" * 21, '{"a":' * 30 + "1" + "}" * 30, "[" * 100_000, '["\\""' + "[" * 30]
)
def test_json_that_nests_too_deep_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="nests deeper than 20"):
        parse_json(text, SMALL)


def test_brackets_inside_of_strings_do_not_nest() -> None:
    assert parse_json(json.dumps(["[" * 100, '"[{\\']), SMALL) == ["[" * 100, '"[{\\']


def test_json_of_too_many_values_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 50 values"):
        parse_json("[" + "1," * 60 + "1]", SMALL)


@settings(max_examples=settings.default.max_examples // 2)
@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_nesting_is_counted_as_it_is(value: object) -> None:
    def depth(of: object) -> int:
        inner = of.values() if isinstance(of, dict) else of if isinstance(of, list) else None
        return 0 if inner is None else 1 + max(map(depth, inner), default=0)

    for ascii_only in (True, False):
        raw = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        assert depth(value) <= 2 or shape(raw, Limits(depth=2))[0] > 2
        assert shape(raw, Limits(depth=10_000))[0] in {0, depth(value)}


def test_counting_takes_time_in_proportion_whatever_the_text() -> None:
    def seconds(text: bytes) -> float:
        begun = time.process_time()
        shape(text, Limits(values=10**9))
        return time.process_time() - begun

    for evil in (b'"\\' * 50_000, b'["' * 50_000, b"[]" * 50_000, b'"' + b"\\\\" * 50_000):
        assert seconds(evil * 2) < 6 * seconds(evil) + 0.5


def test_the_text_of_an_answer_is_read_in_its_charset_and_never_by_a_codec_that_is_none() -> None:
    def text(content: bytes, kind: str) -> str:
        return Answer(200, {"content-type": kind}, content).text

    assert text("ü".encode("latin-1"), "text/plain; charset=iso-8859-1") == "ü"
    assert text("ü".encode(), "text/plain; charset=hex") == "ü"
    assert text("ü".encode(), "text/plain; charset=punycode") == "ü"
    assert text("ü".encode(), "application/json") == "ü"
    assert text(b"\xff", "text/plain; charset=nonsense") == "�"
