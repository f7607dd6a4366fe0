"""Where HTTP faults stand: with TCP toxics, with one another, in the middle of things, and with what is no HTTP."""

from __future__ import annotations

import socket
import threading
import time

import httpx
import pytest
from toxiproxy import Toxiproxy

from tests.chaos.conftest import started
from tests.chaos.sockets import ask, dial, echo, read_all, read_exactly, upstream
from tests.chaos.web import Callee, Caller, Ears, get, ok, until

JSON = "Content-Type: application/json"
FAIL = {"type": "http_status", "attributes": {"path": "/fail"}}


def statuses(listen: str, *paths: str) -> list[int]:
    with dial(listen) as conn:
        caller = Caller(conn)
        return [caller.ask(get(p))[0].status_code for p in paths]


# --- with TCP toxics ---


@pytest.mark.parametrize("first", ["latency", "http_status"])
def test_an_answer_of_our_own_goes_through_downstream_toxics_in_whatever_order_they_were_added(to, first: str) -> None:
    proxy = to(Callee())
    toxics = [FAIL, {"type": "latency", "attributes": {"latency": 150}}]
    for toxic in toxics if first == "http_status" else toxics[::-1]:
        proxy.add_toxic(**toxic)

    begun = time.perf_counter()
    assert statuses(proxy.listen, "/fail") == [503]
    assert 0.15 <= time.perf_counter() - begun < 0.4


def test_what_an_upstream_toxic_keeps_back_is_no_request(to, built_in) -> None:
    proxy = to(Callee())
    proxy.add_toxic(**FAIL)
    proxy.add_toxic(type="timeout", stream="upstream", attributes={"timeout": 50})

    with dial(proxy.listen) as conn:
        conn.sendall(get("/fail"))
        assert read_all(conn) == b""
    assert built_in.client.http_faults()[proxy.name]["http_status_downstream"].meant == 0


def test_an_answer_of_our_own_can_be_cut_off_and_sliced(to) -> None:
    proxy = to(Callee())
    proxy.add_toxic(**FAIL)
    proxy.add_toxic(type="slicer", attributes={"average_size": 5, "delay": 100})
    proxy.add_toxic(type="limit_data", attributes={"bytes": 20})

    with dial(proxy.listen) as conn:
        conn.sendall(get("/fail"))
        assert read_all(conn) == b"HTTP/1.1 503 Service"


def test_requests_in_crumbs_are_requests(to) -> None:
    proxy = to(Callee())
    proxy.add_toxic(type="slicer", stream="upstream", attributes={"average_size": 1, "delay": 10})
    proxy.add_toxic(**FAIL)

    assert statuses(proxy.listen, "/fail", "/", "/fail", "/") == [503, 200, 503, 200]


# --- with one another ---


def test_faults_act_in_order_on_the_answer_of_the_one_before(to) -> None:
    proxy = to(Callee(lambda *_: ok(b'{"a":1}', JSON)))
    body = {"action": "set", "field": "/b", "value": "2"}
    proxy.add_toxic(name="1", type="http_status", attributes={"status": 500, "body": '{"a":0}', "path": "/x"})
    proxy.add_toxic(name="2", type="http_body", attributes=body)
    proxy.add_toxic(name="3", type="http_delay", attributes={"delay": 60})
    proxy.add_toxic(name="4", type="http_status", attributes={"status": 404, "path": "/y", "forward": 1})

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        begun = time.perf_counter()
        answers = [caller.ask(get(path)) for path in ("/x", "/y", "/z")]
        assert time.perf_counter() - begun >= 0.18

    assert [(a.status_code, b) for a, b in answers] == [(500, b'{"a":0,"b":2}'), (404, b""), (200, b'{"a":1,"b":2}')]


def test_a_request_one_fault_withholds_is_not_sent_on_by_another(to) -> None:
    proxy = to(callee := Callee())
    proxy.add_toxic(name="1", type="http_status", attributes={"status": 500, "forward": 1})
    proxy.add_toxic(name="2", type="http_fail_first", attributes={"count": 1, "status": 502, "by": "connection"})

    assert statuses(proxy.listen, "/1", "/2") == [502, 500]
    assert callee.seen == ["GET /2"]


# --- in the middle of things ---


def test_a_fault_reaches_connections_that_were_open_before_and_leaves_them_again(to) -> None:
    proxy = to(Callee())

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        seen = [caller.ask(get("/fail"))[0].status_code]
        for _ in range(3):
            proxy.add_toxic(**FAIL)
            seen += [caller.ask(get(p))[0].status_code for p in ("/fail", "/")]
            proxy.update_toxic("http_status_downstream", {"status": 500})
            seen.append(caller.ask(get("/fail"))[0].status_code)
            proxy.destroy_toxic("http_status_downstream")
            seen.append(caller.ask(get("/fail"))[0].status_code)

    assert seen == [200, *[503, 200, 500, 200] * 3]


