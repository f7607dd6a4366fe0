"""HTTP over real sockets for tests of the proxy: a callee that says what it is told to, and a caller's way to read answers."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import h11

from harness.chaos.client import Call, Server


def get(path: str = "/", *fields: str, method: str = "GET") -> bytes:
    """A request without a body."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


def ok(body: bytes = b"hello", *fields: str, status: str = "200 OK") -> bytes:
    """A response with a length."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""])
    return head.encode() + body


def until(true: Callable[[], bool], within: float = 5.0) -> None:
    """Wait for something that no socket tells."""
    limit = time.monotonic() + within
    while not true():
        assert time.monotonic() < limit, f"not within {within} s"
        threading.Event().wait(0.005)


@dataclass
class Callee:
    """A handler for `sockets.upstream`: answers request after request.

    Args:
        answer: the bytes to send for a request (its head) with its body; None closes the connection.
    """

    answer: Callable[[h11.Request, bytes], bytes | None] = lambda _request, _body: ok()
    seen: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def __call__(self, conn: socket.socket) -> None:
        buffer = b""
        while True:
            parser = h11.Connection(h11.SERVER)
            parser.receive_data(buffer) if buffer else None
            request, body = None, b""
            while True:
                event = parser.next_event()
                if event is h11.NEED_DATA:
                    if parser.they_are_waiting_for_100_continue:
                        conn.sendall(parser.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                    data = conn.recv(65536)
                    if not data:
                        return
                    parser.receive_data(data)
                elif isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.Data):
                    body += event.data
                else:
                    break
            if request is None:
                return
            buffer = parser.trailing_data[0]
            self.seen.append(f"{request.method.decode()} {request.target.decode()}")
            self.bodies.append(body)
            answer = self.answer(request, body)
            if answer is None:
                return
            conn.sendall(answer)


class Caller:
    """Reads answers, one after another, from a connection."""

    def __init__(self, conn: socket.socket) -> None:
        self.conn = conn
        self._rest = b""

    def ask(self, request: bytes, method: str = "GET") -> tuple[h11.Response, bytes]:
        """Send, and read one answer."""
        self.conn.sendall(request)
        return self.read(method)

    def read(self, method: str = "GET") -> tuple[h11.Response, bytes]:
        """Read one answer; raises h11.RemoteProtocolError when it is none, or not complete."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        parser.send(h11.EndOfMessage())
        if self._rest:
            parser.receive_data(self._rest)
        response, body = None, b""
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                parser.receive_data(self.conn.recv(65536))
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                break
        assert response is not None, "the connection was closed without an answer"
        self._rest = parser.trailing_data[0]
        return response, body


class Ears:
    """What a server has recorded, gathered over several looks."""

    def __init__(self, client: Server) -> None:
        self._client, self._after = client, 0
        self._calls: dict[int, Call] = {}
        client.record_calls(True)

    def wait(self, enough: Callable[[list[Call]], bool], within: float = 5.0) -> list[Call]:
        """Look until it is enough; the calls in the order they began."""
        limit = time.monotonic() + within
        while True:
            new = self._client.calls(self._after)
            self._after = new.next
            self._calls |= {c.id: c for c in new.calls}
            found = sorted(self._calls.values(), key=lambda c: c.id)
            if enough(found):
                return found
            assert time.monotonic() < limit, f"not within {within} s: {found}"
            threading.Event().wait(0.01)

    def ended(self, count: int = 1) -> list[Call]:
        """Wait until so many calls have ended."""
        return self.wait(lambda calls: sum(bool(c.ending) for c in calls) >= count)
