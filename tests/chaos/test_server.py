"""Where the built-in server is better than the original, and what it does with bad input; the rest is in conformance."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import signal
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from harness.chaos.client import ServerProxy
from tests.chaos.conftest import Running, started
from tests.chaos.sockets import ask, dial, echo, read_all, read_exactly, reply_after_end, upstream


@pytest.fixture
def echoing(built_in: Running) -> Iterator[ServerProxy]:
    with upstream(echo) as target:
        proxy = built_in.client.create(target, uuid.uuid4().hex)
        yield proxy
        proxy.destroy()


def test_a_half_closed_connection_gets_its_reply(built_in: Running) -> None:
    with upstream(reply_after_end) as target:
        proxy = built_in.client.create(target, "half-closed")
        with dial(proxy.listen) as conn:
            conn.sendall(b"x" * 70_000)
            conn.shutdown(socket.SHUT_WR)
            assert read_all(conn) == b"got 70000"


def test_a_reply_comes_through_toxics_after_the_client_has_ended(built_in: Running) -> None:
    with upstream(reply_after_end) as target:
        proxy = built_in.client.create(target, "half-closed-slow")
        for stream in ("upstream", "downstream"):
            proxy.add_toxic(type="latency", stream=stream, attributes={"latency": 50})
        with dial(proxy.listen) as conn:
            conn.sendall(b"abc")
            conn.shutdown(socket.SHUT_WR)
            assert read_all(conn) == b"got 3"


def test_a_client_goes_on_after_its_upstream_has_ended(built_in: Running) -> None:
    heard: queue.Queue[bytes] = queue.Queue()

    def end_first(conn: socket.socket) -> None:
        conn.sendall(b"bye")
        conn.shutdown(socket.SHUT_WR)
        heard.put(read_all(conn))

    with upstream(end_first) as target:
        proxy = built_in.client.create(target, "ended-first")
        with dial(proxy.listen) as conn:
            assert read_all(conn) == b"bye"
            conn.sendall(b"x" * 70_000)
            conn.shutdown(socket.SHUT_WR)
            assert len(heard.get(timeout=10)) == 70_000


def test_reset_peer_reaches_connections_that_were_open_before(echoing: ServerProxy) -> None:
    with dial(echoing.listen) as conn:
        ask(conn)
        echoing.add_toxic(type="reset_peer", attributes={"timeout": 0})
        conn.sendall(b"again")
        with pytest.raises(ConnectionResetError):
            conn.recv(1)


def test_the_same_seed_and_traffic_draw_the_same_toxicity_and_another_seed_another() -> None:
    def run(seed: str) -> list[bool]:
        with started("built-in", "-seed", seed) as server, upstream(echo) as target:
            proxy = server.client.create(target, "p")
            proxy.add_toxic(type="limit_data", toxicity=0.5, attributes={"bytes": 3})
            seen = []
            for _ in range(30):
                with dial(proxy.listen) as conn:
                    conn.sendall(b"hello")
                    seen.append(len(read_exactly(conn, 5)) == 3)
            return seen

    first, second, other = run("11"), run("11"), run("12")

    assert first == second != other
    assert 5 < sum(first) < 25


def test_the_config_file_is_read_and_a_broken_one_is_survived(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text('[{"name":"p","upstream":"127.0.0.1:9","listen":"127.0.0.1:0"}]')
    bad.write_text("[{")

    with started("built-in", "-config", str(good)) as server:
        assert list(server.client.proxies()) == ["p"]
    with started("built-in", "--config", str(bad)) as server:
        assert server.client.proxies() == {}


def test_without_the_flags_there_are_no_metrics() -> None:
    with started("built-in") as server:
        assert server.client.metrics() == ""


def test_runtime_metrics_show_the_process(built_in: Running) -> None:
    assert "process_resident_memory_bytes" in built_in.client.metrics()


def test_many_dials_to_a_silent_upstream_do_not_hold_others_up(built_in: Running) -> None:
    # 203.0.113.0/24 is kept for documentation (RFC 5737): nobody answers there, if there is a way at all.
    dead = built_in.client.create("203.0.113.1:81", "silent")
    waiting = [dial(dead.listen) for _ in range(20)]
    with upstream(echo) as target, dial(built_in.client.create(target, "lively").listen) as conn:
        assert ask(conn) < 2
    for one in waiting:
        one.close()


def test_a_slow_reader_slows_the_sender_instead_of_filling_memory(built_in: Running) -> None:
    def flood(conn: socket.socket) -> None:
        for _ in range(400):
            conn.sendall(b"x" * 1_000_000)

    with upstream(flood) as target:
        for toxic in (None, {"type": "bandwidth", "attributes": {"rate": 10}}):
            proxy = built_in.client.create(target, uuid.uuid4().hex)
            if toxic:
                proxy.add_toxic(**toxic)
            before = _memory_mb(built_in)
            with dial(proxy.listen):
                time.sleep(0.5)
                assert _memory_mb(built_in) - before < 60


def _memory_mb(server: Running) -> float:
    line = next(x for x in server.client.metrics().splitlines() if x.startswith("process_resident_memory_bytes"))
    return float(line.split()[1]) / 1e6


def test_no_descriptor_is_left_after_many_connections(built_in: Running, echoing: ServerProxy) -> None:
    pid = next(c.pid for c in psutil.net_connections("tcp4") if c.laddr and c.laddr.port == urlsplit(built_in.url).port)
    process = psutil.Process(pid)
    before = process.num_fds()
    for _ in range(300):
        with dial(echoing.listen) as conn:
            ask(conn)

    limit = time.monotonic() + 5
    while process.num_fds() > before + 2:
        assert time.monotonic() < limit, f"{process.num_fds()} descriptors are open, {before} were before"
        time.sleep(0.02)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /proxies HTTP/1.1\r\nHost: x\r\nContent-Length: nonsense\r\n\r\n",
        b"GET /%ff%fe/../.. HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /proxies HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 2_000_000 + b"\r\n\r\n",
    ],
    ids=["tls", "version", "length", "path", "header"],
)
def test_rubbish_on_the_api_port_is_turned_away_and_the_server_lives_on(built_in: Running, raw: bytes) -> None:
    with dial(built_in.url.removeprefix("http://")) as conn:
        answer = b""
        # A server that has read enough may close, with RST, while we still send.
        with contextlib.suppress(OSError):
            conn.sendall(raw)
            conn.shutdown(socket.SHUT_WR)
            answer = read_all(conn)

    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 3"))
    assert built_in.client.running()


@pytest.mark.parametrize(
    "body",
    ['{"name":"\\ud800","upstream":"x:1","enabled":false}', "[" * 100_000, '{"name":NaN}', '"\x00"', "{" * 50],
    ids=["surrogate", "deep", "nan", "control", "open"],
)
def test_hostile_json_never_breaks_the_server(built_in: Running, body: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(built_in.url).netloc, timeout=10)
    connection.request("POST", "/proxies", body.encode())
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()

    assert answer.status in {201, 400}
    assert built_in.client.running()
    if answer.status == 201:
        assert built_in.client.destroy(told["name"])


def test_a_slicer_without_a_size_does_not_run_away(built_in: Running, echoing: ServerProxy) -> None:
    echoing.add_toxic(type="slicer", attributes={"average_size": 0, "size_variation": 3, "delay": 0})

    with dial(echoing.listen) as conn:
        ask(conn, bytes(range(256)))
    assert built_in.client.running()


def test_delays_in_a_row_add_up_exactly(echoing: ServerProxy) -> None:
    for number in range(10):
        echoing.add_toxic(type="latency", name=f"l{number}", attributes={"latency": 10})

    with dial(echoing.listen) as conn:
        waits = sorted(ask(conn) for _ in range(5))

    assert waits[0] >= 0.098
    assert waits[2] < 0.13


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_taking_a_delay_out_of_a_row_takes_its_time_away_from_what_waits_and_keeps_order(
    echoing: ServerProxy, gone: int
) -> None:
    for number in range(3):
        slow = {"latency": 60_000 if number == gone else 50}
        echoing.add_toxic(type="latency", name=f"l{number}", attributes=slow)
    data = bytes(i % 251 for i in range(300_000))

    with dial(echoing.listen) as conn:
        begun = time.perf_counter()
        conn.sendall(data[:200_000])
        time.sleep(0.2)
        echoing.destroy_toxic(f"l{gone}")
        conn.sendall(data[200_000:])
        assert read_exactly(conn, len(data)) == data

    assert time.perf_counter() - begun < 5


def test_a_toxic_at_the_end_of_a_row_of_delays_gets_what_was_on_its_way(echoing: ServerProxy) -> None:
    for number in range(2):
        echoing.add_toxic(type="latency", name=f"l{number}", attributes={"latency": 150})

    with dial(echoing.listen) as conn:
        conn.sendall(b"hello")
        time.sleep(0.05)
        echoing.add_toxic(type="limit_data", attributes={"bytes": 3})
        assert read_all(conn) == b"hel"


# --- Upstreams that are not there --------------------------------------------------------------------------------------


def test_a_refused_upstream_is_passed_on_as_a_reset_when_asked_for() -> None:
    with upstream() as target:
        pass
    with started("built-in", "-pass-refused") as server:
        for said in (b"", b"hello"):
            listen = server.client.create(target, uuid.uuid4().hex).listen
            # The reset may be there before the connection is.
            with pytest.raises(ConnectionError), dial(listen) as conn:
                conn.sendall(said) or conn.recv(1)  # type: ignore[func-returns-value]


def test_a_refused_upstream_looks_like_an_end_to_a_silent_client_by_default(built_in: Running) -> None:
    with upstream() as target:
        pass
    with dial(built_in.client.create(target, uuid.uuid4().hex).listen) as conn:
        assert conn.recv(1) == b""


def test_a_dial_is_given_up_after_its_limit() -> None:
    # A full backlog: the kernel answers no further SYN.
    with started("built-in", "-dial-limit", "0.3") as server, socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            with dial(server.client.create(f"127.0.0.1:{full.getsockname()[1]}", "p").listen) as conn:
                begun = time.perf_counter()
                assert conn.recv(1) == b""

    assert 0.25 <= time.perf_counter() - begun < 3


@pytest.mark.parametrize(
    "target", ["nobody.invalid:80", "no-port", "", ":0", "[::1:80", "a\u2028b:80", "x" * 300 + ":80"]
)
def test_an_upstream_that_is_no_address_or_does_not_resolve_closes_its_clients(built_in: Running, target: str) -> None:
    proxy = built_in.client.create("127.0.0.1:9", uuid.uuid4().hex)
    body = json.dumps({"upstream": target})
    assert _post(built_in, f"/proxies/{proxy.name}", body)[0] == 200
    listen = json.loads(_post(built_in, f"/proxies/{proxy.name}", "{}")[1])["listen"]

    with dial(listen) as conn:
        assert conn.recv(1) == b""
    assert built_in.client.running()


@pytest.mark.parametrize("length", [1, 2, 3])
def test_proxies_that_lead_back_to_themselves_close_instead_of_eating_all_descriptors(
    built_in: Running, length: int
) -> None:
    names = [uuid.uuid4().hex for _ in range(length)]
    listens = [built_in.client.create("127.0.0.1:9", name).listen for name in names]
    for number, name in enumerate(names):
        listen, upstream_ = listens[number], listens[(number + 1) % length]
        _post(built_in, f"/proxies/{name}", json.dumps({"listen": listen, "upstream": upstream_}))

    with dial(listens[0]) as conn, contextlib.suppress(ConnectionError):
        assert conn.recv(1) == b""
    assert built_in.client.running()


def test_a_proxy_through_another_of_the_same_server_is_no_circle(built_in: Running) -> None:
    with upstream(echo) as target:
        inner = built_in.client.create(target, uuid.uuid4().hex)
        with dial(built_in.client.create(inner.listen, uuid.uuid4().hex).listen) as conn:
            ask(conn)


def test_reset_peer_added_to_an_idle_connection_breaks_off_the_next_answer_with_rst(echoing: ServerProxy) -> None:
    with dial(echoing.listen) as conn:
        ask(conn)
        echoing.add_toxic(type="reset_peer", attributes={"timeout": 30})
        conn.settimeout(0.2)
        with pytest.raises(TimeoutError):
            conn.recv(1)
        conn.settimeout(5)
        conn.sendall(b"again")
        with pytest.raises(ConnectionResetError):
            conn.recv(1)


# --- How it ends -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda n: n.name)
def test_when_the_server_is_ended_its_ports_are_free_and_its_connections_closed(number: signal.Signals) -> None:
    with started("built-in") as server, upstream(echo) as target:
        plain, slow = server.client.create(target, "plain"), server.client.create(target, "slow")
        slow.add_toxic(type="latency", attributes={"latency": 60_000})
        process = _process(server)
        with dial(plain.listen) as one, dial(slow.listen) as other:
            ask(one)
            other.sendall(b"never answered")
            process.send_signal(number)
            for conn in (one, other):
                with contextlib.suppress(ConnectionResetError):
                    assert conn.recv(1) == b""
        gone, alive = psutil.wait_procs([process], 5)
        for address in (plain.listen, slow.listen, server.url.removeprefix("http://")):
            with pytest.raises(ConnectionRefusedError):
                dial(address)

    assert gone
    assert not alive


@pytest.mark.parametrize("level", ["error", "trace", "loud", ""])
def test_any_log_level_is_taken(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("LOG_LEVEL", level)

    with started("built-in") as server:
        assert server.client.running()


def _process(server: Running) -> psutil.Process:
    port = urlsplit(server.url).port
    listening = (c for c in psutil.net_connections("tcp4") if c.status == "LISTEN" and c.laddr.port == port)
    return psutil.Process(next(listening).pid)


def _post(server: Running, path: str, body: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", path, body.encode())
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
