"""The client: toxiproxy-python's API with its faults repaired, against both servers."""

from __future__ import annotations

import socket
import uuid

import pytest
import toxiproxy

from harness.chaos.client import InvalidToxic, NotFound, ProxyExists, Server
from harness.errors import InfrastructureError
from tests.chaos.conftest import Running, started
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
