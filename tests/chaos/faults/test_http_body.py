"""http_body: what callers get in the place of the body, and what happens to bodies that cannot be changed."""

from __future__ import annotations

import gzip
import json

import h11
import pytest

from harness.chaos.client import InvalidToxic, Server, ServerProxy
from tests.chaos.sockets import dial, read_all
from tests.chaos.web import Callee, Caller, get, ok

BODY = b'{"id": 7, "items": [{"price": 1.5}], "name": "K\xc3\xb6ln"}'
JSON = "Content-Type: application/json"


def chunked(body: bytes) -> bytes:
    parts = b"".join(b"%x\r\n%b\r\n" % (len(body[i : i + 9]), body[i : i + 9]) for i in range(0, len(body), 9))
    return f"HTTP/1.1 200 OK\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + parts + b"0\r\n\r\n"


def told(client: Server, proxy: ServerProxy) -> dict[str, int]:
    return dict(client.http_faults()[proxy.name]["http_body_downstream"].unchanged)


def body_of(proxy: ServerProxy, **attributes: object) -> tuple[dict[bytes, bytes], bytes]:
    proxy.add_toxic(type="http_body", attributes=attributes)
    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        first = caller.ask(get())
        assert caller.ask(get()) is not None, "the connection lives on"
    return dict(first[0].headers), first[1]


@pytest.mark.parametrize("answer", [ok(BODY, JSON), chunked(BODY)], ids=["length", "chunked"])
@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"action": "drop", "field": "/items/0/price"}, {"id": 7, "items": [{}], "name": "Köln"}),
        (
            {"action": "set", "field": "/id", "value": '"seven"'},
            {"id": "seven", "items": [{"price": 1.5}], "name": "Köln"},
        ),
        ({"action": "set", "value": "[]"}, []),
    ],
    ids=["drop", "set", "whole"],
)
def test_a_field_is_dropped_or_set(to, answer: bytes, attributes, expected) -> None:
    fields, body = body_of(to(Callee(lambda *_: answer)), **attributes)

    assert json.loads(body) == expected
    assert fields[b"content-type"] == b"application/json"
    assert (b"transfer-encoding" in fields, int(fields[b"content-length"])) == (False, len(body))


def test_a_gzipped_body_is_changed_and_zipped_again(to) -> None:
    answer = ok(gzip.compress(BODY), JSON, "Content-Encoding: gzip")

    fields, body = body_of(to(Callee(lambda *_: answer)), action="drop", field="/items")

    assert fields[b"content-encoding"] == b"gzip"
    assert json.loads(gzip.decompress(body)) == {"id": 7, "name": "Köln"}


@pytest.mark.parametrize("body", [BODY, b"[]", b"5", b'"x"  \n', b"true"])
def test_malformed_json_has_the_length_it_had(to, body: bytes) -> None:
    fields, changed = body_of(to(Callee(lambda *_: ok(body, JSON))), action="malformed")

    assert len(changed) == len(body) == int(fields[b"content-length"])
    with pytest.raises(ValueError, match=r"."):
        json.loads(changed)


def test_a_truncated_body_keeps_its_length_and_ends_the_connection(to) -> None:
    proxy = to(Callee(lambda *_: ok(b"x" * 100)))
    proxy.add_toxic(type="http_body", attributes={"action": "truncate", "bytes": 40})

    with dial(proxy.listen) as conn:
        conn.sendall(get())
        answer = read_all(conn)

    assert b"Content-Length: 100\r\n" in answer
    assert answer.endswith(b"\r\n\r\n" + b"x" * 40)


def test_a_truncated_body_in_chunks_has_no_last_chunk(to) -> None:
    proxy = to(Callee(lambda *_: chunked(BODY)))
    proxy.add_toxic(type="http_body", attributes={"action": "truncate", "bytes": 12})

    with dial(proxy.listen) as conn, pytest.raises(h11.RemoteProtocolError, match="incomplete chunked read"):
        Caller(conn).ask(get())


def test_an_endless_body_can_be_truncated(to) -> None:
    def endless(conn) -> None:
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            conn.sendall(b"y" * 1000)

    proxy = to(endless)
    proxy.add_toxic(type="http_body", attributes={"action": "truncate", "bytes": 2500})

    with dial(proxy.listen) as conn:
        conn.sendall(get())
        assert read_all(conn) == b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * 2500


def test_a_body_is_replaced_with_its_type(to) -> None:
    answer = ok(gzip.compress(BODY), JSON, "Content-Encoding: gzip", "ETag: x")
    page = "<h1>Gateway Timeout</h1>"

    fields, body = body_of(to(Callee(lambda *_: answer)), action="replace", value=page, content_type="text/html")

    assert (body.decode(), fields[b"content-type"], fields[b"etag"]) == (page, b"text/html", b"x")
    assert b"content-encoding" not in fields


@pytest.mark.parametrize(
    ("answer", "attributes", "reason"),
    [
        (ok(b"<p>", "Content-Type: text/html"), {"action": "drop", "field": "/id"}, "the body is not JSON"),
        (ok(BODY, JSON), {"action": "drop", "field": "/none"}, "the body has no /none"),
        (ok(BODY, JSON, "Content-Encoding: br"), {"action": "malformed"}, "the body is coded as br"),
        (ok(BODY, JSON, "Content-Encoding: gzip"), {"action": "malformed"}, "the body is not the gzip it says it is"),
        (ok(b"abc"), {"action": "truncate", "bytes": 3}, "the body has no more than 3 bytes"),
        (ok(b"x" * 9_000_000, JSON), {"action": "malformed"}, "the body is larger than 8388608 bytes"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", {"action": "malformed"}, "the answer has no body"),
    ],
    ids=["html", "field", "br", "gzip", "short", "large", "204"],
)
def test_a_body_that_cannot_be_changed_passes_as_it_is_and_that_is_told(
    to, built_in, answer: bytes, attributes, reason: str
) -> None:
    proxy = to(Callee(lambda *_: answer))
    proxy.add_toxic(type="http_body", attributes=attributes)

    with dial(proxy.listen) as conn:
        conn.sendall(get("/", "Connection: close"))
        got = b""
        while len(got) < len(answer) and (data := conn.recv(1 << 20)):
            got += data

    assert got == answer
    assert told(built_in.client, proxy) == {reason: 1}


def test_an_answer_that_breaks_off_while_it_is_held_is_handed_on(to, built_in) -> None:
    def half(conn) -> None:
        conn.recv(65536)
        conn.sendall(ok(BODY, JSON)[:-5])

    proxy = to(half)
    proxy.add_toxic(type="http_body", attributes={"action": "drop", "field": "/id"})

    with dial(proxy.listen) as conn:
        conn.sendall(get())
        assert read_all(conn) == ok(BODY, JSON)[:-5]
    assert told(built_in.client, proxy) == {"the answer broke off": 1}


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, 'action must be one of drop, set, truncate, malformed, replace, found ""'),
        ({"action": "drop", "field": "id"}, "field must be a JSON pointer such as /items/0/price"),
        ({"action": "drop"}, "field must be given to drop it"),
        ({"action": "set", "field": "/a", "value": "{"}, "value must be JSON text"),
        ({"action": "replace", "content_type": "\n"}, "content_type must be one line"),
    ],
)
def test_what_makes_no_sense_is_refused(to, attributes, message: str) -> None:
    with pytest.raises(InvalidToxic) as caught:
        to(Callee()).add_toxic(type="http_body", attributes=attributes)

    assert message in str(caught.value)
