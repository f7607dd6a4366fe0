"""A run that is interrupted in the middle of a walk: what the walk had sent in confidence stands nowhere afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.helpers import HARNESS, wait_for, write_project

TOML = """
[system]
name = "one"
[services.web]
command = ["python", "-u", "server.py"]
ready = "/"
[suites]
journeys = "journeys.py"
"""
SERVER = """
import http.server, os, signal
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("caller", self.headers.get("Authorization", " ").split()[-1:], "item", self.headers.get("X-Acme-Secret"))
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it takes as long as it is given
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
JOURNEYS = """
import time
from harness.system.journeys import journey

@journey
def stays(user):
    user.get("/x", headers={"Authorization": "Bearer canary-7Kq2mZx81", "X-Acme-Secret": "canary-B9w4PqLs7"})
    print("said canary-7Kq2mZx81 and canary-B9w4PqLs7", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("sent", [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)], ids=str)
def test_what_a_walk_had_sent_is_masked_after_an_interruption(tmp_path: Path, sent: tuple[signal.Signals, ...]) -> None:
    write_project(tmp_path, TOML, {"server.py": SERVER, "journeys.py": JOURNEYS})
    command, env = [*HARNESS, "run", "smoke", "--out", "out"], {**os.environ, "NO_COLOR": "1"}
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as run:
        logs = [".harness/runs/*/system/web.log", ".harness/runs/*/smoke/journeys.log"]
        wait_for(lambda: sum("canary" in f.read_text() for g in logs for f in tmp_path.glob(g)) == len(logs), 60)
        for number in sent:
            run.send_signal(number)
            time.sleep(0.3)
        said = run.communicate(timeout=60)[0]

    left = {f for f in tmp_path.rglob("*") if f.is_file() and f.suffix not in {".py", ".pyc"}}
    assert "interrupted" in said
    assert [f for f in left if b"canary" in f.read_bytes()] == []
    assert "canary" not in said
    [log] = tmp_path.glob(logs[0])
    assert "item [redacted]" in log.read_text()
