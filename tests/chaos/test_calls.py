"""The log of calls: what callers asked, what they were given, and how it ended, whatever stands in between."""

from __future__ import annotations

import socket
import time
import uuid

import httpx
import pytest

from harness.chaos.messages import Head
from harness.chaos.server.calls import CallLog
from tests.chaos.conftest import Running
from tests.chaos.sockets import ask, dial, echo, read_all
from tests.chaos.web import Callee, Caller, Ears, get, ok, until

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def ears(built_in: Running) -> Ears:
    return Ears(built_in.client)


def test_a_call_is_told_with_its_trace_and_times(to, ears: Ears) -> None:
    proxy = to(Callee())
    before = time.time()

    with dial(proxy.listen) as conn:
        Caller(conn).ask(get("/a?secret=1", f"Traceparent: 00-{TRACE}-{PARENT}-01", "Idempotency-Key: k-1"))
    (call,) = ears.ended()

    assert (call.proxy, call.connection, call.method, call.path) == (proxy.name, 0, "GET", "/a")
    assert (call.trace_id, call.parent_id, call.idempotency_key) == (TRACE, PARENT, "k-1")
    assert (call.forwarded, call.status, call.upstream_status, call.ending) == (True, 200, 200, "answered")
    assert call.ended is not None
    assert before <= call.began <= call.ended <= time.time()


def test_a_call_is_told_while_it_goes_on_and_again_when_it_has_ended(to, built_in: Running, ears: Ears) -> None:
    proxy = to(Callee())
    proxy.add_toxic(type="timeout", attributes={"timeout": 0})

    with dial(proxy.listen) as conn:
        conn.sendall(get())
        (open_,) = ears.wait(lambda calls: bool(calls) and calls[0].upstream_status == 200)
        assert (open_.ending, open_.ended, open_.status, open_.forwarded) == ("", None, None, True)
    (ended,) = ears.ended()

    assert (ended.id, ended.ending, ended.status) == (open_.id, "gone", None)
    assert ended.number > open_.number
    assert built_in.client.calls(ended.number).calls == ()


def test_calls_on_one_connection_are_told_one_by_one(to, ears: Ears) -> None:
    answers = {"/a": ok(), "/b": ok(b"", status="404 Not Found"), "/c": b"HTTP/1.1 204 No Content\r\n\r\n"}
    proxy = to(Callee(lambda request, _body: answers[request.target.decode()]))

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        for path in answers:
            caller.ask(get(path))
        conn.sendall(get("/b") + get("/c") + get("/a"))
        for _ in range(3):
            caller.read()
    calls = ears.ended(6)

    statuses = {"/a": 200, "/b": 404, "/c": 204}
    assert [c.path for c in calls] == ["/a", "/b", "/c", "/b", "/c", "/a"]
    assert all(c.status == c.upstream_status == statuses[c.path] for c in calls)
    assert {c.ending for c in calls} == {"answered"}


def test_bodies_in_chunks_and_answers_without_bodies_are_followed(to, ears: Ears) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
    proxy = to(Callee(lambda request, _body: head if request.method == b"HEAD" else interim + chunked))
    post = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        assert caller.ask(post, "POST")[1] == b"hello"
        assert caller.ask(get(method="HEAD"), "HEAD")[1] == b""
        assert caller.ask(get())[1] == b"hello"
    calls = ears.ended(3)

    assert [(c.method, c.status, c.ending) for c in calls] == [
        ("POST", 200, "answered"),
        ("HEAD", 200, "answered"),
        ("GET", 200, "answered"),
    ]


def test_an_answer_that_ends_with_the_connection_is_an_answer(to, ears: Ears) -> None:
    def once(conn: socket.socket) -> None:
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\nhello")

    with dial(to(once).listen) as conn:
        conn.sendall(get())
        assert read_all(conn).endswith(b"hello")
    (call,) = ears.ended()

    assert (call.status, call.ending) == (200, "answered")


