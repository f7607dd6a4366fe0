"""A project of a test's own stages (see `conftest`), and commands run on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.helpers import HARNESS, run_harness, wait_for, write_project

SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
TOML = '[system]\nname = "one"\n[services.web]\ncommand = ["python", "server.py"]\nready = "/"\n'


class Bench:
    """A project, its script of what stages do, and `harness run` on it."""

    def __init__(self, root: Path, env: Mapping[str, str]) -> None:
        self.root, self.env = root, env

    def write(self, toml: str = "", **script: Mapping[str, Any]) -> None:
        write_project(self.root, TOML + toml, {"server.py": SERVER, "script.json": json.dumps(script)})

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_harness("run", *arguments, cwd=self.root, env=self.env)

    def result(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        done = self.run("--out", "out", *arguments)
        return done.returncode, json.loads((self.root / "out" / "result.json").read_text())

    def spans(self) -> dict[str, tuple[float, float]]:
        found: dict[str, dict[str, float]] = {}
        for line in (self.root / "journal.txt").read_text().splitlines():
            name, what, at = line.split()
            found.setdefault(name, {})[what] = float(at)
        return {n: (f["start"], f["end"]) for n, f in found.items()}

    def harness(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return run_harness(*arguments, cwd=cwd or self.root, env=self.env)

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """`harness run` in a session of its own, going on until it ends or is killed; killed at the end of the block."""
        command, env = [*HARNESS, "run", *arguments], {**os.environ, "NO_COLOR": "1", **self.env}
        with subprocess.Popen(
            command,
            cwd=self.root,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        ) as run:
            try:
                yield run
            finally:
                kill(run)

    def wait_for_journal(self, *words: str) -> Path:
        """The folder of the one run whose journal says all of that by now."""
        found: list[Path] = []

        def says() -> bool:
            files = self.root.glob(".harness/runs/*/journal.ndjson")
            found[:] = [f.parent for f in files if all(w in f.read_text() for w in words)]
            return bool(found)

        wait_for(says, 30)
        return found[0]


def kill(run: subprocess.Popen[str]) -> None:
    """SIGKILL for the harness and its whole process group."""
    with suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)
    run.wait(10)


def status(result: Mapping[str, Any], stage: str) -> str:
    return str(next(s for s in result["stages"] if s["name"] == stage)["status"])


def reason(result: Mapping[str, Any], stage: str) -> str:
    return str(next(s for s in result["stages"] if s["name"] == stage)["reason"])
