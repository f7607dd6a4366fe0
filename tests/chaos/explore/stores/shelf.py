"""Desk asks keeper, keeper has a store, in a file or behind an address: of the standard library, with a switch for every sin."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from harness.chaos.stage import ChaosStage
from harness.evidence import StageResult
from tests.helpers import make_context, write_project

SERVICE = """
import http.client, json, os, secrets, signal, socket, sqlite3, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

KEEPER = os.environ.get("KEEPER_URL", "")
URL = os.environ.get("STORE_URL", "")
state = {"done": 0, "stuck": False, "failed": False}
lock = threading.Lock()


def on(name):
    return os.environ.get(name) == "yes"


class File:
    def __init__(self):
        self.open()

    def open(self):
        self.db = sqlite3.connect(URL.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False, timeout=1)
        self.db.execute("PRAGMA journal_mode=" + os.environ.get("JOURNAL", "WAL"))
        self.db.execute("CREATE TABLE IF NOT EXISTS kept (at REAL)")

    def put(self):
        self.db.execute("INSERT INTO kept VALUES (1)")

    def count(self):
        return self.db.execute("SELECT count(*) FROM kept").fetchone()[0]


class Far:
    def __init__(self):
        self.open()

    def open(self):
        where = urlsplit(URL)
        assert (where.scheme, where.username, where.password, where.path) == ("kv", "me", "p:w", "/db"), URL
        assert where.query == "x=1", URL
        self.socket = socket.create_connection((where.hostname, where.port), timeout=float(os.environ.get("PATIENCE", "0.3")))

    def ask(self, word):
        self.socket.sendall(word + b"\\n")
        answer = self.socket.recv(100)
        if not answer:
            raise ConnectionError("the store has gone")
        return int(answer)

    def put(self):
        self.ask(b"put")

    def count(self):
        return self.ask(b"count")


class Nothing:
    def put(self):
        return 0

    count = put


KIND = File if URL.startswith("sqlite") else Far if URL.startswith("kv") else Nothing


def connected():
    try:
        return KIND()
    except (OSError, sqlite3.Error):
        if on("STARTS") or on("WAITS") or on("WAITS_FOREVER"):
            state["failed"] = True
            return None
        if on("CRASHES"):
            os.kill(os.getpid(), signal.SIGABRT)
        sys.exit(0 if on("SHRUGS") else 3)


store = connected() if URL else None


def with_store(word):
    global store
    with lock:
        if state["stuck"] or (on("WAITS_FOREVER") and state["failed"]):
            raise OSError("never again")
        try:
            store = store or KIND()
            return getattr(store, word)()
        except (OSError, sqlite3.Error):
            state["stuck"] = on("STICKY")
            if KIND is Far:
                store = None
            raise


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/ready":
            return self.ready()
        if self.path == "/done":
            return self.say(200, {"done": state["done"]})
        if self.path == "/kept":
            return self.say(200, {"kept": with_store("count")})
        if on("SPREADS") and not KEEPER_IS_WELL():
            return self.say(503, {})
        self.say(200, {"browsed": True})

    def ready(self):
        if not URL or on("GREEN") or (on("GREEN_AT_START") and state["failed"]):
            return self.say(200, {})
        try:
            with_store("count")
            self.say(200, {})
        except (OSError, sqlite3.Error):
            self.say(503, {})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if KEEPER:
            status = self.ask()
            state["done"] += status == 201
            return self.say(status, {"title": "asked"})
        try:
            with_store("put")
            self.say(201, {"kept": True})
        except (OSError, sqlite3.Error):
            if on("DIES"):
                os._exit(3)
            if on("HANGS"):
                time.sleep(8)
            self.say(201 if on("FORGETS") or on("DOES_WITHOUT") else int(os.environ.get("FAILED", "503")), {})

    def ask(self):
        where = urlsplit(KEEPER)
        connection = http.client.HTTPConnection(where.hostname, where.port, timeout=1.0)
        headers = {"Content-Type": "application/json", "traceparent": self.headers.get("traceparent", "")}
        try:
            connection.request("POST", "/order", body=b"{}", headers=headers)
            status = connection.getresponse().status
            return 201 if status == 201 else 503
        except OSError:
            return 503
        finally:
            connection.close()

    def say(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


def KEEPER_IS_WELL():
    where = urlsplit(KEEPER)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=1.0)
    connection.request("GET", "/ready")
    return connection.getresponse().status == 200


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

JOURNEYS = '''
from harness.system import User, journey


@journey(weight=5)
def place_order(user: User) -> None:
    """Something is ordered, and kept."""
    user.post("/order", json={"item": 1})


@journey
def browse(user: User) -> None:
    """Something is looked at that needs no keeper."""
    user.get("/browse")
'''

INVARIANTS = '''
from harness.system import User, journey


@journey
def what_was_promised_is_kept(user: User) -> None:
    """As many things are kept as orders were taken."""
    done = user.get("/done").json()["done"]
    kept = user.get("/kept", service="keeper").json()["kept"]
    user.check(done == kept, f"{done} were promised, {kept} are kept")
'''
FILE = "sqlite:///{data}/keeper.db"


@dataclass(frozen=True)
class Shelf:
    """How the services behave, where the store is and what its edge promises."""

    keeper: Mapping[str, str] = field(default_factory=dict)
    desk: Mapping[str, str] = field(default_factory=dict)
    url: str = FILE
    promises: str = ""
    settings: str = ""
    invariants: bool = True

    def toml(self) -> str:
        """Its harness.toml."""
        said = {"keeper": self.keeper, "desk": self.desk}
        env = {
            name: f"env = {{ {', '.join(f'{k} = {json.dumps(v)}' for k, v in values.items())} }}"
            for name, values in said.items()
        }
        return (
            '[system]\nname = "shelf"\nentry = "desk"\n'
            f'[services.desk]\ncommand = ["python", "service.py"]\nready = "/ready"\n{env["desk"]}\n'
            '[services.desk.uses.keeper]\nenv = "KEEPER_URL"\nbudget = "1s"\nattempts = 1\non_failure = "reject"\n'
            f'[services.keeper]\ncommand = ["python", "service.py"]\nready = "/ready"\n{env["keeper"]}\n'
            f'[services.keeper.uses.store]\nenv = "STORE_URL"\nurl = "{self.url}"\n{self.promises}\n'
            '[resources.store]\nkind = "store"\n'
            '[stages.chaos]\ncopies = 1\nat_once = 3\nrecovery_within = "1s"\ninvariants_within = "300ms"\n'
            f"{self.settings}\n"
        )

    def files(self) -> dict[str, str]:
        """Every other file of the project."""
        kept = {"chaos/invariants.py": INVARIANTS} if self.invariants else {}
        return {"service.py": SERVICE, "synthetic/journeys.py": JOURNEYS, **kept}


def explore(root: Path, shelf: Shelf, fault: str = "away", edge: str = "keeper:store") -> StageResult:
    """Run the stage on a shelf."""
    project = write_project(root, shelf.toml(), shelf.files())
    stage = ChaosStage()
    only = {"fault": fault} | ({"edge": edge} if edge else {})
    return anyio.run(stage.run, make_context(project, stage, [], only=only))


@contextmanager
def far_store() -> Iterator[str]:
    """A store behind an address; the URL a service is told of it."""
    kept, lock = [0], threading.Lock()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                with lock:
                    kept[0] += line == b"put\n"
                self.wfile.write(b"%d\n" % kept[0])

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"kv://me:p:w@127.0.0.1:{server.server_address[1]}/db?x=1"
        finally:
            server.shutdown()
            thread.join()