def test_after_an_upgrade_the_connection_is_left_alone(to, ears: Ears) -> None:
    def switch(conn: socket.socket) -> None:
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
        echo(conn)

    with dial(to(switch).listen) as conn:
        conn.sendall(get("/up", "Connection: upgrade", "Upgrade: x"))
        assert conn.recv(65536).startswith(b"HTTP/1.1 101")
        ask(conn, get("/not-a-call"))
        (call,) = ears.ended()

    assert (call.path, call.status, call.ending) == ("/up", 101, "answered")


def test_what_is_no_http_passes_and_is_not_told(to, built_in: Running, ears: Ears) -> None:
    with dial(to(echo).listen) as conn:
        ask(conn, b"hello")
        ask(conn, bytes(range(256)) * 300)

    assert built_in.client.calls().calls == ()


@pytest.mark.parametrize(
    ("toxic", "expected"),
    [
        ({"type": "latency", "attributes": {"latency": 30}}, (True, 200, 200, "answered")),
        ({"type": "latency", "stream": "upstream", "attributes": {"latency": 30}}, (True, 200, 200, "answered")),
        ({"type": "slicer", "attributes": {"average_size": 3, "delay": 10}}, (True, 200, 200, "answered")),
        ({"type": "slicer", "stream": "upstream", "attributes": {"average_size": 3}}, (True, 200, 200, "answered")),
        ({"type": "bandwidth", "attributes": {"rate": 5}}, (True, 200, 200, "answered")),
        ({"type": "slow_close", "attributes": {"delay": 30}}, (True, 200, 200, "answered")),
        ({"type": "timeout", "attributes": {"timeout": 30}}, (True, None, 200, "cut")),
        ({"type": "timeout", "stream": "upstream", "attributes": {"timeout": 30}}, (False, None, None, "cut")),
        ({"type": "limit_data", "attributes": {"bytes": 42}}, (True, 200, 200, "cut")),
        ({"type": "limit_data", "stream": "upstream", "attributes": {"bytes": 9}}, (False, None, None, "cut")),
        ({"type": "reset_peer", "attributes": {"timeout": 0}}, (True, None, 200, "reset")),
        ({"type": "reset_peer", "stream": "upstream", "attributes": {"timeout": 0}}, (False, None, None, "reset")),
    ],
    ids=lambda v: f"{v['type']}-{v.get('stream', 'downstream')}" if isinstance(v, dict) else "",
)
def test_every_toxic_shows_in_what_the_caller_got(to, ears: Ears, toxic, expected) -> None:
    proxy = to(Callee())
    proxy.add_toxic(**toxic)

    with dial(proxy.listen) as conn:
        conn.sendall(get())
        wanted = len(ok()) if expected[3] == "answered" else 1 << 20
        got = b""
        try:
            while len(got) < wanted and (data := conn.recv(65536)):
                got += data
        except ConnectionResetError:
            pass
        (call,) = ears.ended()

    assert (call.forwarded, call.status, call.upstream_status, call.ending) == expected


def test_a_callee_that_closes_in_the_middle_leaves_a_call_cut(to, ears: Ears) -> None:
    def half(conn: socket.socket) -> None:
        conn.recv(65536)
        conn.sendall(ok(b"x" * 100)[:60])

    with dial(to(half).listen) as conn:
        conn.sendall(get())
        read_all(conn)
    (call,) = ears.ended()

    assert (call.status, call.upstream_status, call.ending) == (200, 200, "cut")


def test_a_call_whose_callee_cannot_be_reached_is_cut_and_was_never_sent_on(built_in: Running, ears: Ears) -> None:
    # Bound and not listening: the system keeps the connection waiting for nobody, or refuses it.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        crowd = [socket.socket() for _ in range(3)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        proxy = built_in.client.create(f"127.0.0.1:{full.getsockname()[1]}", uuid.uuid4().hex)
        with dial(proxy.listen) as conn:
            conn.sendall(get("/nobody"))
            ears.wait(bool)
            proxy.destroy()
            (call,) = ears.ended()
        for one in crowd:
            one.close()

    assert (call.path, call.forwarded, call.status, call.ending) == ("/nobody", False, None, "cut")


