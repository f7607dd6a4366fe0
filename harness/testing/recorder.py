"""Stands in front of a provider during a scenario: passes requests on, writes down what was said. Judges nothing."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from harness.contracts.provider.upstream import Upstream
from harness.guard import LIMITS

__all__ = ["Recorder"]

_KEPT = 10
_SHOWN_CHARS = 4000
#: They belong to one connection, not to the message (RFC 9110, section 7.6.1); lengths are set anew.
_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "content-length", "proxy-connection"}


class Recorder:
    """Passes requests on to a base URL; a context manager.

    Whatever client a scenario uses, its requests are seen here and carry the scenario's trace.

    Args:
        base_url: the provider.
        timeout_s: the longest the provider may take to answer one request, in seconds.
        nonsense: a status and a body that everything is answered with; the provider is then asked nothing.
    """

    def __init__(self, base_url: str, timeout_s: float, nonsense: tuple[int, bytes] | None = None) -> None:
        self.nonsense = nonsense
        self.base_url, self._timeout_s = base_url.rstrip("/"), timeout_s
        self._base = urlsplit(self.base_url)
        self.calls = 0
        self.trace_id = secrets.token_hex(16)
        self.exchanges: deque[tuple[str, str]] = deque(maxlen=_KEPT)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Where requests are taken."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def traceparent(self) -> str:
        """A header that puts a request into the scenario's trace (W3C Trace Context, version 00)."""
        return f"00-{self.trace_id}-{secrets.token_hex(8)}-01"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def pass_on(
        self, method: str, path: str, headers: list[tuple[str, str]], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Ask the provider; 502 with the reason where no answer came."""
        self.calls += 1
        if self.nonsense:
            return self.nonsense[0], [("Content-Type", "application/json")], self.nonsense[1]
        sent = [(k, v) for k, v in headers if k.lower() not in {*_HOP, "host", "traceparent"}]
        sent.append(("traceparent", self.traceparent))  # also over the client's own: the scenario is one trace
        status, answered, content = self._exchange(method, path, sent, body)
        self.exchanges.append(
            (_as_text(f"{method} {path}", sent, body), _as_text(f"HTTP {status}", answered, content)),
        )
        return status, answered, content

    def _exchange(
        self, method: str, path: str, headers: list[tuple[str, str]], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        own = [("Host", self._base.netloc.rpartition("@")[2]), *headers]
        if body or method in {"POST", "PUT", "PATCH"}:
            own.append(("Content-Length", str(len(body))))
        with Upstream(self.base_url, self._timeout_s, LIMITS.plain_bytes) as provider:
            got = provider.ask(method, self._base.path + path, own, body or None)
        if got.problem:
            said = f"no answer from the provider: {got.problem.removeprefix('no answer: ')}"
            return 502, [("Content-Type", "text/plain")], said.encode()
        return got.status, [(k, v) for k, v in got.headers if k.lower() not in _HOP], got.body


def _handler(recorder: Recorder) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, content = recorder.pass_on(self.command, self.path, self.headers.items(), body)
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            if status not in {204, 304}:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    return Handler


def _as_text(first: str, headers: list[tuple[str, str]], body: bytes) -> str:
    lines = [first, *(f"{name}: {value}" for name, value in headers)]
    text = body.decode(errors="replace")
    return "\n".join(lines) + (f"\n\n{text[:_SHOWN_CHARS]}" if text else "")
