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
    """What is running: its address, what it sends callers to, how many requests it was sent."""

    url: str
    elsewhere: str
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


def _answer(made: Hostile, client: socket.socket, path: str) -> bool:
    """Answer one request; False when the connection is not to be used any more."""
    name, _, status = path.partition("?")[0].strip("/").partition("/")
    if name == "redirect":
        _send(client, b"", f"Location: {made.elsewhere}", status=f"{status or 307} Elsewhere")
    elif name == "refresh":
        _send(client, b"{}", f"Refresh: 0; url={made.elsewhere}\r\nLink: <{made.elsewhere}>; rel=next")
    elif name == "a":
        _send(client, json.dumps({"next": made.elsewhere}).encode())
    elif name == "bomb":
        _send(client, bomb(), "Content-Encoding: gzip")
    elif name == "deep":
        _send(client, b"[" * 100_000 + b"]" * 100_000)
    elif name == "nested":
        _send(client, b'{"a":' * 1100 + b"1" + b"}" * 1100)
    elif name == "many":
        _send(client, b"[" + b"[]," * 3_000_000 + b"1]")
    elif name == "endless":
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        _until_gone(client, _PIECE, 0)
        return False
    elif name == "drip":
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        _until_gone(client, b"x", 0.05)
        return False
    elif name == "driphead":
        client.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        _until_gone(client, b"x", 0.05)
        return False
    elif name == "longhead":
        client.sendall(b"HTTP/1.1 200 OK\r\n")
        _until_gone(client, b"X-Long: " + b"x" * 60_000 + b"\r\n", 0)
        return False
    else:
        _send(client, b'{"ok": true}')
    return True


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
