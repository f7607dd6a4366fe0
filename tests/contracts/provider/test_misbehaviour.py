"""Providers that answer badly: slowly, endlessly, hugely, or not at all. Each is one finding, and the stage ends."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import pytest

from harness.contracts.provider.upstream import exchange
from harness.contracts.stage import ProviderStage
from harness.evidence import StageResult
from harness.system.config import load_project
from tests.contracts.shop import TOML, http, pact, project
from tests.helpers import make_context

BAD = r"""def do_GET(self):
        import socket, struct, threading
        if self.path == "/drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n")
            while True:
                self.wfile.write(b"x")
                threading.Event().wait(0.02)
        if self.path == "/hang":
            threading.Event().wait(60)
        if self.path == "/reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            raise SystemExit
        if self.path == "/stream":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                self.wfile.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        if self.path == "/kill":
            # Ends whoever asks, as an answer does that takes all its memory: found by its end of the connection.
            # The table of connections is not read in one piece, so one may be missing in it.
            import glob, signal
            ends = [f":{port:04X}" for port in (self.client_address[1], self.server.server_address[1])]
            while True:
                lines = [line.split() for line in open("/proc/net/tcp")]
                sockets = [f"socket:[{l[9]}]" for l in lines if [l[1][-5:], l[2][-5:]] == ends]
                for link in glob.glob("/proc/[0-9]*/fd/*"):
                    try:
                        if os.readlink(link) in sockets:
                            os.kill(int(link.split("/")[2]), signal.SIGKILL)
                            raise SystemExit
                    except OSError:
                        pass
        if self.path == "/large":
            return self.answer(200, b'["' + b"x" * 50_000_000 + b'"]')"""


def drip(client: socket.socket, stop: threading.Event) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n")
    while not stop.wait(0.02):
        client.sendall(b"x")


def drip_headers(client: socket.socket, stop: threading.Event) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not stop.wait(0.02):
        client.sendall(b"x")


def hang(client: socket.socket, stop: threading.Event) -> None:
    stop.wait(60)


def stream(client: socket.socket, stop: threading.Event) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not stop.is_set():
        client.sendall(b"x" * 65536)


def half(client: socket.socket, stop: threading.Event) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nhalf")


def no_http(client: socket.socket, stop: threading.Event) -> None:
    client.sendall(b"SSH-2.0-OpenSSH_9.0\r\n")


@contextmanager
def answering(how: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                client, _ = server.accept()
                with client:
                    client.recv(65536)
                    how(client, stop)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            stop.set()
            thread.join(10)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (drip, "no whole answer: HTTP 200, but it was not complete after 2 s"),
        (drip_headers, "no whole answer: HTTP 200, but it was not complete after 2 s"),
        (hang, "no answer: none after 2 s"),
        (stream, "no whole answer: HTTP 200, but its body is longer than 5 MB"),
        (half, "no whole answer: HTTP 200, but it ended too early"),
        (no_http, "no answer: SSH-2.0"),
    ],
)
def test_an_exchange_ends_and_says_why(how: Callable[[socket.socket, threading.Event], None], said: str) -> None:
    with answering(how) as url:
        status, _, body = exchange("GET", url, {}, None, 20.0 if how is stream else 2.0)

    assert status == 0
    assert body.decode().startswith(said)


def badly(root: Path, *paths: str, limit: str = "500ms") -> StageResult:
    """Verify an interaction for each path against the tiny provider that misbehaves there."""
    toml = TOML + f'[stages.provider]\nrequest_timeout = "{limit}"\n'
    project(root, toml, [pact(*(http(p, p, body={"id": "1"}) for p in paths))])
    script = root / "orders.py"
    script.write_text(script.read_text().replace("def do_GET(self):", BAD))
    context = make_context(load_project(root / "harness.toml"), ProviderStage(), [])

    async def run() -> StageResult:
        with anyio.fail_after(110):
            return await ProviderStage().run(context)

    return anyio.run(run)


def test_every_misbehaviour_is_one_finding_and_the_good_interaction_is_still_verified(tmp_path: Path) -> None:
    result = badly(tmp_path, "/drip", "/hang", "/orders/1", "/reset", "/stream")

    found = sorted((f.rule, json.loads(f.key)[0]) for f in result.findings)
    assert found == [("provider.no_answer", p) for p in ("/drip", "/hang", "/reset", "/stream")]
    assert result.work["interactions"] == 1


def test_an_answer_of_fifty_megabytes_is_cut_off_with_its_reason(tmp_path: Path) -> None:
    result = badly(tmp_path, "/large", limit="30s")

    [finding] = result.findings
    assert finding.rule == "provider.no_answer"
    assert finding.title.endswith("no whole answer: HTTP 200, but its body is longer than 10 MB")
    assert finding.exchange is not None
    assert finding.exchange.response == "no whole answer: HTTP 200, but its body is longer than 5 MB"
    assert len(str(finding)) < 20_000


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="finds the verifier by /proc")
def test_an_answer_that_ends_the_verifier_is_one_finding_and_all_others_are_still_verified(tmp_path: Path) -> None:
    result = badly(tmp_path, *(f"/orders/{n}" for n in range(5)), "/kill", "/orders/6", limit="60s")

    [finding] = result.findings
    assert (finding.rule, json.loads(finding.key)[0]) == ("provider.not_verified", "/kill")
    assert result.work["interactions"] == 6
