"""Door asks desk, desk asks left and right: a system of the standard library in which no single failure shows a mistake.

The desk asks both its neighbours for every order, or the right one only once the left one has failed: as a fallback, or to undo
what it has begun.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

SERVICE = """
import http.client, json, os, secrets, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

DOOR, LEFT, RIGHT = (os.environ.get(name, "") for name in ("DESK_URL", "LEFT_URL", "RIGHT_URL"))
LIMIT = float(os.environ.get("LIMIT", "0.3"))
MODE = os.environ.get("MODE", "both")
CAREFUL = os.environ.get("CAREFUL") == "yes"
state = {"open": 0}
begun = threading.Lock()


def ask(where, path, trace):
    where = urlsplit(where)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=LIMIT)
    headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01", "Idempotency-Key": trace}
    try:
        connection.request("POST", path, body=b"{}", headers=headers)
        answer = connection.getresponse()
        return answer.status < 300 and isinstance(json.loads(answer.read()), dict)
    except Exception:
        return False
    finally:
        connection.close()


def undo(trace):
    if not ask(RIGHT, "/undo", trace) and not CAREFUL:
        return
    while not ask(RIGHT, "/undo", trace) and CAREFUL:
        time.sleep(0.1)
    with begun:
        state["open"] -= 1


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.say(200, {"open": state["open"]})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        trace = self.headers.get("traceparent", "0-" + secrets.token_hex(16)).split("-")[1]
        if DOOR:
            return self.say(201 if ask(DOOR, "/order", trace) else 503, {})
        if not LEFT:
            return self.say(201, {"done": "x" * 40})
        getattr(self, MODE)(trace)

    def both(self, trace):
        good = [ask(LEFT, "/part", trace), ask(RIGHT, "/part", trace)]
        self.say(201, {"parts": good})

    def fallback(self, trace):
        if ask(LEFT, "/part", trace) or ask(RIGHT, "/part", trace):
            return self.say(201, {})
        self.say(503 if CAREFUL else 500, {})

    def saga(self, trace):
        with begun:
            state["open"] += 1
        if ask(LEFT, "/charge", trace):
            with begun:
                state["open"] -= 1
            return self.say(201, {})
        threading.Thread(target=undo, args=(trace,), daemon=True).start() if CAREFUL else undo(trace)
        self.say(503, {})

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


@journey
def place_order(user: User) -> None:
    """Something is ordered."""
    user.post("/order", json={"item": 1})
'''

INVARIANTS = '''
from harness.system import User, journey


@journey
def nothing_stays_open(user: User) -> None:
    """What was begun was carried through, or undone."""
    still = user.get("/books", service="desk").json()["open"]
    user.check(still == 0, f"{still} are still open")
'''


@dataclass(frozen=True)
class Fork:
    """How the desk behaves, and what its edges promise.

    Args:
        mode: `both`, `fallback` or `saga`.
        careful: whether it is written well.
        limit_s: how long it waits for either neighbour, in seconds.
        promises: of the desk's edges, by neighbour: what it does when they fail.
        settings: further lines of `[stages.chaos]`.
    """

    mode: str
    careful: bool = True
    limit_s: float = 0.3
    promises: Mapping[str, str] = field(default_factory=lambda: {"left": "degrade", "right": "reject"})
    settings: str = "pairs = true"

    def toml(self) -> str:
        """Its harness.toml."""
        env = {"MODE": self.mode, "CAREFUL": "yes" if self.careful else "no", "LIMIT": str(self.limit_s)}
        told = ", ".join(f"{k} = {json.dumps(v)}" for k, v in env.items())
        started = 'command = ["python", "service.py"]\nready = "/ready"'
        uses = "".join(
            f'[services.desk.uses.{n}]\nenv = "{n.upper()}_URL"\nbudget = "{round(self.limit_s * 1000)}ms"\n'
            f'attempts = 1\non_failure = "{self.promises[n]}"\n\n'
            for n in ("left", "right")
        )
        return (
            f'[system]\nname = "fork"\nentry = "door"\n\n[services.door]\n{started}\nenv = {{ LIMIT = "1" }}\n\n'
            f'[services.door.uses.desk]\nenv = "DESK_URL"\nbudget = "1s"\nattempts = 1\non_failure = "reject"\n\n'
            f"[services.desk]\n{started}\nenv = {{ {told} }}\n\n{uses}"
            f"[services.left]\n{started}\n\n[services.right]\n{started}\n\n"
            '[stages.chaos]\ncopies = 1\nat_once = 3\nrecovery_within = "2s"\ninvariants_within = "2s"\n'
            f"{self.settings}\n"
        )

    def all_files(self) -> dict[str, str]:
        """Every other file of the project."""
        return {"service.py": SERVICE, "synthetic/journeys.py": JOURNEYS, "chaos/invariants.py": INVARIANTS}
