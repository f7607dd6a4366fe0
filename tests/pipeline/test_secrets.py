"""A run on a system that tells everybody everything: of what it was told in confidence nothing is left anywhere."""

from __future__ import annotations

import base64
import json
import sqlite3
import stat
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.helpers import run_harness, write_project

#: Where it comes from -> the canary.
CANARIES = {
    "printed by auth.command": "canary-Token/from+command==7",
    "env of a service": "canary-Env-password-1",
    "password of a url in env": "canary-Dsn-P@ss-2",
    "header of an answer": "canaryAnswerAuthToken3",
    "cookie of an answer": "canaryCookie4",
    "field of an answer": "canaryPasswordRepeat5",
    "json in json of an answer": "canaryNestedIdToken6",
    "query of a journey": "canaryQueryToken8",
    "second query of a journey": "canaryQueryApiKey9",
    "header of a pact": "canaryPactHeader10",
    "form in a log line": "canaryLoggedPassword12",
    "set by a journey": "canaryJourneyPassword13",
    "key of a journey": "canaryOwnKey14",
    "session of a journey": "canarySession15",
    "basic password of a journey": "canaryBasic16",
    "token of a login": "canaryLogin17",
    "path of a journey": "canaryPath18",
    "other client of a journey": "canaryOther19",
    "third client of a journey": "canaryThird20",
    "header of an HttpUser": "canaryPlainUser21",
    "form of an HttpUser": "canaryForm22",
    "header of a FastHttpUser": "canaryFastUser23",
    "body of a FastHttpUser": "canaryFastBody24",
    "body of a pact": "canaryPactBody25",
    "cookie of a pact": "canaryPactCookie26",
    "parameter of a document": "canaryShownKey27",
    "body of a document": "canaryShownBody28",
}
SERVER = r"""
import base64, http.server, json, os, re, sys
from urllib.parse import unquote
open("made.txt", "w").close()
C = json.loads(os.environ["ANSWERS"])
DOCUMENT = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {"/leak": {"get": {
    "parameters": [{"name": "token", "in": "query", "schema": {"type": "string"}},
        {"name": "X-Shop-Key", "in": "header", "schema": {"type": "string"}, "example": C["shown"]}],
    "responses": {"200": {"description": "ok"}}}, "post": {
    "requestBody": {"content": {"application/json": {"schema": {"type": "object"}, "example": {"password": C["body"]}}}},
    "responses": {"200": {"description": "ok"}}}}},
    "components": {"securitySchemes": {"shop": {"type": "apiKey", "in": "header", "name": "X-Shop-Key"}}}}

class Handler(http.server.BaseHTTPRequestHandler):
    def setup(self):
        super().setup()
        self.caller = ""
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        if self.path == "/ready":
            return self.answer(200, {})
        if self.path == "/openapi.json":
            return self.answer(200, DOCUMENT)
        if self.path == "/login":
            return self.answer(200, {"access_token": C["login"]})
        trace = (self.headers.get("traceparent") or "--").split("-")[1]
        login = self.headers.get("authorization", "")
        basic = base64.b64decode(login[6:]).decode() if login.startswith("Basic ") else ""
        said = " ".join((unquote(self.path), basic, unquote(body), *self.headers.values()))
        for word in re.findall(r"canary\w+", said):
            self.caller += " " + word
            print(trace, "got caller", word, base64.b64encode(b"u:" + word.encode()).decode(), file=sys.stderr)
        print(json.dumps({"trace_id": trace, "path": self.path, "headers": dict(self.headers)}), file=sys.stderr)
        print(trace, "INFO token was", login.partition(" ")[2], "password=" + C["log"], file=sys.stderr)
        print(trace, "dsn", os.environ["DB_URL"], file=sys.stderr)
        print(trace, "env", os.environ["ADMIN_PASSWORD"], flush=True)
        self.answer(500, {"password-repeat": C["field"], "echo": login, "inner": json.dumps({"id_token": C["inner"]}),
                          "error": "cannot reach " + os.environ["DB_URL"] + " for caller" + self.caller})
    do_POST = do_GET
    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status, "callers" + self.caller)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if status == 500:
            self.send_header("X-Auth-Token", C["header"])
            self.send_header("Set-Cookie", "sid=" + C["cookie"] + "; Path=/")
        self.end_headers()
        self.wfile.write(data)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
JOURNEYS = f'''
import base64, urllib.error, urllib.request
import httpx
from harness.system.journeys import journey

@journey
def leak(user):
    user.get("/leak?token={CANARIES["query of a journey"]}&api_key={CANARIES["second query of a journey"]}")

@journey
def login(user):
    user.post("/leak", json={{"user": "bob", "password": "{CANARIES["set by a journey"]}"}})

@journey
def own_key(user):
    user.headers["X-Api-Key"] = "{CANARIES["key of a journey"]}"
    user.get("/leak", headers={{"Cookie": "theme=dark; sessionid={CANARIES["session of a journey"]}"}})

@journey
def basic(user):
    pair = base64.b64encode(b"bob:{CANARIES["basic password of a journey"]}").decode()
    user.get("/leak", headers={{"Authorization": "Basic " + pair}})

@journey
def logged_in(user):
    token = user.post("/login", json={{}}).json()["access_token"]
    print("logged in with", token)
    answer = user.get("/leak", headers={{"Authorization": "Bearer " + token}}, expect=500, name="leak of " + token)
    user.check(False, "caller " + token + " is unknown")

@journey
def path(user):
    user.get("/token/{CANARIES["path of a journey"]}")

@journey
def other_clients(user):
    base = next(iter(user.base_urls.values()))
    key = {{"X-Api-Key": "{CANARIES["third client of a journey"]}"}}
    said = httpx.get(base + "/leak", headers=key).json()["error"]
    request = urllib.request.Request(base + "/leak", headers={{"X-Api-Key": "{CANARIES["other client of a journey"]}"}})
    try:
        urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        raise RuntimeError(said + error.reason)
'''
LOCUSTFILE = f"""
from pathlib import Path
from locust import FastHttpUser, HttpUser, constant, task
from harness.load.locust import ArrivalUser
from harness.system.journeys import load_journeys

