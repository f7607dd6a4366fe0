"""What a child sends in confidence is known to whoever started it, whatever client sends it, so much and no more."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest

from harness.evidence import credentials, secrets
from harness.evidence.credentials import Bounded, Credentials
from harness.system.channel import Channel
from harness.system.children import run_child
from harness.system.telling import Sent
from harness.system.walker import walker

CHILD = """
import os, signal, sys
from harness.system.telling import spare_names, tell_what_is_sent, watch_geventhttpclient
tell_what_is_sent()
watch_geventhttpclient()
spare_names(["browse-items"])
url = sys.argv[1]
import urllib.request
urllib.request.urlopen(urllib.request.Request(url + "/items?token=of-urllib", b"password=form-of-urllib"))
import http.client, urllib.parse
connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc)
connection.request("POST", "/items", bytearray(b'{"password": "of-bytearray"}'))
connection.getresponse().read()
connection.request("POST", "/items", b'{"password": "of-long-body", "rest": "' + b"x" * 2_000_000)
connection.getresponse().read()
import requests
requests.get(url + "/items", headers={"X-Api-Key": "of-requests"}, auth=("bob", "basic-of-requests"))
requests.get(url + "/items", headers={"X-Api-Key": "browse-items"})
import httpx
httpx.post(url + "/items", json={"password": "of-httpx"}, cookies={"sessionid": "cookie-of-httpx"})
from geventhttpclient import HTTPClient
from geventhttpclient.url import URL
HTTPClient.from_url(URL(url)).post("/items", body=b'{"secret": "of-gevent"}', headers={"X-Auth-Token": "head-of-gevent"})
assert not any("HARNESS_CONFIDENTIAL" in name for name in os.environ)
if sys.argv[2:]:
    os.kill(os.getpid(), signal.SIGKILL)
"""
SENT = {
    "of-urllib", "form-of-urllib", "of-bytearray", "of-long-body", "of-requests", "bob:basic-of-requests",
    "basic-of-requests", "of-httpx", "cookie-of-httpx", "of-gevent", "head-of-gevent",
}  # fmt: skip


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> secrets.Secrets:
    """What this process knows, that knew nothing before."""
    fresh = secrets.Secrets()
    told = Bounded(lambda _name, value: fresh.remember(value))
    monkeypatch.setattr("harness.system.channel.remember_said", told.take)
    return fresh


@pytest.fixture
def url() -> Iterator[str]:
    """Where a service answers everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("arguments", [(), ("killed",)])
def test_the_credentials_of_every_client_are_known_and_nothing_is_left(
    tmp_path: Path, known: secrets.Secrets, url: str, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "child.py").write_text(CHILD)

    async def run() -> None:
        with Channel() as channel:
            argv = [sys.executable, "child.py", url, *arguments]
            env = {"PYTHONPATH": str(Path.cwd())}
            await run_child(argv, cwd=tmp_path, log=tmp_path / "log", time_limit_s=60, env=env, channel=channel)

    anyio.run(run)

    assert set(known.values()) >= SENT, (tmp_path / "log").read_text()
    assert "browse-items" not in known.values()
    assert [f for f in tmp_path.rglob("*") if f.is_file() and f.name != "child.py" and b"-of-" in f.read_bytes()] == []


def test_what_a_walk_sent_is_known_when_it_has_ended(tmp_path: Path, known: secrets.Secrets, url: str) -> None:
    file = tmp_path / "journeys.py"
    file.write_text(
        "from harness.system import journey\n"
        "@journey\ndef go(user):\n    user.get('/items', headers={'X-Api-Key': 'tok-of-walk'})\n"
    )

    async def walk() -> tuple[str, ...]:
        async with walker(base_urls={"shop": url}, entry="shop", root=tmp_path, log=tmp_path / "log") as walks:
            await walks.walk(file, "go", [1])
            return known.values()

    assert anyio.run(walk) == ("tok-of-walk",)


def head(value: str, name: str = "Authorization", trace: str = "a" * 32) -> bytes:
    trace_line = f"traceparent: 00-{trace}-{'b' * 16}-01"
    return f"GET /items HTTP/1.1\r\nHost: x\r\n{trace_line}\r\n{name}: {value}\r\n\r\n".encode()


def test_the_tokens_of_a_thousand_users_leave_room_for_the_key_they_share() -> None:
    told: list[str] = []
    sent = Sent(Credentials(), lambda _name, value: told.append(value))

    for number in range(1000):
        sent.piece(head(f"Bearer token-of-{number}"))
    sent.piece(head("key-of-all", "X-Api-Key"))

    assert told == [*(f"token-of-{n}" for n in range(50)), "key-of-all"]


def test_values_under_many_names_come_to_an_end() -> None:
    told: list[str] = []
    sent = Sent(Credentials(), lambda _name, value: told.append(value))

    for number in range(1000):
        sent.piece(head(f"value-{number}", f"X-Token-{chr(97 + number % 26)}{chr(97 + number // 26)}"))

    assert len(told) == credentials.MOST


def test_a_request_like_one_before_is_not_looked_through_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Sent(Credentials(), lambda *_: None)
    sent.piece(head("Bearer tok-8f3a11"))
    monkeypatch.setattr(sent, "head", lambda *_: pytest.fail("looked through again"))

    sent.piece(head("Bearer tok-8f3a11", trace="c" * 32))


def test_a_header_is_not_hidden_behind_an_odd_trace() -> None:
    told: list[str] = []
    sent = Sent(Credentials(), lambda _name, value: told.append(value))

    for value in ("first-key", "other-key"):
        sent.piece(f"GET / HTTP/1.1\r\ntraceparent: x\r\nX-Api-Key: {value}\r\nX-Filler: {'f' * 50}\r\n\r\n".encode())

    assert told == ["first-key", "other-key"]
