"""http_status: the status, what comes with it, whether the callee hears of it, and for which requests."""

from __future__ import annotations

import pytest

from harness.chaos.client import InvalidToxic
from tests.chaos.sockets import dial, read_all
from tests.chaos.web import Callee, Caller, Ears, get, ok


def test_every_request_gets_the_status_and_the_callee_hears_of_none(to) -> None:
    proxy = to(callee := Callee())
    proxy.add_toxic(type="http_status", attributes={"status": 502})

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        answers = [caller.ask(get()) for _ in range(3)]

    assert [(a.status_code, a.reason, body) for a, body in answers] == [(502, b"Bad Gateway", b"")] * 3
    assert callee.seen == []


def test_without_attributes_it_is_503(to) -> None:
    proxy = to(Callee())
    toxic = proxy.add_toxic(type="http_status")

    with dial(proxy.listen) as conn:
        assert Caller(conn).ask(get())[0].status_code == 503
    assert toxic.attributes == {
        "path": "",
        "method": "",
        "status": 503,
        "body": "",
        "content_type": "",
        "retry_after": 0,
        "forward": 0,
    }


def test_body_content_type_and_retry_after_are_as_told(to) -> None:
    proxy = to(Callee())
    attributes = {"status": 429, "body": '{"title":"zu viel – später"}', "retry_after": 7}
    proxy.add_toxic(name="s", type="http_status", attributes=attributes)

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        answer, body = caller.ask(get())
        fields = dict(answer.headers)
        assert (fields[b"content-type"], fields[b"retry-after"]) == (b"application/json", b"7")
        assert body.decode() == attributes["body"]
        proxy.update_toxic("s", {"content_type": "text/html", "retry_after": 0})
        fields = dict(caller.ask(get())[0].headers)
        assert fields[b"content-type"] == b"text/html"
        assert b"retry-after" not in fields


def test_forwarded_the_callee_does_its_work_and_its_answer_is_thrown_away(to, built_in) -> None:
    proxy = to(callee := Callee(lambda _request, _body: ok(b"x" * 200_000)))
    proxy.add_toxic(type="http_status", attributes={"status": 500, "forward": 1, "method": "post"})
    post = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    ears = Ears(built_in.client)

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        assert caller.ask(post, "POST")[0].status_code == 500
        assert caller.ask(get())[1] == b"x" * 200_000
        calls = ears.ended(2)

    assert (callee.seen, callee.bodies) == (["POST /a", "GET /"], [b"abc", b""])
    assert [(c.forwarded, c.status, c.upstream_status) for c in calls] == [(True, 500, 200), (True, 200, 200)]


def test_withheld_requests_are_told_as_not_forwarded(to, built_in) -> None:
    proxy = to(Callee())
    proxy.add_toxic(type="http_status", attributes={"path": "/a/*"})
    ears = Ears(built_in.client)

    with dial(proxy.listen) as conn:
        conn.sendall(get("/a/1") + get("/b") + get("/a/2"))
        caller = Caller(conn)
        assert [caller.read()[0].status_code for _ in range(3)] == [503, 200, 503]
        calls = ears.ended(3)

    assert [(c.path, c.forwarded, c.status, c.upstream_status) for c in calls] == [
        ("/a/1", False, 503, None),
        ("/b", True, 200, 200),
        ("/a/2", False, 503, None),
    ]


@pytest.mark.parametrize(
    ("attributes", "hit"),
    [
        ({"path": "/a"}, ["GET /a?x=1"]),
        ({"path": "/a*"}, ["GET /a?x=1", "POST /a/b"]),
        ({"method": "POST"}, ["POST /a/b"]),
        ({"method": "GET", "path": "*/b"}, []),
        ({}, ["GET /a?x=1", "POST /a/b", "GET /c"]),
    ],
)
def test_path_and_method_say_which_requests_are_meant(to, attributes, hit) -> None:
    proxy = to(callee := Callee())
    proxy.add_toxic(type="http_status", attributes=attributes)
    asked = ["GET /a?x=1", "POST /a/b", "GET /c"]

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        for method, path in (a.split() for a in asked):
            caller.ask(get(path, "Content-Length: 0", method=method), method)

    assert callee.seen == [a for a in asked if a not in hit]