class Visitor(ArrivalUser):
    journeys = load_journeys(Path("journeys.py"))

class Plain(HttpUser):
    wait_time = constant(1)
    @task
    def leak(self):
        self.client.get("/leak", headers={{"X-Api-Key": "{CANARIES["header of an HttpUser"]}"}})
        self.client.post("/leak", data={{"password": "{CANARIES["form of an HttpUser"]}"}})

class Fast(FastHttpUser):
    wait_time = constant(1)
    @task
    def leak(self):
        answer = self.client.get("/leak", headers={{"X-Api-Key": "{CANARIES["header of a FastHttpUser"]}"}})
        print(answer.text)
        self.client.post("/leak", json={{"password": "{CANARIES["body of a FastHttpUser"]}"}})
"""
PACT = {
    "consumer": {"name": "shopper"},
    "provider": {"name": "web"},
    "interactions": [
        {
            "description": "a leak",
            "request": {
                "method": "GET",
                "path": "/leak",
                "query": {"token": [CANARIES["query of a journey"]]},
                "headers": {"X-Auth-Token": CANARIES["header of a pact"], "Authorization": "Bearer given"},
            },
            "response": {"status": 200, "headers": {"X-Auth-Token": "x"}},
        },
        {
            "description": "a leak of a body",
            "request": {
                "method": "POST",
                "path": "/leak",
                "headers": {"Cookie": f"sessionid={CANARIES['cookie of a pact']}", "Content-Type": "application/json"},
                "body": {"password": CANARIES["body of a pact"]},
            },
            "response": {"status": 200},
        },
    ],
    "metadata": {"pactSpecification": {"version": "3.0.0"}},
}


def toml() -> str:
    answers = {
        "header": CANARIES["header of an answer"],
        "cookie": CANARIES["cookie of an answer"],
        "field": CANARIES["field of an answer"],
        "inner": CANARIES["json in json of an answer"],
        "log": CANARIES["form in a log line"],
        "login": CANARIES["token of a login"],
        "shown": CANARIES["parameter of a document"],
        "body": CANARIES["body of a document"],
    }
    return f"""
