"""A service that means harm, and a listener that must hear nothing; both on loopback, both gone with the block."""

from __future__ import annotations

import json
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache

#: Another address of this machine's loopback interface: not invited by an invitation to 127.0.0.1.
ELSEWHERE = "127.0.0.9"
_PIECE = b"x" * 65536
_LONGEST_S = 20.0


@dataclass
class Listener:
    """Takes connections somewhere else, and remembers what it was told."""

    address: str
    heard: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.address}"


@contextmanager
def listener(host: str = ELSEWHERE) -> Iterator[Listener]:
    """Listen until the block ends; whoever connects is heard, also one who says nothing."""
    with socket.create_server((host, 0)) as server:
        made = Listener(f"{host}:{server.getsockname()[1]}")

        def accept() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client, suppress(OSError):
                    client.settimeout(2)
                    made.heard.append(client.recv(65536))
                    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        threading.Thread(target=accept, daemon=True).start()
        yield made
        server.shutdown(socket.SHUT_RDWR)


@dataclass
class Hostile:
    """What is running: its address, where it sends callers, the heads of the requests it was sent.

    Args:
        elsewhere: what `/a` names as the next address, and where redirects lead.
        targets: what `/a/0`, `/a/1` and so on name, and where `/redirect/307?0` and so on lead.
    """

    url: str
    elsewhere: str
    targets: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def hostile(elsewhere: str) -> Iterator[Hostile]:
    """Run the service until the block ends.

    Args:
        elsewhere: what `/a` names as the next address, and where redirects lead.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=200) as server:
        made = Hostile(f"http://127.0.0.1:{server.getsockname()[1]}", elsewhere)

        def accept() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=_serve, args=(made, client), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield made
        server.shutdown(socket.SHUT_RDWR)


def _serve(made: Hostile, client: socket.socket) -> None:
    with client, suppress(OSError):
        rest = b""
        while True:
            while b"\r\n\r\n" not in rest:
                piece = client.recv(65536)
                if not piece:
                    return
                rest += piece
            head, _, rest = rest.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            made.requests.append(head.decode("latin-1"))
            if not _answer(made, client, path):
                return


#: What begins, what goes on without an end, and the pause in between, in seconds.
_ENDLESS = {
    "endless": (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", _PIECE, 0.0),
    "drip": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x", 0.05),
    "driphead": (b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x", 0.05),
    "silent": (b"", b"", 0.05),
    "early": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 0.0),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.0),
    "chunksize": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 60_000, 0.0),
    "longhead": (b"HTTP/1.1 200 OK\r\n", b"X-Long: " + b"x" * 60_000 + b"\r\n", 0.0),
}
#: Bodies that are whole, and worse than they look.
_BODIES = {
    "deep": lambda: b"[" * 100_000 + b"]" * 100_000,
    "nested": lambda: b'{"a":' * 1100 + b"1" + b"}" * 1100,
    "many": lambda: b"[" + b"[]," * 3_000_000 + b"1]",
}
#: Behind the end of these answers comes another one.
_TWICE = {"nocontent": b"HTTP/1.1 204 No Content\r\n\r\n", "twice": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}
#: Further headers; `{}` stands for where they lead.
_HEADERS = {
    "refresh": "Refresh: 0; url={0}\r\nLink: <{0}>; rel=next",
    "redirect": "Location: {0}",
    "cookie": "Set-Cookie: session=secret; Path=/",
    "bomb": "Content-Encoding: gzip",
}


def _answer(made: Hostile, client: socket.socket, path: str) -> bool:
    """Answer one request; False when the connection is not to be used any more."""
    name, _, status = path.partition("?")[0].strip("/").partition("/")
    if name in _ENDLESS:
        head, piece, pause_s = _ENDLESS[name]
        client.sendall(head)
        _until_gone(client, piece, pause_s)
        return False
    if name in _TWICE:
        client.sendall(_TWICE[name] + _TWICE["twice"])
        return True
    body = _body(made, name, status)
    number = path.partition("?")[2]
    headers = _HEADERS.get(name, "").format(made.targets[int(number)] if number.isdecimal() else made.elsewhere)
    _send(client, body, headers, f"{status or 307} Elsewhere" if name == "redirect" else "200 OK")
    return True


def _body(made: Hostile, name: str, number: str) -> bytes:
    if name == "a":
        return json.dumps({"next": made.targets[int(number)] if number else made.elsewhere}).encode()
    if name == "bomb":
        return bomb()
    return _BODIES.get(name, lambda: b'{"ok": true}')()


def _send(client: socket.socket, body: bytes, headers: str = "", status: str = "200 OK") -> None:
    more = f"\r\n{headers}" if headers else ""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}{more}\r\n\r\n"
    client.sendall(head.encode() + body)


def _until_gone(client: socket.socket, piece: bytes, pause_s: float) -> None:
    """Send until nobody takes it any more; not for ever, should somebody do."""
    limit = time.monotonic() + _LONGEST_S
    while time.monotonic() < limit:
        client.sendall(piece)
        time.sleep(pause_s)


@cache
def bomb(megabytes: int = 1000) -> bytes:
    """One gzip stream of so many megabytes of zeros; its checksum is wrong, but nobody gets to the end of it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    million = bytes(1_000_000)
    first = packer.compress(million) + packer.flush(zlib.Z_FULL_FLUSH)
    # From a full flush on the same bytes are packed the same way, whatever came before.
    again = packer.compress(million) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * (megabytes - 1) + packer.flush()
