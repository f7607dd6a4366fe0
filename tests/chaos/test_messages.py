"""Messages are found wherever the stream is cut, and no byte is changed on the way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.chaos.messages import Framer, Kind, Piece, RequestFramer, ResponseFramer

REQUESTS = {
    "plain": b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n",
    "length": b"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    "chunked": b"PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n3\r\nabc\r\n0\r\nTrailer: z\r\n\r\n",
    "bare newlines": b"GET /a HTTP/1.0\nHost: x\n\n",
    "blank line before": b"\r\nDELETE /a HTTP/1.1\r\n\r\n",
}
RESPONSES = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "no reason": b"HTTP/1.1 204\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",  # noqa: E501
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
}


def feed(framer: Framer, parts: Iterable[bytes]) -> list[Piece]:
    return [piece for part in parts for piece in framer.feed(part)]


def kinds(pieces: Sequence[Piece]) -> list[str]:
    """Kinds in order; what follows one another of a kind counts once."""
    names = [p.kind.name for p in pieces]
    return [n for i, n in enumerate(names) if i == 0 or names[i - 1] != n or n in {"HEAD", "END"}]


def content(pieces: Sequence[Piece]) -> bytes:
    return b"".join(p.content for p in pieces)


@st.composite
def cut(draw: st.DrawFn, messages: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    chosen = draw(st.lists(st.sampled_from(messages), min_size=1, max_size=4))
    stream = b"".join(chosen)
    ends = sorted(draw(st.sets(st.integers(1, len(stream)), max_size=12)))
    return chosen, [stream[a:b] for a, b in zip([0, *ends], [*ends, len(stream)], strict=True)]


@given(cut(list(REQUESTS.values())))
def test_requests_are_found_wherever_the_stream_is_cut(case: tuple[list[bytes], list[bytes]]) -> None:
    messages, parts = case

    pieces = feed(framer := RequestFramer(), parts)

    assert b"".join(p.raw for p in pieces) == b"".join(messages)
    assert [p.kind for p in pieces].count(Kind.END) == len(messages)
    assert framer.between


@given(cut(list(RESPONSES.values())))
def test_responses_are_found_wherever_the_stream_is_cut(case: tuple[list[bytes], list[bytes]]) -> None:
    messages, parts = case

    pieces = feed(framer := ResponseFramer(lambda: "GET"), parts)

    assert b"".join(p.raw for p in pieces) == b"".join(messages)
    assert [p.kind for p in pieces].count(Kind.END) == len(messages)
    assert framer.between


@given(
    st.lists(st.binary(max_size=30), max_size=8), st.sampled_from([b"", b"GET /", b"POST / HTTP/1.1\r\n", b"HTTP/1.1 "])
)
def test_whatever_comes_no_byte_is_lost(parts: list[bytes], start: bytes) -> None:
    for framer in (RequestFramer(), ResponseFramer(lambda: "GET")):
        pieces = [*feed(framer, [start, *parts]), *framer.finish()]

        assert b"".join(p.raw for p in pieces) == start + b"".join(parts)


def test_a_head_says_what_was_asked() -> None:
    raw = b"GET http://host/a/b?c=d HTTP/1.1\r\nConnection: close, Upgrade\r\nX: one\r\n  two\r\n\r\n"

    (piece, _end) = feed(RequestFramer(), [raw])

    assert piece.head is not None
    assert (piece.head.method, piece.head.path, piece.head.field("x")) == ("GET", "/a/b", "one two")
    assert piece.head.lists("connection", "upgrade")


def test_a_body_without_a_length_ends_with_the_stream() -> None:
    framer = ResponseFramer(lambda: "GET")

    pieces = feed(framer, [b"HTTP/1.1 200 OK\r\n\r\nab", b"cd"])

    assert (kinds(pieces), content(pieces)) == (["HEAD", "BODY"], b"abcd")
    assert kinds(list(framer.finish())) == ["END"]


def test_a_body_that_breaks_off_has_no_end() -> None:
    framer = ResponseFramer(lambda: "GET")

    pieces = [*feed(framer, [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"]), *framer.finish()]

    assert kinds(pieces) == ["HEAD", "BODY"]


def test_an_answer_to_head_has_no_body() -> None:
    methods = iter(["HEAD", "GET"])
    framer = ResponseFramer(lambda: next(methods))

    pieces = feed(framer, [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + RESPONSES["length"]])

    assert kinds(pieces) == ["HEAD", "END", "HEAD", "BODY", "END"]


@pytest.mark.parametrize(("method", "status"), [("GET", b"101 Switching Protocols"), ("CONNECT", b"200 OK")])
def test_what_follows_an_upgrade_is_raw(method: str, status: bytes) -> None:
    pieces = feed(ResponseFramer(lambda: method), [b"HTTP/1.1 " + status + b"\r\n\r\n", b"HTTP/1.1 is not spoken here"])

    assert kinds(pieces) == ["HEAD", "END", "RAW"]


@pytest.mark.parametrize(
    "raw",
    [
        *(b"hello", b"\x16\x03\x01", b"GET key\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GETX / HTTP/1.1\r\n"),
        *(b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"),
        *(b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000),
    ],
    ids=["word", "tls", "redis", "http2", "method", "field", "length", "coding", "endless"],
)
def test_what_is_no_http_is_raw_at_once(raw: bytes) -> None:
    assert kinds(feed(RequestFramer(), [raw])) == ["RAW"]


def test_a_broken_chunk_makes_the_rest_raw() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    assert kinds(feed(ResponseFramer(lambda: "GET"), [head + b"zz\r\nhello"])) == ["HEAD", "RAW"]
