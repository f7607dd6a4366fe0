"""http_fail_first: so many fail, per trace or per connection, and then all goes well."""

from __future__ import annotations

import pytest

from harness.chaos.client import InvalidToxic
from tests.chaos.sockets import dial
from tests.chaos.web import Callee, Caller, get


def traced(number: int) -> bytes:
    return get("/", f"traceparent: 00-{number:032x}-{1:016x}-01")


def statuses(listen: str, *requests: bytes) -> list[int]:
    with dial(listen) as conn:
        caller = Caller(conn)
        return [caller.ask(r)[0].status_code for r in requests]


def test_the_first_of_each_connection_fail(to) -> None:
    proxy = to(callee := Callee())
    proxy.add_toxic(type="http_fail_first", attributes={"count": 2, "by": "connection", "status": 500})

    for _ in range(2):
        assert statuses(proxy.listen, *[traced(1)] * 4) == [500, 500, 200, 200]
    assert len(callee.seen) == 4


def test_the_first_of_each_trace_fail_whatever_connection_they_come_on(to) -> None:
    proxy = to(Callee())
    proxy.add_toxic(type="http_fail_first", attributes={"count": 2})

    assert statuses(proxy.listen, traced(1), traced(2)) == [503, 503]
    assert statuses(proxy.listen, traced(1), traced(1), traced(2), traced(2), traced(3)) == [503, 200, 503, 200, 503]


def test_without_a_trace_it_counts_the_connection(to) -> None:
    proxy = to(Callee())
    proxy.add_toxic(type="http_fail_first", attributes={"count": 1})

    assert statuses(proxy.listen, get(), get()) == [503, 200]
    assert statuses(proxy.listen, get(), get()) == [503, 200]


def test_only_requests_that_are_meant_count(to) -> None:
    proxy = to(Callee())
    proxy.add_toxic(type="http_fail_first", attributes={"count": 1, "path": "/a", "retry_after": 3})

    with dial(proxy.listen) as conn:
        caller = Caller(conn)
        answers = [caller.ask(get(path))[0] for path in ("/b", "/a", "/a")]
    assert [a.status_code for a in answers] == [200, 503, 200]
    assert dict(answers[1].headers)[b"retry-after"] == b"3"


def test_forwarded_the_callee_does_the_work_that_is_then_repeated(to) -> None:
    proxy = to(callee := Callee())
    proxy.add_toxic(type="http_fail_first", attributes={"count": 1, "forward": 1})

    assert statuses(proxy.listen, traced(1), traced(1)) == [503, 200]
    assert len(callee.seen) == 2


def test_nothing_but_trace_and_connection_can_be_counted_by(to) -> None:
    with pytest.raises(InvalidToxic, match='by must be trace or connection, found "host"'):
        to(Callee()).add_toxic(type="http_fail_first", attributes={"by": "host"})