@pytest.mark.parametrize("forward", [0, 1])
def test_an_answer_to_head_has_fields_and_no_body(to, forward: int) -> None:
    proxy = to(Callee(lambda request, _body: ok(b"" if request.method == b"HEAD" else b"hello")))
    proxy.add_toxic(type="http_status", attributes={"body": "sorry", "method": "HEAD", "forward": forward})

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        answer, body = caller.ask(get(method="HEAD"), "HEAD")
        assert (answer.status_code, body, dict(answer.headers)[b"content-length"]) == (503, b"", b"5")
        assert caller.ask(get())[1] == b"hello"


def test_204_has_no_body_and_no_length(to) -> None:
    proxy = to(Callee())
    proxy.add_toxic(type="http_status", attributes={"status": 204, "body": "never seen"})

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        for _ in range(2):
            answer, body = caller.ask(get())
            assert (answer.status_code, body) == (204, b"")
            assert b"content-length" not in dict(answer.headers)


def test_who_waits_for_100_continue_may_send_its_body_and_then_gets_the_status(to) -> None:
    proxy = to(callee := Callee())
    proxy.add_toxic(type="http_status", attributes={"path": "/a"})

    with dial(proxy.listen) as conn:
        conn.sendall(get("/a", "Content-Length: 3", "Expect: 100-continue", method="PUT"))
        assert conn.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        caller = Caller(conn)
        assert caller.ask(b"abc", "PUT")[0].status_code == 503
        assert caller.ask(get("/b"))[0].status_code == 200
    assert callee.seen == ["GET /b"]


def test_who_asks_to_close_gets_its_answer_and_the_end(to) -> None:
    proxy = to(Callee())
    proxy.add_toxic(type="http_status", attributes={"body": "bye"})

    for request in (get("/", "Connection: close"), b"GET / HTTP/1.0\r\n\r\n"):
        with dial(proxy.listen) as conn:
            conn.sendall(request)
            answer = read_all(conn)
            assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert answer.endswith(b"Connection: close\r\n\r\nbye")


def test_an_old_client_that_wants_to_stay_is_told_it_may(to) -> None:
    proxy = to(Callee())
    proxy.add_toxic(type="http_status")

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        for _ in range(2):
            answer, _body = caller.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert dict(answer.headers)[b"connection"] == b"keep-alive"


def test_a_body_in_chunks_is_read_to_its_end_before_the_answer(to) -> None:
    proxy = to(callee := Callee())
    proxy.add_toxic(type="http_status", attributes={"method": "POST"})
    post = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\n"

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        assert caller.ask(post, "POST")[0].status_code == 503
        assert caller.ask(get())[0].status_code == 200
    assert callee.seen == ["GET /"]


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"status": 99}, "status must be 200 to 599, found 99"),
        ({"status": 600}, "status must be 200 to 599, found 600"),
        ({"content_type": "a\r\nX: y"}, "content_type must be one line of ASCII text"),
        (
            {"status": "503"},
            "cannot unmarshal string into Go struct field HttpStatusToxic.attributes.status of type int64",
        ),
        ({"body": 5}, "cannot unmarshal number into Go struct field HttpStatusToxic.attributes.body of type string"),
    ],
)
def test_what_makes_no_sense_is_refused(to, attributes, message: str) -> None:
    proxy = to(Callee())

    with pytest.raises(InvalidToxic) as caught:
        proxy.add_toxic(type="http_status", attributes=attributes)

    assert message in str(caught.value)
    assert proxy.toxics() == {}
