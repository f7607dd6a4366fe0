"""Front asks middle, middle asks back: a system of the standard library, with a switch for every sin of its edges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import anyio

from harness.chaos.stage import ChaosStage
from harness.evidence import StageResult
from harness.pipeline import Event
from tests.helpers import make_context, write_project

SERVICE = """
import http.client, json, os, secrets, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

NEXT = os.environ.get("NEXT_URL", "")
LIMIT = float(os.environ.get("LIMIT", "0.6")) or None
ATTEMPTS = int(os.environ.get("ATTEMPTS", "1"))
FAILED = int(os.environ.get("FAILED", "503"))
OPENS_AT, OPEN_FOR, SHUTS_AT = (float(x) for x in os.environ.get("BREAKER", "inf:0:1").split(":"))
POOL = threading.Semaphore(int(os.environ.get("POOL", "64")))


def on(name):
    return os.environ.get(name) == "yes"


WISH = ("GET", "/look") if on("READS") else ("POST", "/order")
state = {"taken": 0, "settled": 0, "stuck": False}
breaker = {"failed": 0, "until": 0.0, "opens_at": OPENS_AT}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/ready":
            return self.ready()
        if self.path == "/books":
            return self.say(200, {"taken": state["taken"], "settled": state["settled"]})
        if self.path == "/spare":
            return self.say(200, {"spare": True})
        with POOL:
            self.say(200, {"browsed": True})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if not NEXT:
            return self.say(201, {"done": "x" * 40})
        with POOL:
            self.order()

    def order(self):
        state["taken"] += 1
        if state["stuck"]:
            return self.say(503, {"stuck": True})
        if on("TELLS"):
            threading.Thread(target=self.ask, args=WISH, daemon=True).start()
            state["settled"] += 1
            return self.say(201, {"done": "x" * 40})
        if any(self.ask(*WISH) for _ in range(ATTEMPTS)):
            state["settled"] += 1
            return self.say(201, {"done": "x" * 40})
        if on("FRAGILE"):
            os._exit(3)
        state["stuck"] = on("STICKY")
        state["settled"] += not on("LOSES")
        if on("FALLBACK") or (on("FALLBACK_THERE") and self.ask("GET", "/spare")):
            return self.say(201, {"less": True})
        self.say(FAILED, {"title": "the neighbour failed"})

    def ask(self, method, path, traced=True):
        if time.monotonic() < breaker["until"]:
            return False
        good = self.send(method, path, traced)
        breaker["failed"] = 0 if good else breaker["failed"] + 1
        if breaker["failed"] >= breaker["opens_at"]:
            breaker["until"], breaker["opens_at"] = time.monotonic() + OPEN_FOR, SHUTS_AT
        elif good:
            breaker["opens_at"] = OPENS_AT
        return good

    def send(self, method, path, traced):
        where = urlsplit(NEXT)
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=LIMIT)
        headers = {"Content-Type": "application/json"}
        if traced and not on("UNTRACED"):
            trace = self.headers.get("traceparent", "").split("-")
            if len(trace) == 4:
                headers["traceparent"] = f"00-{trace[1]}-{secrets.token_hex(8)}-01"
            if on("NEW_KEYS"):
                headers["Idempotency-Key"] = secrets.token_hex(8)
            elif not on("KEYLESS"):
                headers["Idempotency-Key"] = trace[1] if len(trace) == 4 else ""
        try:
            connection.request(method, path, body=b"{}" if method == "POST" else None, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            return answer.status < 300 and isinstance(json.loads(body), dict)
        except Exception:
            return False
        finally:
            connection.close()

    def ready(self):
        good = not on("TIMID") or not NEXT or self.ask("GET", "/spare", traced=False)
        self.say(200 if good else 503, {"ready": good})

    def say(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

JOURNEYS = '''
from harness.system import User, journey


@journey(weight=5)
def place_order(user: User) -> None:
    """Something is ordered."""
    user.post("/order", json={"item": 1})


@journey
def browse(user: User) -> None:
    """Something is looked at that needs no neighbour."""
    user.get("/browse")
'''

INVARIANTS = '''
from harness.system import User, journey


@journey
def every_order_is_settled(user: User) -> None:
    """What was taken was settled."""
    books = user.get("/books").json()
    user.check(books["taken"] == books["settled"], f"taken {books['taken']}, settled {books['settled']}")
'''

DOCUMENT = json.dumps(
    {
        "openapi": "3.1.0",
        "info": {"title": "chain", "version": "1"},
        "paths": {"/order": {"post": {"responses": {"201": {}, "503": {}}}}},
    }
)


@dataclass(frozen=True)
class Chain:
    """How the services behave, and what their edges promise.

    Args:
        front, middle: environment of the two callers.
        first, second: lines that promise something, for front -> middle and middle -> back.
        settings: further lines of `[stages.chaos]`.
        files: further files, or others in the place of the usual ones.
    """

    front: Mapping[str, str] = field(default_factory=dict)
    middle: Mapping[str, str] = field(default_factory=dict)
    first: str = 'budget = "800ms"\nattempts = 1\non_failure = "reject"'
    second: str = 'budget = "300ms"\nattempts = 2\non_failure = "reject"'
    settings: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    def toml(self) -> str:
        """Its harness.toml."""
        usual = {"front": {"LIMIT": "0.8"}, "middle": {"LIMIT": "0.15", "ATTEMPTS": "2"}}
        own = {"front": self.front, "middle": self.middle}
        services = "".join(
            f'[services.{name}]\ncommand = ["python", "service.py"]\nready = "/ready"\nopenapi = "openapi.json"\n'
            f"env = {{ {', '.join(f'{k} = {json.dumps(v)}' for k, v in (usual[name] | dict(own[name])).items())} }}\n"
            f'[services.{name}.uses.{callee}]\nenv = "NEXT_URL"\n{promises}\n'
            for name, callee, promises in (("front", "middle", self.first), ("middle", "back", self.second))
        )
        return (
            f'[system]\nname = "chain"\nentry = "front"\n\n{services}'
            '[services.back]\ncommand = ["python", "service.py"]\nready = "/ready"\n\n'
            '[stages.chaos]\ncopies = 1\nat_once = 4\nrecovery_within = "2s"\ninvariants_within = "500ms"\n'
            f"{self.settings}\n"
        )

    def all_files(self) -> dict[str, str]:
        """Every other file of the project."""
        usual = {
            "service.py": SERVICE,
            "openapi.json": DOCUMENT,
            "synthetic/journeys.py": JOURNEYS,
            "chaos/invariants.py": INVARIANTS,
        }
        return usual | dict(self.files)


class Tiny(Protocol):
    """A system small enough for a test."""

    def toml(self) -> str:
        """Its harness.toml."""
        ...

    def all_files(self) -> dict[str, str]:
        """Every other file of the project."""
        ...


def explore(
    root: Path, tiny: Tiny, only: Mapping[str, str] | None = None, *, events: list[Event] | None = None
) -> StageResult:
    """Run the stage on a system."""
    project = write_project(root, tiny.toml(), tiny.all_files())
    stage = ChaosStage()
    context = make_context(project, stage, [] if events is None else events, only=only)
    return anyio.run(stage.run, context)
