"""Who sits where. Standard library only: `python server.py --port 8001`."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

SHOWS = ("hamlet", "macbeth")
SEAT = re.compile(r"[A-Z][1-9][0-9]{0,5}")
DOCUMENT = json.loads(Path(__file__).with_name("openapi.json").read_text(encoding="utf-8"))


class Hall:
    """Seats taken, by show; a seat is one holder's."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], str] = {}
        self._lock = Lock()

    def hold(self, show: str, seat: str, holder: str) -> str:
        """Take a seat; returns whose it is now."""
        with self._lock:
            return self._taken.setdefault((show, seat), holder)

    def holder(self, show: str, seat: str) -> str | None:
        """Whose seat it is."""
        return self._taken.get((show, seat))


class Door(BaseHTTPRequestHandler):
    """Routes."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # headers and body in one packet
    hall = Hall()

    def answer(self) -> None:
        """Any method."""
        path, *_ = self.path.split("?")
        length = self.headers.get("Content-Length") or "0"
        body = self.rfile.read(int(length) if length.isdigit() else 0)
        if match := re.fullmatch(r"/api/shows/([^/]+)/seats/([^/]+)", path):
            show, seat = match.groups()
            handlers: dict[str, Callable[[], None]] = {
                "GET": lambda: self.show_seat(show, seat),
                "PUT": lambda: self.take(show, seat, body),
            }
        elif path == "/api/openapi.json":
            handlers = {"GET": lambda: self.reply(200, DOCUMENT)}
        elif path == "/ready":
            handlers = {"GET": lambda: self.reply(200, {"ready": True})}
        else:
            return self.reply(404, {"error": "there is nothing here"})
        if self.command not in handlers:
            return self.reply(405, {"error": "not like this"}, {"Allow": ", ".join(handlers)})
        return handlers[self.command]()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def known(self, show: str, seat: str) -> bool:
        """Answer 404 unless there is such a show and such a seat."""
        if show in SHOWS and SEAT.fullmatch(seat):
            return True
        self.reply(404, {"error": "no such show or seat"})
        return False

    def show_seat(self, show: str, seat: str) -> None:
        """`GET`."""
        if self.known(show, seat):
            self.reply(200, {"show": show, "seat": seat, "holder": self.hall.holder(show, seat)})

    def take(self, show: str, seat: str, body: bytes) -> None:
        """`PUT`: idempotent for one holder."""
        try:
            wanted = json.loads(body)
        except (ValueError, RecursionError):
            return self.reply(400, {"error": "that is no JSON"})
        holder = wanted.get("holder") if isinstance(wanted, dict) else None
        if self.headers.get_content_type() != "application/json":
            return self.reply(400, {"error": "send application/json"})
        if not isinstance(holder, str) or not re.fullmatch(r"[\x20-\x7e]{1,60}", holder) or set(wanted) != {"holder"}:
            return self.reply(400, {"error": "holder is 1 to 60 printable characters"})
        if not self.known(show, seat):
            return None
        owner = self.hall.hold(show, seat, holder)
        if owner != holder:
            return self.reply(409, {"error": "taken"})
        return self.reply(200, {"show": show, "seat": seat, "holder": owner})

    def reply(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        """JSON, always."""
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Many threads, and a queue long enough for a rush."""

    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    Server(("127.0.0.1", options.parse_args().port), Door).serve_forever()
