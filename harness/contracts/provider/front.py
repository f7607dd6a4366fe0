"""Stands between pact's verifier and a provider over HTTP, so that a redirect is judged and not followed. Judges nothing.

pact's verifier follows redirects, with no way to say no: an answer from somewhere else would be taken for the provider's.
Bytes are passed on as they come; only a redirect's `Location` is given another name of the same length.
"""

from __future__ import annotations

import re
import selectors
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

__all__ = ["Front", "hidden_location", "shown_location"]

_CHUNK = 65536
_MAX_HEAD = 65536
_CONNECT_S = 10.0
_LOCATION, _HIDDEN = "Location", "X-Locatn"
_REDIRECT = re.compile(rb"HTTP/1\.[01] 3\d\d")
_NAMED = re.compile(rb"\r\nlocation:", re.IGNORECASE)


class Front:
    """Passes connections on to a provider; a context manager. An https provider is left to itself: `url` is its own.

    Args:
        base_url: the provider.
    """

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self.base_url, self._plain = base_url, parts.scheme == "http"
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._server = socket.create_server(("127.0.0.1", 0)) if self._plain else None
        own = f"127.0.0.1:{self._server.getsockname()[1]}" if self._server else ""
        self.url = f"http://{own}{parts.path}" if own else base_url
        # A provider that is known by its name must be asked by it.
        self._hosts = f"host: {own}\r\n".encode(), f"host: {parts.netloc.rpartition('@')[2]}\r\n".encode()

    def __enter__(self) -> Self:
        if self._server:
            threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server:
            with suppress(OSError):
                self._server.shutdown(socket.SHUT_RDWR)
            self._server.close()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:  # it was closed
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self._target, _CONNECT_S) as provider:
            for end in (client, provider):
                end.settimeout(None)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pass_on(client, provider)

    def _pass_on(self, client: socket.socket, provider: socket.socket) -> None:
        """Until either ends. A client asks again only after an answer, so that what comes next is an answer's head."""
        asking, head = False, b""
        with selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ)
            ready.register(provider, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    data = key.fileobj.recv(_CHUNK)  # type: ignore[union-attr]  # a socket, as registered
                    if not data:
                        client.sendall(head)
                        return
                    if key.fileobj is client:
                        provider.sendall(data if asking else data.replace(*self._hosts, 1))
                        asking = True
                        continue
                    if asking or head:
                        asking, head = False, head + data
                        if b"\r\n\r\n" not in head and len(head) < _MAX_HEAD:
                            continue
                        data, head = _without_location(head), b""
                    client.sendall(data)


def _without_location(answer: bytes) -> bytes:
    if not _REDIRECT.match(answer):
        return answer
    head, blank, body = answer.partition(b"\r\n\r\n")
    return _NAMED.sub(f"\r\n{_HIDDEN}:".encode(), head) + blank + body


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
