"""Stands between pact's verifier and a provider's test endpoints, and remembers what the verifier would not tell."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlencode, urlsplit

from harness.contracts.pacts import interaction_key
from harness.contracts.provider.upstream import exchange
from harness.contracts.verified import Told
from harness.guard import address

__all__ = ["Asked", "Relay", "send_request", "target_of"]

# pact asks again, for up to two minutes, when a test endpoint answers 5xx; it takes a 4xx as the answer it is.
_REFUSED = 424
_BODY_CHARS = 4000


@dataclass(frozen=True, slots=True)
class Asked:
    """A message the provider was asked for, and what came.

    Args:
        request, actual: as text, for people.
        refusal: why what came is no message; empty when the provider gave one.
    """

    request: str
    actual: str
    refusal: str = ""


class Relay:
    """Passes provider states and message requests on; a context manager.

    Args:
        states_url, messages_url: the provider's endpoints; empty when it has none.
        timeout_s: the longest the provider may take to answer, in seconds.
    """

    messages_path = "/messages"
    _states_path = "/states"

    def __init__(self, states_url: str, messages_url: str, timeout_s: float) -> None:
        self._states_url, self._messages_url, self._timeout_s = states_url, messages_url, timeout_s
        self._told: list[Told] = []
        self._empty: list[str] = []
        self._asked: dict[str, Asked] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        """Where message requests are taken."""
        return int(self._server.server_address[1])

    @property
    def state_url(self) -> str:
        """Where state changes are taken."""
        return f"http://127.0.0.1:{self.port}{self._states_path}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reset(self) -> None:
        """Forget what was told so far."""
        self._told.clear()
        self._empty.clear()
        self._asked.clear()

    def told(self) -> tuple[Told, ...]:
        """States that could not be set up or torn down, each once."""
        return tuple(dict.fromkeys(self._told))

    def empty_messages(self) -> tuple[str, ...]:
        """Descriptions of messages whose answer had no contents."""
        return tuple(dict.fromkeys(self._empty))

    def asked(self, key: str) -> Asked | None:
        """What came when the provider was asked for a message, by the interaction's key; None when it was not."""
        return self._asked.get(key)

    def state(self, state: str, action: str, parameters: Mapping[str, Any]) -> str:
        """Take a state change from the verifier; returns why the interaction cannot go on, empty when it can."""
        # pact announces interactions without states with the empty name; no provider is asked to know that.
        if not state:
            return ""
        step: Literal["setup", "teardown"] = "teardown" if action == "teardown" else "setup"
        if not self._states_url:
            if step == "setup":
                self._told.append(Told(state, step, ""))
            return ""
        status, answer = self._change(state, step, parameters)
        if 200 <= status < 300:
            return ""
        self._told.append(Told(state, step, answer))
        return answer if step == "setup" else ""

    def quietly(self, state: str, parameters: Mapping[str, Any]) -> None:
        """Set a state up without remembering what came of it; for looking once more at a failure."""
        if state and self._states_url:
            self._change(state, "setup", parameters)

    def _change(self, state: str, action: str, parameters: Mapping[str, Any]) -> tuple[int, str]:
        body = json.dumps({"state": state, "params": dict(parameters), "action": action}).encode()
        status, _, answer = exchange(
            "POST", self._states_url, {"Content-Type": "application/json"}, body, self._timeout_s
        )
        text = answer.decode(errors="replace")[:_BODY_CHARS]
        return status, f"{status} {text}".strip() if status else text

    def message(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Ask the provider for a message."""
        status, headers, answer = exchange(
            "POST", self._messages_url, {"Content-Type": "application/json"}, body, self._timeout_s
        )
        if 200 <= status < 300 and not answer.strip():
            self._empty.append(str(json.loads(body).get("description", "")))
        self._asked[interaction_key(json.loads(body))] = self._remembered(body, status, headers, answer)
        return status, headers, answer

    def _remembered(self, body: bytes, status: int, headers: Mapping[str, str], answer: bytes) -> Asked:
        path = urlsplit(self._messages_url).path
        text = answer.decode(errors="replace")[:_BODY_CHARS]
        actual = _as_text(f"HTTP {status}", headers, answer) if status else text
        refusal = "" if 200 <= status < 300 else f"{path}: {f'{status} {text}'.strip() if status else text}"
        return Asked(_as_text(f"POST {path}", {"Content-Type": "application/json"}, body), actual, refusal)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        relay = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path == relay._states_path:
                    change = json.loads(body)
                    problem = relay.state(change.get("state", ""), change.get("action", ""), change.get("params") or {})
                    self._send(_REFUSED if problem else 200, {}, problem.encode())
                    return
                status, headers, answer = relay.message(body)
                self._send(status if 0 < status < 500 else _REFUSED, headers, answer)

            def _send(self, status: int, headers: Mapping[str, str], answer: bytes) -> None:
                self.send_response(status)
                for name in ("content-type", "pact-message-metadata"):
                    if name in headers:
                        self.send_header(name, headers[name])
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
                pass

        return Handler


def send_request(base_url: str, request: Mapping[str, Any], timeout_s: float, trace_id: str) -> tuple[str, str]:
    """Send a pact's request under a W3C trace id and return request and response as text.

    Raises:
        LeadsAwayError: when it would go somewhere else than to `base_url`.
    """
    method, path = str(request.get("method", "GET")).upper(), target_of(request)
    url = address(base_url, path)
    headers = {
        k: v if isinstance(v, str) else ", ".join(map(str, v))
        for k, v in (request.get("headers") or {}).items()
        if k.lower() != "traceparent"
    }
    # W3C Trace Context, section 3.2: version, trace id, parent id, flags (sampled).
    headers["traceparent"] = f"00-{trace_id}-{secrets.token_hex(8)}-01"
    body = _body(request.get("body"))
    status, answered, content = exchange(method, url, headers, body, timeout_s)
    asked = _as_text(f"{method} {path}", headers, body or b"")
    return asked, _as_text(f"HTTP {status}", answered, content) if status else content.decode(errors="replace")


def target_of(request: Mapping[str, Any]) -> str:
    """Path and query of a pact's request, as they are written."""
    path, query = str(request.get("path", "/")), request.get("query")
    if not query:
        return path
    return f"{path}?{query if isinstance(query, str) else urlencode(query, doseq=True)}"


def _body(body: object) -> bytes | None:
    """The bytes of a body as V4 (`{"content": ..., "encoded": ...}`) or an earlier version writes it."""
    if isinstance(body, Mapping) and "content" in body:
        content = body["content"]
        if body.get("encoded") and isinstance(content, str):
            return base64.b64decode(content)
        return (
            content.encode()
            if isinstance(content, str) and "json" not in str(body.get("contentType"))
            else _json(content)
        )
    return None if body is None else _json(body)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _as_text(first: str, headers: Mapping[str, str], body: bytes) -> str:
    lines = [first, *(f"{name}: {value}" for name, value in headers.items())]
    text = body.decode(errors="replace")
    return "\n".join(lines) + (f"\n\n{text[:_BODY_CHARS]}" if text else "")
