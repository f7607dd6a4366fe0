"""http_delay: answers come late and whole, the request at once; only those that are meant."""

from __future__ import annotations

import time

from tests.chaos.sockets import dial
from tests.chaos.web import Callee, Caller, get, ok, until


def timed(caller: Caller, request: bytes) -> float:
    begun = time.perf_counter()
    caller.ask(request)
    return time.perf_counter() - begun


def test_the_answer_comes_late_and_the_request_does_not(to) -> None:
    arrived: list[float] = []
    proxy = to(Callee(lambda _request, _body: arrived.append(time.perf_counter()) or ok(b"x" * 300_000)))
    proxy.add_toxic(type="http_delay", attributes={"delay": 200, "path": "/slow"})

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        assert timed(caller, get("/fast")) < 0.15
        begun = time.perf_counter()
        assert 0.2 <= timed(caller, get("/slow")) < 0.35
        assert arrived[1] - begun < 0.1


def test_jitter_is_drawn_around_the_delay(to) -> None:
    proxy = to(Callee())
    proxy.add_toxic(type="http_delay", attributes={"delay": 30, "jitter": 30})

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        times = [timed(caller, get()) for _ in range(20)]

    assert max(times) < 0.2
    assert max(times) - min(times) > 0.015


def test_a_delay_that_is_lifted_or_changed_ends_at_once(to) -> None:
    proxy = to(callee := Callee())

    for lift in (proxy.destroy_toxic, lambda name: proxy.update_toxic(name, {"delay": 0})):
        proxy.add_toxic(name="late", type="http_delay", attributes={"delay": 60_000})
        with dial(proxy.listen) as conn:
            conn.sendall(get())
            until(lambda: bool(callee.seen))
            begun = time.perf_counter()
            lift("late")
            assert Caller(conn).read()[0].status_code == 200
            assert time.perf_counter() - begun < 2
        callee.seen.clear()


def test_answers_keep_their_order_when_an_early_one_is_late(to) -> None:
    proxy = to(Callee(lambda request, _body: ok(request.target)))
    proxy.add_toxic(type="http_delay", attributes={"delay": 100, "path": "/1"})

    with dial(proxy.listen) as conn:
        conn.sendall(get("/1") + get("/2") + get("/1"))
        caller = Caller(conn)
        assert [caller.read()[1] for _ in range(3)] == [b"/1", b"/2", b"/1"]