[system]
name = "leaky"
[services.web]
command = ["python", "server.py"]
ready = "/ready"
openapi = "/openapi.json"
[services.web.env]
ADMIN_PASSWORD = "{CANARIES["env of a service"]}"
DB_URL = "postgres://bob:{CANARIES["password of a url in env"]}@127.0.0.9/db"
ANSWERS = '{json.dumps(answers)}'
[services.web.auth]
value = "Bearer {{token}}"
command = ["python", "login.py"]
[suites]
journeys = "journeys.py"
locustfile = "locustfile.py"
pacts = "pacts"
[stages.fuzz]
max_time = "1s"
requires = []
[stages.load]
duration = "1s"
warmup = "1s"
rate = "5/s"
requires = []
[stages.provider]
requires = []
"""


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    root = tmp_path_factory.mktemp("leaky")
    files = {
        "server.py": SERVER,
        "login.py": f"print({CANARIES['printed by auth.command']!r})",
        "journeys.py": JOURNEYS,
        "locustfile.py": LOCUSTFILE,
        "pacts/shopper-web.json": json.dumps(PACT),
    }
    write_project(root, toml(), files)
    old = root / ".harness" / "runs" / "old"
    old.mkdir(parents=True)
    (old / "wide.log").write_text("left by an earlier harness")
    (old / "wide.log").chmod(0o644)
    (root / ".harness").chmod(0o755)
    stages = ("smoke", "fuzz", "load", "provider")
    return root, run_harness("run", *stages, "--out", "out", cwd=root)


def written(root: Path) -> list[Path]:
    return [p for folder in (root / ".harness", root / "out") for p in folder.rglob("*")]


def forms(canary: str) -> set[bytes]:
    raw = canary.encode()
    encoded = {raw, quote(raw, safe="").encode(), json.dumps(canary)[1:-1].encode(), raw.hex().encode()}
    return encoded | {base64.b64encode(b"\0" * n + raw)[4 : -4 if len(raw) > 9 else None] for n in (0, 1, 2)}


def test_every_stage_found_what_there_is_to_tell(leaky: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    root, done = leaky

    result = json.loads((root / "out" / "result.json").read_text())
    assert done.returncode == 1, done.stderr
    told = {s["name"]: len(s["findings"]) for s in result["stages"]}
    assert all(told[name] for name in ("smoke", "fuzz", "load", "provider")), (told, done.stderr)


def test_no_canary_is_left_in_any_file(leaky: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    root, _ = leaky

    left = [
        f"{origin}: {file.relative_to(root)}"
        for file in written(root)
        if file.is_file()
        for origin, canary in CANARIES.items()
        if any(form in file.read_bytes() for form in forms(canary))
    ]

    assert left == []


def test_no_canary_is_shown_on_the_terminal(leaky: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = leaky

    shown = (done.stdout + done.stderr).encode()
    assert [origin for origin, canary in CANARIES.items() if any(form in shown for form in forms(canary))] == []


def test_no_canary_is_in_the_store(leaky: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    root, _ = leaky

    with closing(sqlite3.connect(root / ".harness" / "evidence.db")) as store:
        kept = "\n".join(store.iterdump()).encode()
    assert b"provider." in kept
    assert [origin for origin, canary in CANARIES.items() if any(form in kept for form in forms(canary))] == []


def test_only_the_owner_may_read_what_a_run_leaves(leaky: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    root, _ = leaky

    # The store takes the files beside its own away when nobody has it open any more.
    paths = [p for p in (root / ".harness", root / "out", *written(root)) if p.exists()]
    wide = [str(p) for p in paths if not p.is_symlink() and stat.S_IMODE(p.stat().st_mode) & 0o077]
    assert wide == []


def test_a_service_makes_its_files_as_the_user_does(leaky: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    root, _ = leaky

    assert stat.S_IMODE((root / "made.txt").stat().st_mode) == 0o666 & ~users_umask()


def users_umask() -> int:
    done = subprocess.run(["sh", "-c", "umask"], capture_output=True, text=True, check=True)
    return int(done.stdout, 8)
