"""Faults for people's own tests: what the caller meets inside the block, and that nothing is left after it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.chaos.bench import Bench
from harness.chaos.toxics import Faults, Toxics
from harness.errors import ConfigError, InfrastructureError, UsageError
from tests.chaos.conftest import Running, started
from tests.chaos.sockets import ask, dial, read_all, upstream
from tests.helpers import write_project


@pytest.fixture
def toxics(server: Running, tmp_path: Path) -> Iterator[Toxics]:
    """On each server in turn, which is not ours alone."""
    with Bench(None, directory=tmp_path, env={"TOXIPROXY_URL": server.url}) as bench:
        made = Toxics(bench)
        yield made
        made.close()


@pytest.fixture
def echo(toxics: Toxics) -> Iterator[Faults]:
    with upstream() as target:
        yield toxics.proxy(target)


def took(faults: Faults, data: bytes = b"hello") -> float:
    with dial(faults.address) as conn:
        return ask(conn, data)


def left(server: Running, faults: Faults) -> list[str]:
    (proxy,) = (p for p in server.client.proxies().values() if p.listen == faults.address)
    return list(proxy.toxics())


def test_latency_is_felt_inside_the_block_and_not_after_it(echo: Faults, server: Running) -> None:
    with echo.latency(150, jitter=10):
        slow = took(echo)

    assert 0.13 <= slow < 1
    assert took(echo) < 0.1
    assert left(server, echo) == []


def test_faults_are_combined_in_the_order_in_which_they_are_named(echo: Faults, server: Running) -> None:
    with echo.latency(100).limit_data(3), dial(echo.address) as conn:
        began = time.monotonic()
        conn.sendall(b"hello")
        assert read_all(conn) == b"hel"
        assert time.monotonic() - began >= 0.09
        assert [name.rpartition("-")[0] for name in left(server, echo)] == ["latency", "limit_data"]


def test_blocks_may_be_nested_and_each_takes_away_its_own(echo: Faults, server: Running) -> None:
    with echo.latency(1):
        with echo.latency(2), echo.down():
            pass
        assert len(left(server, echo)) == 1
        assert took(echo) < 1


def test_the_same_faults_can_be_used_again(echo: Faults, server: Running) -> None:
    slow = echo.latency(1)

    for _ in range(2):
        with slow, slow:
            assert len(left(server, echo)) == 2

    assert left(server, echo) == []


def test_reset_reaches_a_connection_as_a_reset(echo: Faults) -> None:
    with echo.reset_peer(), dial(echo.address) as conn:
        conn.sendall(b"hello")
        with pytest.raises(ConnectionResetError):
            conn.recv(10)


def test_a_timeout_is_silence(echo: Faults) -> None:
    with echo.timeout(0), dial(echo.address, timeout=0.2) as conn:
        conn.sendall(b"hello")
        with pytest.raises(TimeoutError):
            conn.recv(10)


@pytest.mark.parametrize("name", ["down", "refused"])
def test_down_refuses_and_afterwards_it_listens_again(echo: Faults, name: str) -> None:
    with getattr(echo, name)(), pytest.raises(ConnectionRefusedError):
        dial(echo.address)

    assert took(echo) < 1


def test_every_fault_has_its_word_and_takes_stream_and_toxicity(echo: Faults, server: Running) -> None:
    every = echo.bandwidth(1000).slow_close(1).slicer(100, 10, delay=1).timeout(5, stream="upstream", toxicity=0.5)

    with every.toxic("latency", latency=1, stream="upstream"):
        (proxy,) = (p for p in server.client.proxies().values() if p.listen == echo.address)
        seen = {(t.type, t.stream, t.toxicity) for t in proxy.toxics().values()}

    assert seen == {
        ("bandwidth", "downstream", 1),
        ("slow_close", "downstream", 1),
        ("slicer", "downstream", 1),
        ("timeout", "upstream", 0.5),
        ("latency", "upstream", 1),
    }


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_faults_are_lifted_whatever_ends_the_block(echo: Faults, server: Running, error: type[BaseException]) -> None:
    with pytest.raises(error), echo.latency(500).down():
        raise error

    assert left(server, echo) == []
    assert took(echo) < 0.4


def test_when_one_of_several_cannot_be_injected_the_others_are_lifted(
    echo: Faults, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = echo.latency(500).limit_data(5)
    real = type(slow._proxy).add_toxic

    def add(proxy, **toxic):
        if toxic["type"] == "limit_data":
            real(proxy, **toxic)
            raise KeyboardInterrupt
        return real(proxy, **toxic)

    monkeypatch.setattr(type(slow._proxy), "add_toxic", add)
    with pytest.raises(KeyboardInterrupt), slow:
        pytest.fail("the block must not begin")

    assert left(server, echo) == []


def test_the_end_of_the_test_lifts_what_nobody_left_and_deletes_the_proxies(server: Running, tmp_path: Path) -> None:
    before = set(server.client.proxies())
    with upstream() as target, Bench(None, directory=tmp_path, env={"TOXIPROXY_URL": server.url}) as bench:
        toxics = Toxics(bench)
        toxics.proxy(target).down().__enter__()
        assert len(server.client.proxies()) == len(before) + 1

        toxics.close()

        assert set(server.client.proxies()) == before


def test_without_a_server_of_somebody_elses_one_is_started_and_ended(tmp_path: Path) -> None:
    with Bench(None, directory=tmp_path, env={"PATH": ""}) as bench, upstream() as target:
        faults = Toxics(bench).proxy(target)
        assert took(faults) < 1
        url = bench.server.client.url

    port = int(url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_a_server_that_is_gone_is_told_and_does_not_hide_the_tests_own_error(tmp_path: Path) -> None:
    with started("built-in") as server, Bench(None, directory=tmp_path, env={"TOXIPROXY_URL": server.url}) as bench:
        faults = bench.create("127.0.0.1:9", "x")
        gone = Faults(faults, faults.listen, "there", Toxics(bench)._ending).latency(5)

        def own_test() -> None:
            with gone:
                server.stop()
                raise KeyError("the test's own")

        with pytest.raises(KeyError) as caught:
            own_test()
        again = Faults(faults, faults.listen, "there", Toxics(bench)._ending).latency(5)
        with pytest.raises(InfrastructureError, match="no answer from the Toxiproxy server"), again:
            pass

    (note,) = caught.value.__notes__
    assert note.startswith("the faults on there could not be lifted: no answer from the Toxiproxy server at http")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: f.latency(-1), "latency.attributes.latency: found -1. Accepted: 0 or more."),
        (lambda f: f.latency("2s"), "latency.attributes.latency: input should be a valid integer, found '2s'."),
        (lambda f: f.toxic("latncy"), 'latncy.type: found "latncy". Did you mean "latency"?'),
        (lambda f: f.toxic("latency", latncy=1), 'latency has no attribute "latncy". Did you mean "latency"?'),
        (lambda f: f.latency(1, toxicity=2), "latency.toxicity: input should be less than or equal to 1, found 2"),
        (lambda f: f.latency(1, stream="up"), "latency.stream: found 'up'."),
    ],
)
def test_a_mistake_is_told_before_anything_is_injected(echo: Faults, make, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(echo)

    assert str(caught.value).startswith(f"fault on {echo.place}: ")
    assert message in str(caught.value)


def test_a_block_without_a_fault_is_a_mistake(echo: Faults) -> None:
    with pytest.raises(UsageError, match="no fault is named for"), echo:
        pass


@pytest.mark.parametrize("address", ["localhost", "5432", "http://127.0.0.1:80", "127.0.0.1:0", "127.0.0.1:99999", ""])
def test_an_upstream_is_an_address(toxics: Toxics, address: str) -> None:
    with pytest.raises(UsageError, match="it must be host:port"):
        toxics.proxy(upstream=address)


def test_an_upstream_beyond_loopback_is_refused_unless_it_is_allowed(toxics: Toxics, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"db.example:5432 is not on loopback, so faults before it are refused"):
        toxics.proxy("db.example:5432")

    text = '[system]\nname = "x"\n[runtime]\nallow_targets = ["db.example"]\n[services.a]\nurl = "http://db.example"\n'
    project = write_project(tmp_path / "allowed", text)
    with Bench(project, directory=tmp_path / "logs", env={}) as bench:
        assert Toxics(bench).proxy("db.example:5432").place == "db.example:5432"


def test_without_a_system_an_edge_says_what_is_missing(toxics: Toxics) -> None:
    with pytest.raises(UsageError, match=r"there is no harness.toml that describes a system"):
        toxics.edge("a", "b")
