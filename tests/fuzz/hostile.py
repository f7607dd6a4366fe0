"""A service that answers to harm whoever asks: `python hostile.py OPERATION...` declares those operations, each with a trap.

`ok` is harmless, `fault` has an ordinary defect that must be found whatever the others do.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

OPERATIONS = [word for word in sys.argv[1:] if "=" not in word]
SETTINGS = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
MEGABYTE = b"a" * 1_000_000


def gzip_bomb() -> bytes:
    """A gigabyte, as gzip has it: the same compressed block again and again, which is as good and much faster."""
    squeezer = zlib.compressobj(9, wbits=31)
    first = squeezer.compress(bytes(1_000_000)) + squeezer.flush(zlib.Z_FULL_FLUSH)
    block = zlib.compressobj(9, wbits=-15)
    again = block.compress(bytes(1_000_000)) + block.flush(zlib.Z_FULL_FLUSH)
    return first + again * 999


def brotli_bomb() -> bytes:
    import brotli  # type: ignore[import-untyped]  # it has no types

    return bytes(brotli.compress(bytes(64_000_000), quality=1))


def endless() -> Iterator[bytes]:
    while True:
        yield MEGABYTE


def events() -> Iterator[bytes]:
    while True:
        yield b": " + MEGABYTE + b"\n"


def drip() -> Iterator[bytes]:
    yield b'"'
    for _ in range(1200):
        time.sleep(0.05)
        yield b"a"


BODIES: dict[str, Callable[[], bytes | Iterator[bytes]]] = {
    "ok": lambda: b"{}",
    "fault": lambda: b"{}",
    "endless": endless,
    "drip": drip,
    "events": events,
    "gzip": gzip_bomb,
    "brotli": brotli_bomb,
    "zstd": lambda: bytes.fromhex("28b52ffd") + bytes(100),
    "deep": lambda: b"[" * 100_000 + b"]" * 100_000,
    "nested": lambda: b"[" * 1_100 + b"]" * 1_100,
    "many": lambda: b"[" + b"1," * 4_900_000 + b"1]",
    "wide": lambda: b"[" + b"{}," * 3_000_000 + b"{}]",
    "text": lambda: b'"' + b"a" * 9_000_000 + b'"',
    "chunk": lambda: b"",
    "continue": lambda: b"",
    "headers": lambda: b"{}",
    "line": lambda: b"{}",
    "pattern": lambda: json.dumps({"value": "a" * 40 + "!"}).encode(),
    "calls": lambda: b"{}",
    "dies": lambda: b"{}",
    "exits": lambda: b"{}",
    "stuck": lambda: b"{}",
    "refused": lambda: b"{}",
    "missing": lambda: b"{}",
    "moved": lambda: b"{}",
    "away": lambda: b"{}",
}
STATUS = {"fault": 500, "refused": 401, "missing": 404, "moved": 307, "away": 201}
ENCODING = {"gzip": "gzip", "brotli": "br", "zstd": "zstd"}


def operation(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"} if name in {"text", "drip", "endless"} else {}
    if name == "pattern":
        schema = {"type": "object", "properties": {"value": {"type": "string", "pattern": SETTINGS["pattern"]}}}
    declared = {
        str(s): {"description": "x", "content": {"application/json": {"schema": schema}}} for s in (200, 201, 307)
    }
    declared |= {str(s): {"description": "x"} for s in (400, 401, 404, 405)}
    value: dict[str, Any] = {"type": "string", "maxLength": 5}
    if name == "pattern":
        value = {"type": "string", "pattern": SETTINGS["pattern"]}
    return {"get": {"parameters": [{"name": "q", "in": "query", "schema": value}], "responses": declared}}


def document() -> bytes:
    paths: dict[str, Any] = {f"/{name}": operation(name) for name in OPERATIONS}
    told: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": "hostile", "version": "1"}, "paths": paths}
    if "servers" in SETTINGS:
        told["servers"] = [{"url": SETTINGS["servers"]}]
    if "extra" in SETTINGS:
        told |= json.loads(SETTINGS["extra"])
    return json.dumps(told).encode()


class Hostile(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536

    def do_any(self) -> None:
        url = urlsplit(self.path)
        name = url.path.strip("/")
        if name == "openapi.json":
            return self.give_document()
        if name not in OPERATIONS:
            return self.give(404, b"{}")
        if self.command != "GET":
            return self.give(405, b"{}", {"Allow": "GET"})
        if any(len(value) > 5 for _, value in parse_qsl(url.query)) or set(parse_qs(url.query)) - {"q"}:
            return self.give(400, b"{}")
        if name in {"headers", "line", "chunk", "continue"}:
            return self.break_http(name)
        headers = {"Content-Encoding": ENCODING[name]} if name in ENCODING else {}
        if name in {"moved", "away"}:
            headers["Location"] = SETTINGS["elsewhere"]
        return self.give(
            STATUS.get(name, 200), BODIES[name](), headers, kind="text/event-stream" if name == "events" else ""
        )

    def give_document(self) -> None:
        if "locked" in SETTINGS and self.headers.get("Authorization") != SETTINGS["locked"]:
            return self.give(401, b"{}")
        if "redirect" in SETTINGS:
            return self.give(307, b"", {"Location": SETTINGS["redirect"]})
        if "document" in SETTINGS:
            return self.give(200, Path(SETTINGS["document"]).read_bytes())
        if "bomb" in SETTINGS:
            return self.give(200, gzip_bomb(), {"Content-Encoding": "gzip"})
        return self.give(200, document())

    def give(
        self, status: int, body: bytes | Iterator[bytes], headers: dict[str, str] | None = None, kind: str = ""
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind or "application/json")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if isinstance(body, bytes):
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.write(body)

    def write(self, body: bytes | Iterator[bytes]) -> None:
        for piece in [body] if isinstance(body, bytes) else body:
            self.wfile.write(piece)
            self.wfile.flush()

    def break_http(self, name: str) -> None:
        """What http.server would not send."""
        self.close_connection = True
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        if name == "headers":
            large = b"".join(b"X-%d: %s\r\n" % (n, b"a" * 60_000) for n in range(90))
            return self.write(head + large + b"Content-Length: 2\r\n\r\n{}")
        if name == "line":
            self.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            return self.write(endless())
        if name == "chunk":
            self.write(head + b"Transfer-Encoding: chunked\r\n\r\n")
            return self.write(endless())
        self.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000_000)
        return None

    def handle(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # nobody takes all of it
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            super().finish()

    def log_message(self, *_: object) -> None:
        return

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = do_TRACE = do_QUERY = do_any  # noqa: N815


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Hostile).serve_forever()
