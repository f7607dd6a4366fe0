"""The client: toxiproxy-python's API with its faults repaired, against both servers."""

from __future__ import annotations

import re
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import toxiproxy

from harness.chaos.client import InvalidToxic, NotFound, ProxyExists, Server
from harness.errors import InfrastructureError, UsageError
from tests.chaos.conftest import Running, original, started
from tests.chaos.sockets import ask, dial, upstream


def test_it_is_the_librarys_own_classes(server: Running, proxy) -> None:
    assert isinstance(server.client, toxiproxy.Toxiproxy)
    assert isinstance(proxy("127.0.0.1:9"), toxiproxy.Proxy)


def test_two_servers_are_driven_side_by_side(server: Running) -> None:
    with started("built-in") as other:
        name = uuid.uuid4().hex
        server.client.create("127.0.0.1:9", name)

        assert server.client.get_proxy(name) is not None
        assert other.client.get_proxy(name) is None
        assert server.client.destroy(name)


def test_add_update_and_destroy_return_what_happened(proxy) -> None:
    one = proxy("127.0.0.1:9")

    added = one.add_toxic(type="latency", attributes={"latency": 5})
    changed = one.update_toxic(added.name, {"jitter": 2}, toxicity=0.5)

    assert (added.name, added.stream, added.toxicity) == ("latency_downstream", "downstream", 1)
    assert (changed.attributes, changed.toxicity) == ({"latency": 5, "jitter": 2}, 0.5)
    assert one.destroy_toxic(added.name)
    assert one.get_toxic(added.name) is None


def test_errors_are_the_librarys_and_say_what_the_server_said(server: Running, proxy) -> None:
    one = proxy("127.0.0.1:9")

    with pytest.raises(InvalidToxic, match=r"invalid toxic type"):
        one.add_toxic(type="nope")
    with pytest.raises(NotFound, match=r"toxic not found"):
        one.destroy_toxic("nobody")
    with pytest.raises(ProxyExists, match=r"proxy already exists"):
        server.client.create("127.0.0.1:9", one.name)
    with pytest.raises(
        InfrastructureError, match=r"answered 500 to POST /proxies: listen tcp .*: bind: address already in use"
    ):
        server.client.create("127.0.0.1:9", uuid.uuid4().hex, listen=one.listen)


def test_destroy_takes_a_name_and_tells_whether_there_was_one(server: Running, proxy) -> None:
    one = proxy("127.0.0.1:9")

    assert server.client.destroy(one.name)
    assert not server.client.destroy(one.name)


def test_populate_returns_every_proxy_also_those_that_stay(server: Running, proxy) -> None:
    one = proxy("127.0.0.1:9")
    again = {"name": one.name, "upstream": one.upstream, "listen": one.listen}

    assert [p.name for p in server.client.populate([again])] == [one.name]


def test_down_leaves_a_disabled_proxy_disabled(proxy) -> None:
    one = proxy("127.0.0.1:9")
    one.disable()

    with one.down():
        pass

    with pytest.raises(ConnectionRefusedError):
        dial(one.listen)


def test_down_enables_again_whatever_happens_in_the_block(proxy) -> None:
    with upstream() as target:
        one = proxy(target)
        with pytest.raises(KeyError), one.down():
            raise KeyError
        with dial(one.listen) as conn:
            ask(conn)


def test_a_name_with_a_slash_is_no_trouble_for_the_built_in_server(built_in: Running) -> None:
    built_in.client.create("127.0.0.1:9", "a/b c")
    found = built_in.client.get_proxy("a/b c")
    assert found is not None

    assert found.add_toxic(type="latency", name="x/y").name == "x/y"
    assert found.destroy_toxic("x/y")
    assert built_in.client.destroy("a/b c")


def test_version_is_text(server: Running) -> None:
    assert isinstance(server.client.version(), str)


def test_a_server_that_does_not_answer_is_given_up_on_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:
        client = Server(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.3)
        with pytest.raises(InfrastructureError, match=r"no answer from the Toxiproxy server at http"):
            client.proxies()
        assert not client.running()


ODD = ["a b", "ä→ü", "100%", "a?b#c", "a&b=c", '"quoted"', "%2F", "a+b", "a\\b"]


@pytest.mark.parametrize("name", ODD)
def test_proxies_and_toxics_may_have_any_name(server: Running, name: str) -> None:
    made = server.client.create("127.0.0.1:9", name)
    try:
        found = server.client.get_proxy(name)
        assert found is not None
        assert found.name == made.name == name
        assert found.add_toxic(type="latency", name=name).name == name
        assert found.update_toxic(name, {"latency": 3}).attributes["latency"] == 3
        assert found.destroy_toxic(name)
        with found.down():
            assert not found.enabled
    finally:
        assert server.client.destroy(name)


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_no_address_can_hold_is_refused_before_anything_is_asked(server: Running, proxy, name: str) -> None:
    one = proxy("127.0.0.1:9")

    for ask_for in (
        lambda: server.client.create("127.0.0.1:9", name),
        lambda: server.client.get_proxy(name),
        lambda: server.client.destroy(name),
        lambda: one.update_toxic(name),
        lambda: one.destroy_toxic(name),
    ):
        with pytest.raises(UsageError, match="cannot be the name of a proxy or a toxic"):
            ask_for()


