"""Somebody else on this machine, who must hear nothing: a listener on another loopback address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.helpers import answered_by


@dataclass
class Elsewhere:
    """Where it is, and what it heard."""

    place: str
    heard: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.place}"


@contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    """Listen on 127.0.0.9; everything is answered with `{}`."""

    class Handler(BaseHTTPRequestHandler):
        def parse_request(self) -> bool:
            other.heard.append(self.raw_requestline.decode(errors="replace"))
            return super().parse_request()

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_PUT = do_GET  # noqa: N815 - http.server's names

    with answered_by(Handler, "127.0.0.9") as url:
        other = Elsewhere(url.removeprefix("http://"))
        yield other
