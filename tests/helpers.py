"""What tests of several rooms share: contexts, tiny projects, commands run as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil

from harness.pipeline import Event, StageContext
from harness.pipeline.stage import Stage
from harness.system.config import Project, load_project
from tests.forks import run_module

PLUGINS = ["-p", "harness.testing.plugin", "-p", "xdist.plugin"]
HARNESS = [sys.executable, "-m", "harness"]


def write_project(root: Path, toml: str, files: Mapping[str, str] | None = None) -> Project:
    """Write `harness.toml` and further files below `root`, and read the project."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "harness.toml").write_text(toml, encoding="utf-8")
    for name, text in (files or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return load_project(root / "harness.toml")


def make_context(
    project: Project,
    stage: Stage,
    events: list[Event],
    *,
    addresses: Mapping[str, str] | None = None,
    service_logs: Mapping[str, Path] | None = None,
    profile: str = "quick",
    seed: int = 1,
    jobs: int = 2,
    only: Mapping[str, str] | None = None,
) -> StageContext:
    """A context to run a stage in this process; events are appended to `events`."""
    run_directory = project.root / ".harness" / "runs" / "test"
    directory = run_directory / stage.name
    directory.mkdir(parents=True, exist_ok=True)
    return StageContext(
        name=stage.name,
        root=project.root,
        system=project.system,
        stage_settings=project.settings(stage.name, stage.settings, profile),
        profile=profile,
        seed=seed,
        run_directory=run_directory,
        directory=directory,
        addresses=addresses or {},
        service_logs=service_logs or {},
        jobs=jobs,
        send=events.append,
        only=only or {},
    )


def run_harness(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run `harness` as a user would, in `cwd`."""
    return run_module(
        "harness", arguments, cwd=cwd, env={**os.environ, "NO_COLOR": "1", **(env or {})}, timeout=timeout
    )


def run_pytest(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run somebody's own suite below `cwd` with the plugin of the harness; other packages' take seconds to load."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", **env}
    return run_module("pytest", [*PLUGINS, *arguments], cwd=cwd, env=environment, timeout=90)


def wait_for(condition: Callable[[], object], limit_s: float) -> None:
    """Wait until something holds; no longer than the limit."""
    limit = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < limit, f"not within {limit_s} s"
        time.sleep(0.03)


@dataclass
class Peak:
    """The most memory that any one child had, in MB."""

    mb: float = 0.0


def most_memory_mb(pid: int) -> float:
    """The most memory a process has had so far, in MB (VmHWM, see proc(5)); 0 once it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


@contextmanager
def watched_memory() -> Iterator[Peak]:
    """Watch the memory of every process that descends from this one, until the block ends."""
    peak, over, own = Peak(), threading.Event(), psutil.Process()

    def watch() -> None:
        while not over.wait(0.2):  # what a process has had at most is remembered for it
            for child in own.children(recursive=True):
                peak.mb = max(peak.mb, most_memory_mb(child.pid))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


@contextmanager
def answered_by(handler: type[BaseHTTPRequestHandler], host: str = "127.0.0.1") -> Iterator[str]:
    """Serve until the block ends, in this process, and write no log; the base URL."""
    quiet = type("Quiet", (handler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer((host, 0), quiet) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://{host}:{server.server_port}"
        finally:
            server.shutdown()