def test_destroy_all_deletes_what_it_can_and_names_the_rest() -> None:
    for kind in ("built-in", "original") if original() else ("built-in",):
        with started(kind) as server:
            for name in ("a/b", "c", "d"):
                server.client.create("127.0.0.1:9", name)
            if kind == "built-in":
                server.client.destroy_all()
                assert server.client.proxies() == {}
            else:
                with pytest.raises(InfrastructureError, match="did not delete a/b"):
                    server.client.destroy_all()
                assert list(server.client.proxies()) == ["a/b"]


def test_a_toxic_keeps_what_an_update_does_not_name(proxy) -> None:
    one = proxy("127.0.0.1:9")
    one.add_toxic(type="latency", name="l", stream="upstream", toxicity=0.25, attributes={"latency": 5, "jitter": 1})

    assert one.update_toxic("l", {"latency": 6}).toxicity == 0.25
    changed = one.update_toxic("l", toxicity=0.75)

    assert (changed.stream, changed.attributes, changed.toxicity) == ("upstream", {"latency": 6, "jitter": 1}, 0.75)
    with pytest.raises(NotFound, match="toxic not found"):
        one.update_toxic("nobody", {"latency": 1})


def test_a_proxy_is_pointed_somewhere_else(proxy) -> None:
    one = proxy("127.0.0.1:9")
    with upstream() as target:
        one.update(upstream=target)
        assert one.upstream == target
        with dial(one.listen) as conn:
            ask(conn)


def test_populate_is_one_request_and_replaces_what_differs(server: Running, proxy) -> None:
    one, name = proxy("127.0.0.1:9"), uuid.uuid4().hex
    wish = [
        {"name": one.name, "upstream": "127.0.0.1:10", "listen": one.listen},
        {"name": name, "upstream": "127.0.0.1:9", "listen": "127.0.0.1:0"},
    ]

    made = server.client.populate(wish)

    assert [(p.name, p.upstream) for p in made] == [(one.name, "127.0.0.1:10"), (name, "127.0.0.1:9")]
    assert made[1].destroy()
    with pytest.raises(InvalidToxic, match="missing required field: upstream at proxy 1"):
        server.client.populate([{"name": "x"}])


def test_reset_lifts_every_fault(server: Running, proxy) -> None:
    one = proxy("127.0.0.1:9")
    one.add_toxic(type="latency")
    one.disable()

    server.client.reset()

    found = server.client.get_proxy(one.name)
    assert found is not None
    assert (found.enabled, found.toxics()) == (True, {})


def test_another_server_is_talked_to_with_the_same_time_limit() -> None:
    with silent(b"") as url:
        client = Server("http://127.0.0.1:9", timeout_s=0.3)
        client.update_api_consumer("127.0.0.1", int(url.rpartition(":")[2]))
        began = time.monotonic()
        with pytest.raises(InfrastructureError, match="no answer"):
            client.version()
    assert time.monotonic() - began < 2


@contextmanager
def silent(answer: bytes, again: bytes = b"") -> Iterator[str]:
    """Something that is no Toxiproxy server: says `answer` to whoever comes, then `again` over and over."""

    def handle(conn: socket.socket) -> None:
        while conn.recv(65536):
            conn.sendall(answer)
            while again:
                conn.sendall(again)
                time.sleep(0.02)

    with upstream(handle) as target:
        yield f"http://{target}"


def said(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def test_an_answer_that_never_ends_is_given_up_on_in_time() -> None:
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with silent(endless, b"1\r\n \r\n") as url:
        began = time.monotonic()
        with pytest.raises(InfrastructureError, match=r"the answer did not end within 0.4 s"):
            Server(url, timeout_s=0.4).proxies()
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (said("200 OK", b"<html>hello</html>"), "is no Toxiproxy server; it said '<html>hello</html>'"),
        (said("200 OK", b"[1, 2]"), "is no Toxiproxy server; it said"),
        (said("200 OK", b"null"), "is no Toxiproxy server; it said"),
        (said("503 Service Unavailable", b"busy"), "answered 503 to GET /"),
        (said("302 Found\r\nLocation: http://example.invalid/", b""), "answered 302 to GET /"),
        (b"nonsense\r\n\r\n", "no answer from the Toxiproxy server"),
        (b"", "no answer from the Toxiproxy server"),
    ],
)
def test_what_is_no_toxiproxy_server_is_told_as_that(answer: bytes, message: str) -> None:
    with silent(answer) as url:
        client = Server(url, timeout_s=0.5)
        assert not client.running()
        with pytest.raises(InfrastructureError, match=re.escape(message)):
            client.version()
        with pytest.raises(InfrastructureError, match=re.escape(message)):
            client.proxies()