def test_a_disabled_proxy_cuts_what_goes_on(to, ears: Ears) -> None:
    proxy = to(Callee())
    proxy.add_toxic(type="timeout", attributes={"timeout": 0})

    with dial(proxy.listen) as conn:
        conn.sendall(get())
        ears.wait(lambda calls: bool(calls) and calls[0].forwarded)
        proxy.disable()
        (call,) = ears.ended()

    assert call.ending == "cut"


def test_recording_begins_on_open_connections_and_ends_there(to, built_in: Running) -> None:
    proxy = to(Callee())
    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        caller.ask(get("/before"))
        ears = Ears(built_in.client)
        caller.ask(get("/while"))
        ears.ended()
        built_in.client.record_calls(False)
        caller.ask(get("/after"))

        assert [(c.path, c.status, c.ending) for c in built_in.client.calls().calls] == [("/while", 200, "answered")]
        built_in.client.record_calls(True)
        assert built_in.client.calls().calls == ()


def test_recording_begins_and_ends_where_http_faults_act(to, built_in: Running) -> None:
    proxy = to(Callee())
    proxy.add_toxic(type="http_status", attributes={"path": "/fail"})
    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        caller.ask(get("/fail"))
        for _ in range(2):
            ears = Ears(built_in.client)
            for path in ("/fail", "/", "/fail"):
                caller.ask(get(path))
            calls = ears.ended(3)
            assert [(c.path, c.forwarded, c.status) for c in calls] == [
                ("/fail", False, 503),
                ("/", True, 200),
                ("/fail", False, 503),
            ]
            built_in.client.record_calls(False)
            assert caller.ask(get("/fail"))[0].status_code == 503


def test_an_answer_under_way_when_recording_begins_is_not_taken_for_the_next_one(to, built_in: Running) -> None:
    callee = Callee(lambda request, _body: ok(status="200 OK" if request.target == b"/new" else "500 Old"))
    proxy = to(callee)
    toxic = proxy.add_toxic(type="latency", attributes={"latency": 150})
    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        conn.sendall(get("/old"))
        until(lambda: bool(callee.seen))
        ears = Ears(built_in.client)
        caller.read()
        proxy.destroy_toxic(toxic.name)
        caller.ask(get("/new"))

        assert [(c.path, c.status, c.upstream_status) for c in ears.ended()] == [("/new", 200, 200)]


def test_when_there_are_too_many_the_oldest_go_and_that_is_said() -> None:
    log = CallLog(clock=lambda: 1.0, kept=3)
    log.start()
    calls = [log.begin("p", 0, Head((), http_1_0=False, method="GET", target=f"/{n}")) for n in range(5)]
    log.end(calls[0], "answered")

    told = log.after(0)

    assert told["dropped"] == 2
    assert [c["path"] for c in told["calls"]] == ["/2", "/3", "/4"]  # type: ignore[attr-defined]


def test_more_than_a_page_of_calls_comes_whole() -> None:
    log = CallLog(clock=lambda: 1.0)
    log.start()
    for n in range(2_001):
        log.begin("p", 0, Head((), http_1_0=False, method="GET", target=f"/{n}"))

    first = log.after(0)
    second = log.after(first["next"])  # type: ignore[arg-type]

    assert [len(first["calls"]), len(second["calls"])] == [2_000, 1]  # type: ignore[arg-type]
    assert log.after(second["next"])["calls"] == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("POST", "/harness/calls", "{}", 400, "missing required field: record"),
        ("POST", "/harness/calls", "", 400, "bad request body: EOF"),
        *(("GET", f"/harness/calls?after={n}", "", 400, "after must be a whole number") for n in ("x", "-1", "1.5")),
    ],
)
def test_a_mistake_is_answered_with_status_and_text(built_in: Running, method, path, body, status, error) -> None:
    answer = httpx.request(method, built_in.url + path, content=body or None, trust_env=False)

    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_only_get_and_post_are_known(built_in: Running) -> None:
    assert httpx.delete(built_in.url + "/harness/calls", trust_env=False).status_code == 405
    assert httpx.get(built_in.url + "/harness/other", trust_env=False).status_code == 404
