"""Stands between pact's verifier and a provider over HTTP, so that a redirect is judged and not followed. Judges nothing.

pact's verifier follows redirects, with no way to say no: an answer from somewhere else would be taken for the provider's, and
what the verifier was given to be let in would go there too. It also reads an answer to its end, whatever its size. Through here
it talks to the provider and nobody else, within limits. Answers are passed on as they come; only a redirect's `Location` is
given another name of the same length.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from harness.contracts.provider.upstream import Exchanged, Upstream
from harness.guard import LIMITS

__all__ = ["Front", "hidden_location", "shown_location"]

_LOCATION, _HIDDEN = "Location", "X-Locatn"
_FOLDED = re.compile(r"[\r\n]+[ \t]*")
#: Of the caller's time, so that the reason is what it hears.
_OF_TIME = 0.9


class Front:
    """Passes requests on to a provider; a context manager.

    Args:
        base_url: the provider.
        timeout_s: the longest the caller waits for one answer, in seconds.
        max_bytes: the most an answer's body may have, as it is sent and inflated.
    """

    def __init__(self, base_url: str, timeout_s: float, max_bytes: int = LIMITS.plain_bytes) -> None:
        parts = urlsplit(base_url)
        self.base_url, self.timeout_s, self.max_bytes = base_url, timeout_s * _OF_TIME, max_bytes
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._problems: dict[tuple[str, str], str] = {}
        self.own = f"127.0.0.1:{self._server.server_address[1]}"
        #: How the provider is called; one that is known by its name must be asked by it.
        self.host = parts.netloc.rpartition("@")[2]
        self.url = f"http://{self.own}{parts.path}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def failed(self, method: str, target: str, problem: str) -> None:
        """Remember that a request got no whole answer."""
        self._problems[method, _path(target)] = problem

    def problem(self, method: str, path: str) -> str:
        """Why a request got no whole answer; empty when it got one, or was never made."""
        below = urlsplit(self.base_url).path.rstrip("/") + path
        return self._problems.get((method.upper(), _path(below)), "")


def _path(target: str) -> str:
    return unquote(target.partition("?")[0])


def _handler(front: Front) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet
        disable_nagle_algorithm = True
        timeout = None  # of the caller, who is ours

        def setup(self) -> None:
            super().setup()
            self._provider = Upstream(front.base_url, front.timeout_s, front.max_bytes)

        def finish(self) -> None:
            self._provider.close()
            super().finish()

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self._pass_on
            raise AttributeError(name)

        def _pass_on(self) -> None:
            body = _body(self)
            sent = [(n, front.host if (n.lower(), v) == ("host", front.own) else v) for n, v in self._headers(body)]
            answer = self._provider.ask(self.command, self.path, sent, body or None)
            if answer.problem:
                front.failed(self.command, self.path, answer.problem)
                # A beginning, so that nobody takes it for a request that was never made, and makes it again.
                self.wfile.write(b"HTTP/1.1 ")
                self.close_connection = True
                return
            self._answer(answer)

        def _headers(self, body: bytes) -> Iterator[tuple[str, str]]:
            chunked = "Transfer-Encoding" in self.headers
            yield from ((n, v) for n, v in self.headers.items() if n.lower() != "transfer-encoding")
            if chunked:
                yield "Content-Length", str(len(body))

        def _answer(self, answer: Exchanged) -> None:
            self.send_response_only(answer.status, answer.reason)
            named = {name.lower(): value for name, value in answer.headers}
            for name, value in answer.headers:
                hidden = 300 <= answer.status < 400 and name.lower() == _LOCATION.lower()
                self.send_header(_HIDDEN if hidden else name, _FOLDED.sub(" ", value))
            self.end_headers()
            bare = self.command == "HEAD" or answer.status < 200 or answer.status in {204, 304}
            if named.get("transfer-encoding", "").lower() == "chunked" and not bare:
                size = f"{len(answer.body):x}\r\n".encode() if answer.body else b""
                self.wfile.write(size + answer.body + (b"\r\n" if answer.body else b"") + b"0\r\n\r\n")
            elif not bare:
                self.wfile.write(answer.body)
                self.close_connection |= "content-length" not in named

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    return Handler


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if "chunked" not in handler.headers.get("Transfer-Encoding", "").lower():
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    parts = []
    while size := int(handler.rfile.readline().split(b";")[0].strip() or b"0", 16):
        parts.append(handler.rfile.read(size))
        handler.rfile.readline()
    while handler.rfile.readline().strip():
        pass  # trailers
    return b"".join(parts)


def hidden_location(response: Mapping[str, Any]) -> Mapping[str, Any]:
    """An expected redirect as it looks through a `Front`: header, matchers and generators under the other name."""
    if not 300 <= _status(response) < 400:
        return response
    changed = {**response, "headers": _renamed(response.get("headers"))} if response.get("headers") else dict(response)
    for kind in ("matchingRules", "generators"):
        rules = response.get(kind)
        if isinstance(rules, Mapping):
            flat = {re.sub(r"(?i)^(\$\.headers?\.)location$", rf"\g<1>{_HIDDEN}", k): v for k, v in rules.items()}
            changed[kind] = {k: _renamed(v) if k in {"header", "headers"} else v for k, v in flat.items()}
    return changed


def shown_location(text: str) -> str:
    """Text of the verifier's with the header's own name in it."""
    return text.replace(_HIDDEN, _LOCATION).replace(_HIDDEN.lower(), _LOCATION.lower())


def _renamed(headers: Any) -> Any:
    if not isinstance(headers, Mapping):
        return headers
    return {_HIDDEN if str(k).lower() == _LOCATION.lower() else k: v for k, v in headers.items()}


def _status(response: Mapping[str, Any]) -> int:
    status = response.get("status")
    return status if isinstance(status, int) else 200