def test_an_exchange_that_had_begun_is_not_touched_by_a_fault_that_comes_later(to) -> None:
    proxy = to(callee := Callee(lambda *_: ok(b"x" * 500_000)))
    proxy.add_toxic(name="slow", type="latency", attributes={"latency": 200})

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        conn.sendall(get("/fail"))
        until(lambda: bool(callee.seen))
        proxy.add_toxic(**FAIL)
        assert caller.read()[1] == b"x" * 500_000
        assert caller.ask(get("/fail"))[0].status_code == 503


def test_a_fault_added_in_the_middle_of_an_upload_waits_for_the_next_request(to) -> None:
    proxy = to(callee := Callee())

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        conn.sendall(b"POST /fail HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 1_000_000)
        until(lambda: proxy_received(proxy) > 900_000)
        proxy.add_toxic(**FAIL)
        assert caller.ask(b"x" * 1_000_000)[0].status_code == 200
        assert caller.ask(get("/fail"))[0].status_code == 503
    assert callee.seen == ["POST /fail"]


def proxy_received(proxy) -> int:
    metrics = proxy._consumer.send("GET", "/metrics").splitlines()
    wanted = (
        m for m in metrics if "received_bytes" in m and proxy.name in m and "upstream" in m.partition("{")[2][:24]
    )
    return int(next(wanted).rpartition(" ")[2])


def test_a_fault_removed_in_the_middle_of_an_exchange_ends_it_as_it_began(to) -> None:
    go = threading.Event()

    def slowly(conn: socket.socket) -> None:
        while conn.recv(65536):
            conn.sendall(ok(b'{"a":1,"b":2}', JSON)[:-3])
            go.wait(5)
            conn.sendall(b":2}")

    proxy = to(slowly)
    proxy.add_toxic(name="b", type="http_body", attributes={"action": "drop", "field": "/a"})

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        conn.sendall(get())
        until(lambda: proxy._consumer.read("GET", "/harness/faults")[proxy.name]["b"]["acted"] == 1)
        proxy.destroy_toxic("b")
        go.set()
        assert caller.read()[1] == b'{"b":2}'
        assert caller.ask(get())[1] == b'{"a":1,"b":2}'


def test_toxicity_is_drawn_for_each_connection_and_the_seed_repeats_it() -> None:
    def run() -> list[int]:
        with started("built-in", "-seed", "5") as server, upstream(Callee()) as target:
            proxy = server.client.create(target, "p")
            proxy.add_toxic(type="http_status", toxicity=0.5)
            return [s for _ in range(20) for s in set(statuses(proxy.listen, *["/"] * 3))]

    first, second = run(), run()

    assert first == second
    assert len(first) == 20
    assert 4 < first.count(503) < 16


# --- answers and connections of every kind ---


def test_interim_answers_pass(to) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    proxy = to(Callee(lambda *_: hints + ok(b"[]", JSON)))
    proxy.add_toxic(type="http_body", attributes={"action": "set", "value": "1"})

    with dial(proxy.listen) as conn:
        conn.sendall(get("/", "Content-Length: 2", "Expect: 100-continue", method="PUT"))
        assert read_exactly(conn, 17) == b"HTTP/1.1 100 \r\n\r\n"
        conn.sendall(b"ab")
        assert read_exactly(conn, len(hints)) == hints
        assert Caller(conn).read()[1] == b"1"


def test_an_upgrade_passes_and_what_follows_is_left_alone(to) -> None:
    def switch(conn: socket.socket) -> None:
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
        echo(conn)

    proxy = to(switch)
    proxy.add_toxic(**FAIL)
    proxy.add_toxic(type="http_body", attributes={"action": "malformed"})

    with dial(proxy.listen) as conn:
        conn.sendall(get("/", "Connection: upgrade", "Upgrade: x"))
        assert read_exactly(conn, 48).endswith(b"\r\n\r\n")
        ask(conn, get("/fail"))
        ask(conn, bytes(range(256)) * 2000)


def test_an_upgrade_that_is_answered_otherwise_does_not_leave_the_callee_in_another_protocol(to) -> None:
    def switch(conn: socket.socket) -> None:
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        echo(conn)

    proxy = to(switch)
    proxy.add_toxic(type="http_status", attributes={"forward": 1})

    with dial(proxy.listen) as conn:
        conn.sendall(get("/", "Connection: upgrade", "Upgrade: x"))
        answer = read_all(conn)
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"Connection: close" in answer


@pytest.mark.parametrize("toxic", [FAIL, {"type": "http_body", "attributes": {"action": "malformed"}}])
def test_what_is_no_http_passes_unchanged(to, toxic) -> None:
    proxy = to(echo)
    proxy.add_toxic(**toxic)

    for data in (
        b"hello",
        b"\x16\x03\x01" + bytes(range(256)) * 1000,
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"GET key\r\n",
    ):
        with dial(proxy.listen) as conn:
            ask(conn, data)
            ask(conn, data)
            conn.shutdown(socket.SHUT_WR)
            assert read_all(conn) == b""


def test_a_server_that_speaks_first_is_heard(to) -> None:
    def banner(conn: socket.socket) -> None:
        conn.sendall(b"220 ready\r\n")
        echo(conn)

    proxy = to(banner)
    proxy.add_toxic(**FAIL)

    with dial(proxy.listen) as conn:
        assert read_exactly(conn, 11) == b"220 ready\r\n"
        ask(conn, b"QUIT\r\n")


def test_a_callee_that_answers_garbage_is_passed_on(to) -> None:
    def garbage(conn: socket.socket) -> None:
        conn.recv(65536)
        conn.sendall(b"garbage")

    proxy = to(garbage)
    proxy.add_toxic(type="http_body", attributes={"action": "malformed"})

    with dial(proxy.listen) as conn:
        conn.sendall(get())
        assert read_all(conn) == b"garbage"


def test_a_callee_that_dies_without_an_answer_ends_the_connection_after_the_answers_before(to) -> None:
    proxy = to(Callee(lambda request, _body: None if request.target == b"/die" else ok()))
    proxy.add_toxic(**FAIL)

    with dial(proxy.listen) as conn:
        conn.sendall(get("/") + get("/fail") + get("/die") + get("/fail"))
        answers = read_all(conn)
    assert [part[:4] for part in answers.split(b"HTTP/1.1")[1:]] == [b" 200", b" 503"]


def test_a_half_closed_connection_gets_an_answer_of_our_own(to) -> None:
    proxy = to(Callee())
    proxy.add_toxic(type="http_delay", attributes={"delay": 50})
    proxy.add_toxic(**FAIL)

    with dial(proxy.listen) as conn:
        conn.sendall(get("/fail"))
        conn.shutdown(socket.SHUT_WR)
        assert read_all(conn).startswith(b"HTTP/1.1 503 ")


def test_large_bodies_are_streamed_and_a_slow_reader_slows_the_callee(to) -> None:
    sent = [0]

    def flood(conn: socket.socket) -> None:
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n")
        for _ in range(400):
            conn.sendall(b"x" * 1_000_000)
            sent[0] += 1_000_000

    def stands_still() -> bool:
        # All buffers on the way are full.
        before = sent[0]
        threading.Event().wait(0.3)
        return sent[0] == before > 0

    proxy = to(flood)
    proxy.add_toxic(**FAIL)
    proxy.add_toxic(type="http_delay", attributes={"delay": 100})

    with dial(proxy.listen) as conn:
        conn.sendall(get("/"))
        assert conn.recv(10) == b"HTTP/1.1 2"
        until(stands_still)
        assert sent[0] < 60_000_000
        size = 0
        while size < 50_000_000:
            size += len(conn.recv(1 << 20))


def test_many_requests_at_once_are_answered_in_order(to, built_in) -> None:
    proxy = to(Callee(lambda request, _body: ok(request.target)))
    proxy.add_toxic(type="http_status", attributes={"path": "*7", "body": "seven"})
    ears = Ears(built_in.client)

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        conn.sendall(b"".join(get(f"/{n}") for n in range(300)))
        bodies = [caller.read()[1].decode() for _ in range(300)]
        calls = ears.ended(300)

    assert bodies == ["seven" if n % 10 == 7 else f"/{n}" for n in range(300)]
    assert [(c.path, c.status, c.forwarded) for c in calls] == [
        (f"/{n}", 503, False) if n % 10 == 7 else (f"/{n}", 200, True) for n in range(300)
    ]


# --- through clients people use ---


def test_httpx_and_the_library_for_toxiproxy_see_nothing_unusual(to, built_in) -> None:
    proxy = to(Callee(lambda *_: ok(b'{"id":1}', JSON)))
    proxy.add_toxic(type="http_body", attributes={"action": "set", "field": "/id", "value": '"x"'})
    host, _, port = built_in.url.removeprefix("http://").rpartition(":")
    library = Toxiproxy()
    library.update_api_consumer(host, int(port))

    with httpx.Client(base_url=f"http://{proxy.listen}", trust_env=False) as client:
        assert [client.get("/").json() for _ in range(3)] == [{"id": "x"}] * 3
    listed = library.get_proxy(proxy.name).toxics()["http_body_downstream"]

    assert (listed.type, listed.stream, listed.attributes["value"]) == ("http_body", "downstream", '"x"')
