"""A system of two tiny services with a suite of every kind, to be spoilt by tests of bad input."""

from __future__ import annotations

from pathlib import Path

TOML = """
[system]
name = "tiny"
entry = "web"

[services.web]
command = ["python", "service.py", "web"]
openapi = "/openapi.json"
ready = "/health"

[services.web.uses.store]
env = "STORE_URL"

[services.store]
command = ["python", "service.py", "store"]
openapi = "/openapi.json"
ready = "/health"

[stages.load]
rate = "20/s"
duration = "1s"
warmup = "200ms"

[stages.synthetic]
rate = "10/s"
duration = "1s"
"""

SERVICE = """
import http.client, json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

STORE = os.environ.get("STORE_URL", "")
DOCUMENT = {"openapi": "3.0.3", "info": {"title": sys.argv[1], "version": "1"}, "paths": {"/item": {"get": {
    "responses": {"200": {"description": "an item"}, "503": {"description": "no store"}}}}}}

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/item" and STORE:
            where = urlsplit(STORE)
            connection = http.client.HTTPConnection(where.hostname, where.port, timeout=2)
            try:
                connection.request("GET", "/item")
                return self.say(connection.getresponse().status, {})
            except (OSError, http.client.HTTPException):
                return self.say(503, {})
        known = {"/health": {}, "/item": {"price": 3}, "/openapi.json": DOCUMENT}
        return self.say(200 if self.path in known else 404, known.get(self.path, {}))

    def say(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_): pass

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

FILES = {
    "harness.toml": TOML,
    "service.py": SERVICE,
    "synthetic/journeys.py": """
from harness.system import User, journey

@journey
def look(user: User) -> None:
    user.get("/item")
""",
    "synthetic/slos.toml": '[[slos]]\nname = "looks"\njourney = "look"\nobjective = "95%"\n',
    "load/locustfile.py": """
from pathlib import Path
from harness.load.locust import ArrivalUser
from harness.system.journeys import load_journeys

class Visitor(ArrivalUser):
    journeys = load_journeys(Path("synthetic/journeys.py"))
    rate = 10
""",
    "chaos/store-down.toml": """
edge = "web -> store"
journeys = ["look"]
[[faults]]
type = "refused"
[during]
expect = "rejected"
latency = "2s"
""",
}


def write_shop(root: Path) -> Path:
    """Write the project below `root`."""
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root
