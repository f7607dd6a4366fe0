"""Real sockets for tests of the proxy: upstreams that do one thing, and a client's end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Handler = Callable[[socket.socket], None]


def echo(conn: socket.socket) -> None:
    """Send back what comes, until its end; then end."""
    while data := conn.recv(65536):
        conn.sendall(data)


def reply_after_end(conn: socket.socket) -> None:
    """Read to the end, then say how much came."""
    size = 0
    while data := conn.recv(65536):
        size += len(data)
    conn.sendall(b"got %d" % size)


@contextmanager
def upstream(handler: Handler = echo) -> Iterator[str]:
    """Listen on loopback and give each connection to `handler` in a thread; yields `host:port`."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def one(conn: socket.socket) -> None:
        with conn, suppress(OSError):
            handler(conn)

    def accept() -> None:
        with suppress(OSError):
            while True:
                conn, _ = listener.accept()
                threading.Thread(target=one, args=(conn,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def dial(listen: str, timeout: float = 10.0) -> socket.socket:
    """Connect to a proxy's `listen` address."""
    host, _, port = listen.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=timeout)


def read_all(conn: socket.socket) -> bytes:
    """Read to the end of the stream."""
    parts = []
    while data := conn.recv(65536):
        parts.append(data)
    return b"".join(parts)


def read_exactly(conn: socket.socket, size: int) -> bytes:
    """Read `size` bytes, or less when the stream ends before."""
    data = b""
    while len(data) < size and (more := conn.recv(size - len(data))):
        data += more
    return data


def ask(conn: socket.socket, data: bytes = b"hello") -> float:
    """Send to an echo and wait for all of it; returns seconds."""
    begun = time.perf_counter()
    conn.sendall(data)
    assert read_exactly(conn, len(data)) == data
    return time.perf_counter() - begun
