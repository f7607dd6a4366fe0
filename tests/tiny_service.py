"""A tiny real service for tests of load and synthetic checks: answers, fails, dawdles or freezes as the request asks."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_frozen_until = 0.0
_seen = {"total": 0, "tagged": 0}
_lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        global _frozen_until  # noqa: PLW0603 - one process, one state
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = urlsplit(self.path)
        query = {k: float(v[0]) for k, v in parse_qs(parts.query).items()}
        if parts.path == "/_freeze":
            _frozen_until = time.monotonic() + query["s"]
            return self._answer(204, {})
        if parts.path == "/_seen":
            return self._answer(200, _seen)
        with _lock:
            _seen["total"] += 1
            _seen["tagged"] += "synthetic=true" in self.headers.get("baggage", "")
        trace = (self.headers.get("traceparent") or "--").split("-")[1]
        sys.stderr.write(json.dumps({"trace_id": trace, "path": parts.path}) + "\n")
        sys.stderr.flush()
        time.sleep(max(0.0, _frozen_until - time.monotonic()) + query.get("ms", 0) / 1000)
        if parts.path == "/hangup":
            self.close_connection = True
            return None
        status = {"/broken": 500, "/orders": 201}.get(parts.path, 200)
        return self._answer(status, {"path": parts.path, "sent": len(body)})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode() if status != 204 else b""
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        """Nothing: requests are logged with their trace."""


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(os.environ.get("PORT", "0"))), Handler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
