"""A tiny widget store over plain HTTP: clean by default, with defects planted by name. `python victim.py server_error`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

DEFECTS = frozenset(sys.argv[1:])
TOKEN = os.environ.get("VICTIM_TOKEN", "sesame-open-please")
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
NAME = re.compile(r"[a-z]{1,12}")
WIDGET = {
    "type": "object",
    "required": ["id", "name", "quantity"],
    "properties": {"id": {"type": "string"}, "name": {"type": "string"}, "quantity": {"type": "integer"}},
    "additionalProperties": False,
}
NEW = {
    "type": "object",
    "required": ["name", "quantity"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z]{1,12}$"},
        "quantity": {"type": "integer", "minimum": 0, "maximum": 1000},
    },
    "additionalProperties": False,
}
PROBLEM = {"type": "object", "required": ["title"], "properties": {"title": {"type": "string"}}}


def answer(description: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    content = {} if schema is None else {"content": {"application/json": {"schema": schema}}}
    return {"description": description, **content}


ID = {"name": "widget_id", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^w[0-9a-f]{12}$"}}
LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 50}}
BAD = {"400": answer("not acceptable", PROBLEM), "404": answer("unknown", PROBLEM)}
LOCKED = {"security": [{"bearer": []}], "responses": {"200": answer("secret", PROBLEM), "401": answer("no", PROBLEM)}}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "widgets", "version": "1"},
    "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
    "paths": {
        "/widgets": {
            "get": {
                "parameters": [LIMIT],
                "responses": {"200": answer("widgets", {"type": "array", "items": WIDGET}), **BAD},
            },
            "post": {
                "requestBody": {"required": True, "content": {"application/json": {"schema": NEW}}},
                "responses": {
                    "201": {
                        **answer("created", WIDGET),
                        "links": {
                            "read": {"operationId": "read", "parameters": {"widget_id": "$response.body#/id"}},
                            "remove": {"operationId": "remove", "parameters": {"widget_id": "$response.body#/id"}},
                        },
                    },
                    **BAD,
                },
            },
        },
        "/widgets/{widget_id}": {
            "get": {"operationId": "read", "parameters": [ID], "responses": {"200": answer("widget", WIDGET), **BAD}},
            "delete": {"operationId": "remove", "parameters": [ID], "responses": {"204": answer("gone"), **BAD}},
        },
        "/secret": {"get": LOCKED},
    },
}


class Victim(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # headers and body in one packet
    widgets: dict[str, dict[str, Any]] = {}  # noqa: RUF012 - one store for all requests
    removed: set[str] = set()  # noqa: RUF012
    lock = Lock()

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.lock:
            self.route(url.path, parse_qs(url.query, keep_blank_values=True), body)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # whatever the method
            return self.handle_any
        raise AttributeError(name)

    def route(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
        if path == "/die" and "mortal" in DEFECTS:
            os._exit(4)
        if path == "/openapi.json":
            return self.document()
        if path == "/widgets":
            handlers = {"GET": lambda: self.listing(query), "POST": lambda: self.create(body)}
        elif re.fullmatch(r"/widgets/[^/]+", path):
            handlers = {"GET": lambda: self.read(path[9:]), "DELETE": lambda: self.remove(path[9:])}
        elif path == "/secret":
            handlers = {"GET": self.secret}
        else:
            return self.reply(404, {"title": "no such place"})
        if self.command not in handlers:
            return self.reply(405, {"title": "no such method"}, {"Allow": ", ".join(handlers)})
        return handlers[self.command]()

    def document(self) -> None:
        if "document_not_json" in DEFECTS:
            return self.send(200, b"<html>welcome</html>", {"Content-Type": "text/html"})
        if "document_not_openapi" in DEFECTS:
            return self.reply(200, {"hello": "world"})
        if "document_huge" in DEFECTS:
            return self.reply(200, {**DOCUMENT, "x-padding": "x" * 11_000_000})
        if "document_missing" in DEFECTS:
            return self.reply(404, {"title": "no document"})
        return self.reply(200, DOCUMENT)

    def listing(self, query: dict[str, list[str]]) -> None:
        values = query.get("limit", ["50"])
        if set(query) - {"limit"} or len(values) != 1 or not re.fullmatch(r"[0-9]{1,4}", values[0], re.ASCII):
            return self.reply(400, {"title": "limit is 1..50"})
        if not 1 <= int(values[0]) <= 50:
            return self.reply(400, {"title": "limit is 1..50"})
        if "flaky" in DEFECTS and not Path(os.environ["FLAKED"]).exists():
            Path(os.environ["FLAKED"]).touch()
            return self.reply(500, {"title": "once only"})
        return self.reply(200, list(self.widgets.values())[: int(values[0])])

    def create(self, body: bytes) -> None:
        try:
            new = json.loads(body)
        except ValueError:
            return self.reply(400, {"title": "not JSON"})
        if not isinstance(new, dict) or self.headers.get_content_type() != "application/json":
            return self.reply(400, {"title": "not an object"})
        quantity, name = new.get("quantity"), new.get("name")
        odd = isinstance(quantity, int) and not isinstance(quantity, bool) and quantity < 0
        if odd and "server_error" in DEFECTS:
            return self.reply(500, {"title": HOSTILE if "hostile" in DEFECTS else "Traceback", "password": "hunter22"})
        if odd and "poison_neighbour" in DEFECTS:
            self.poison()
        if odd and "crash" in DEFECTS:
            os._exit(3)
        if isinstance(quantity, float) and quantity.is_integer():
            quantity = int(quantity)
        good = isinstance(quantity, int) and not isinstance(quantity, bool) and 0 <= quantity <= 1000
        if not good or not isinstance(name, str) or not NAME.fullmatch(name) or set(new) != {"name", "quantity"}:
            return self.reply(418 if "undeclared_status" in DEFECTS else 400, {"title": "no such widget"})
        if quantity == 1000 and "large_error" in DEFECTS:
            return self.reply(500, {"title": "too many"})
        widget: dict[str, Any] = {"id": f"w{secrets.token_hex(6)}", "name": name, "quantity": quantity}
        self.widgets[widget["id"]] = widget
        return self.reply(201, {**widget, "quantity": str(quantity)} if "wrong_schema" in DEFECTS else widget)

    def poison(self) -> None:
        """Send the neighbour something that it dies of."""
        with contextlib.suppress(OSError):
            urllib.request.urlopen(urllib.request.Request(os.environ["NEIGHBOUR"] + "/die", method="POST"), timeout=2)

    def read(self, widget_id: str) -> None:
        if widget_id in self.removed and "error_after_delete" in DEFECTS:
            return self.reply(500, {"title": "dangling"})
        if widget_id in self.removed and "use_after_free" in DEFECTS:
            return self.reply(200, {"id": widget_id, "name": "ghost", "quantity": 0})
        if widget_id in self.widgets:
            return self.reply(200, self.widgets[widget_id])
        return self.reply(404, {"title": "no such widget"})

    def remove(self, widget_id: str) -> None:
        if self.widgets.pop(widget_id, None) is None:
            return self.reply(404, {"title": "no such widget"})
        self.removed.add(widget_id)
        return self.send(204, b"", {})

    def secret(self) -> None:
        if self.headers.get("Authorization") == f"Bearer {TOKEN}" or "ignored_auth" in DEFECTS:
            return self.reply(200, {"title": f"the token is {TOKEN}"})
        return self.reply(401, {"title": "who are you"}, {"WWW-Authenticate": "Bearer"})

    def reply(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        self.send(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Victim).serve_forever()
