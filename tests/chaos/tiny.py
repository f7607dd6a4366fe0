"""A system of two services made of the standard library, with switches for what a careless team forgets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import anyio

from harness.chaos.stage import ChaosStage
from harness.evidence import StageResult
from harness.pipeline import Event
from tests.helpers import make_context, write_project

SERVICE = """
import http.client, json, os, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

BACK = os.environ.get("BACK_URL", "")
LIMIT = float(os.environ.get("LIMIT", "0.3")) or None
FALLBACK = os.environ.get("FALLBACK") == "yes"
SULK = float(os.environ.get("SULK", "0"))
STUMBLE = float(os.environ.get("STUMBLE", "0"))
FRAGILE = os.environ.get("FRAGILE") == "yes"
state = {"first_failure": 0.0, "sulks_until": 0.0, "asked": 0, "answered": 0}


def ask_back():
    where = urlsplit(BACK)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=LIMIT)
    try:
        connection.request("GET", "/data")
        answer = connection.getresponse()
        return answer.status == 200 and bool(answer.read())
    finally:
        connection.close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/page":
            self.page()
        elif self.path == "/note":
            try:
                with open("notes.txt", "a") as notes:
                    notes.write("noted\\n")
                self.say(200, {"noted": True})
            except OSError as error:
                self.say(503, {"errno": error.errno})
        elif self.path == "/books":
            self.say(200, {"asked": state["asked"], "answered": state["answered"]})
        else:
            self.say(200, {"data": "x" * 200})

    def page(self):
        state["asked"] += 1
        if time.time() < state["sulks_until"]:
            return self.say(503, {"sulking": True})
        try:
            good = ask_back()
        except Exception:
            good = False
        if good:
            state["answered"] += 1
            return self.say(200, {"data": "whole"})
        if FRAGILE:
            os._exit(3)
        state["sulks_until"] = time.time() + SULK
        state["first_failure"] = state["first_failure"] or time.time()
        if time.time() < state["first_failure"] + STUMBLE:
            return self.say(500, {"stumbled": True})
        return self.say(200, {"degraded": True}) if FALLBACK else self.say(503, {"sorry": True})

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

HARNESS = """
[system]
name = "tiny"
entry = "front"

[runtime]
{runtime}

[services.front]
command = ["python", "service.py"]
ready = "/ready"
env = {{ {env} }}

[services.front.uses.back]
env = "BACK_URL"
budget = "300ms"
on_failure = "reject"

[services.back]
command = ["python", "service.py"]
ready = "/ready"

[stages.chaos]
explore = false
before = "400ms"
fault = "800ms"
settle = "4s"
rate = 10
invariants_within = "600ms"
"""

JOURNEYS = '''
from harness.system import User, journey


@journey
def read_page(user: User) -> None:
    """A page is read."""
    user.get("/page")


@journey
def read_plain(user: User) -> None:
    """Something is read that needs no neighbour."""
    user.get("/plain")


@journey
def write_note(user: User) -> None:
    """Something is written to disk."""
    user.get("/note")
'''

EXPERIMENT = """
title = "back {type}"
edge = "front -> back"
journeys = ["{journey}"]

[[faults]]
type = "{type}"
attributes = {{ {attributes} }}

[steady_state]
success = "100%"
p95 = "400ms"

[during]
expect = "{expect}"
latency = "{latency}"

[recovery]
within = "{recovery}"
"""


def experiment(
    type_: str = "timeout",
    attributes: str = "timeout = 0",
    *,
    expect: str = "rejected",
    journey: str = "read_page",
    latency: str = "500ms",
    recovery: str = "1s",
    more: str = "",
) -> str:
    """An experiment's file."""
    text = EXPERIMENT.format(
        type=type_, attributes=attributes, expect=expect, journey=journey, latency=latency, recovery=recovery
    )
    return more + text


def process_experiment(
    action: str,
    *,
    service: str = "back",
    expect: str = "rejected",
    journey: str = "read_page",
    recovery: str = "1s",
    more: str = "",
    extra: str = "",
) -> str:
    """The file of an experiment that does something to a service.

    Args:
        more: put before everything. extra: further keys of its `[[processes]]` table.
    """
    before, _, after = experiment(expect=expect, journey=journey, recovery=recovery, more=more).partition("[[faults]]")
    table = f'[[processes]]\nservice = "{service}"\naction = "{action}"\n{extra}\n'
    rest = after[after.index("[steady_state]") :]
    return before.replace('edge = "front -> back"\n', "") + table + rest


def project_files(experiments: Mapping[str, str]) -> dict[str, str]:
    """Every file of the project but harness.toml."""
    files = {"service.py": SERVICE, "synthetic/journeys.py": JOURNEYS}
    return files | {f"chaos/{name}": text for name, text in experiments.items()}


def run_chaos(
    root: Path,
    experiments: Mapping[str, str],
    *,
    env: str = "",
    runtime: str = "",
    only: Mapping[str, str] | None = None,
    events: list[Event] | None = None,
    more: str = "",
    before_serving: str = "",
) -> StageResult:
    """Run the stage on the tiny system.

    Args:
        more: put at the end of harness.toml. before_serving: what the services do first when they start.
    """
    files = project_files(experiments)
    files["service.py"] = files["service.py"].replace("\nBACK = ", f"\n{before_serving}\nBACK = ", 1)
    project = write_project(root, HARNESS.format(env=env, runtime=runtime) + more, files)
    stage = ChaosStage()
    context = make_context(project, stage, events if events is not None else [], only=only)
    return anyio.run(stage.run, context)
