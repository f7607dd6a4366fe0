"""A tiny system for these tests: one provider of twenty lines, and pacts written by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.system.config import Project
from tests.helpers import write_project

PROVIDER = """
import json, os, sys, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, status, body, kind="application/json"):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
    def do_GET(self):
        if self.path == "/die":
            os._exit(3)
        if self.path == "/private":
            return self.answer(200 if self.headers.get("Authorization") == "Bearer right" else 401, {})
        if self.path == "/price":
            with urllib.request.urlopen(os.environ["BANK_URL"] + "/rate", timeout=3) as response:
                return self.answer(200, {"rate": json.load(response)["rate"]})
        self.answer(200, {"id": "1", "total": 100} if self.path.startswith("/orders/") else {})
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if self.path == "/states":
            known = body["state"] in ("an order", "a flaky end")
            known = known and not (body["action"] == "teardown" and "flaky" in body["state"])
            return self.answer(200 if known else 400, {"detail": "no such state"})
        if self.path == "/messages":
            return self.answer(200, b"" if body["description"] == "silence" else {"type": "order", "id": 1})
        self.answer(404, {})
    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
TOML = """
[system]
name = "tiny"
[services.web]
url = "http://127.0.0.1:1"
[services.web.uses.orders]
[services.orders]
command = ["python", "orders.py"]
states = "/states"
messages = "/messages"
[services.orders.uses.bank]
env = "BANK_URL"
[services.orders.uses.mail]
kind = "events"
[services.bank]
url = "http://127.0.0.1:1"
[services.mail]
url = "http://127.0.0.1:1"
"""


def project(
    root: Path, toml: str = TOML, pacts: Sequence[dict[str, Any]] = (), files: dict[str, str] | None = None
) -> Project:
    """Write the tiny system with these published pacts."""
    made = write_project(root, toml, {"orders.py": PROVIDER, **(files or {})})
    folder = root / "contracts" / "pacts"
    folder.mkdir(parents=True, exist_ok=True)
    for raw in pacts:
        (folder / f"{raw['consumer']['name']}-{raw['provider']['name']}.json").write_text(json.dumps(raw))
    return made


def pact(*interactions: dict[str, Any], consumer: str = "web", provider: str = "orders") -> dict[str, Any]:
    """A V4 pact."""
    return {
        "consumer": {"name": consumer},
        "provider": {"name": provider},
        "interactions": list(interactions),
        "metadata": {"pactSpecification": {"version": "4.0"}},
    }


def http(
    description: str,
    path: str = "/orders/1",
    status: int = 200,
    body: object = None,
    *,
    states: Sequence[str] = (),
    pending: bool = False,
    headers: dict[str, list[str]] | None = None,
) -> dict[str, Any]:
    """An HTTP interaction."""
    response: dict[str, Any] = {"status": status}
    if body is not None:
        response |= {"body": {"content": body, "contentType": "application/json", "encoded": False}}
    return {
        "type": "Synchronous/HTTP",
        "description": description,
        "pending": pending,
        "providerStates": [{"name": s} for s in states],
        "request": {"method": "GET", "path": path, "headers": headers or {}},
        "response": response,
    }


def message(description: str, content: object = None) -> dict[str, Any]:
    """An asynchronous message."""
    body = {"contents": {"content": content, "contentType": "application/json", "encoded": False}} if content else {}
    return {"type": "Asynchronous/Messages", "description": description, "pending": False, **body}
