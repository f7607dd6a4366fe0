"""Stands between a consumer and pact's mock server while a test is replayed, and hands each answer on edited."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from harness.testing.replay.edits import Answer

if TYPE_CHECKING:
    from harness.testing.replay.rerun import Replay

__all__ = ["Proxy", "lease", "release"]

_HOST = "127.0.0.1"
_LIMIT_S = 10.0
#: Headers about the connection, which is another one on either side of the proxy.
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "te", "trailer", "upgrade"})


class Proxy:
    """A forwarding server on a port of its own; idle while it has no replay."""

    def __init__(self) -> None:
        self._target: tuple[int, Replay] | None = None
        self._server = _Server((_HOST, 0), _Handler)
        self._server.proxy = self
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, name="replay-proxy", daemon=True).start()

    def point(self, port: int, replay: Replay) -> None:
        """Forward to the mock server at `port` from now on."""
        self._target = (port, replay)

    def rest(self) -> None:
        """Refuse whatever comes until the next replay."""
        self._target = None

    def answer(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Answer | None:
        """Ask the mock server and edit what it says; None when there is nobody to ask."""
        target = self._target
        if target is None:
            return None
        port, replay = target
        connection = http.client.HTTPConnection(_HOST, port, timeout=_LIMIT_S)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(body or None)
            response = connection.getresponse()
            got = Answer(f"{method} {path}", response.status, tuple(response.getheaders()), response.read())
        except (OSError, http.client.HTTPException):
            replay.disturbed = True
            return None
        finally:
            connection.close()
        return replay.shown(got)


_IDLE: list[Proxy] = []


def lease() -> Proxy:
    """A proxy nobody uses; they are kept for the life of the process, because stopping one takes half a second."""
    return _IDLE.pop() if _IDLE else Proxy()


def release(proxy: Proxy) -> None:
    """Give a proxy back."""
    proxy.rest()
    _IDLE.append(proxy)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: Proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A consumer that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _LIMIT_S
    wbufsize = -1  # head and body in one packet
    disable_nagle_algorithm = True
    server: _Server

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._forward
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Write nothing into the test's output."""

    def _forward(self) -> None:
        body = self._body()
        headers = [(n, v) for n, v in self.headers.items() if n.lower() not in _HOP]
        if body:
            headers.append(("Content-Length", str(len(body))))
        answer = self.server.proxy.answer(self.command, self.path, headers, body)
        if answer is None:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        bare = answer.status < 200 or answer.status in {204, 304}
        if not bare:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if not bare and self.command != "HEAD":
            self.wfile.write(answer.body)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0].strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(parts)
