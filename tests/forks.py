"""Runs `python -m MODULE` in forks of a process that has imported what it needs: importing is most of what a short command costs.

A fork is a process of its own, with its own streams, folder, environment and exit code. What a test says about how a process
starts, or how its streams are opened, takes a process that is really started.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[1]
#: What a command imports as soon as it has work to do.
IMPORTED = {
    "harness": (
        *("harness.cli.baseline", "harness.cli.compare", "harness.cli.diff", "harness.cli.doctor", "harness.cli.init"),
        *("harness.cli.plan", "harness.cli.report", "harness.cli.run", "harness.cli.usage", "harness.starter.write"),
        *(f"harness.{room}.stage" for room in ("chaos", "contracts", "fuzz", "load", "synthetic")),
        *("harness.evidence.history", "harness.pipeline.run", "harness.report.html"),
        *("anyio._backends._asyncio", "jinja2", "junitparser", "rich.table", "sqlalchemy.dialects.sqlite", "sqlite3"),
    ),
    # None of its plugins: it wants to see them before they are imported.
    "pytest": (
        *("pytest", "_pytest.junitxml", "_pytest.pastebin", "_pytest.unittest", "execnet", "pdb"),
        *("harness.system.runtime", "harness.testing.publishing", "harness.testing.replay.search"),
        *("anyio._backends._asyncio", "httpcore._sync", "httpx", "hypothesis", "pact.pact", "pact_ffi.ffi"),
    ),
}


def run_module(
    module: str, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run `python -m MODULE ARGUMENTS` in a fork, as `subprocess.run` would run it.

    Raises:
        subprocess.TimeoutExpired: when it did not end within `timeout` seconds; it is killed.
    """
    command = [module, *arguments]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = _server(module).run({"command": command, "cwd": str(cwd), "env": dict(env)}, out, err, timeout)
        return subprocess.CompletedProcess(command, code, _text(out), _text(err))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


class _Server:
    """The process that forks; it ends when its control socket does."""

    def __init__(self, module: str) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "tests.forks", module, str(theirs.fileno())]
            self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()])

    def run(self, request: Mapping[str, object], out: IO[bytes], err: IO[bytes], timeout: float) -> int:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                socket.send_fds(self._control, [b"."], [theirs.fileno(), out.fileno(), err.fileno()])
            ours.sendall(json.dumps(request).encode())
            ours.shutdown(socket.SHUT_WR)
            with ours.makefile("r") as answers:
                pid = int(answers.readline())
                ours.settimeout(timeout)
                try:
                    return int(answers.readline())
                except TimeoutError:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(str(request["command"]), timeout) from None

    def close(self) -> None:
        self._control.close()
        self._process.wait()


@cache
def _server(module: str) -> _Server:
    server = _Server(module)
    atexit.register(server.close)
    return server


@dataclass(frozen=True)
class _Request:
    command: list[str]
    cwd: str
    env: dict[str, str]


def _serve(module: str, control: socket.socket) -> _Request | None:
    """Body of the server; returns in the forks, with what one was asked for, and with nothing at the end of the server."""
    for name in IMPORTED[module]:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    while True:
        _, sent, *_ = socket.recv_fds(control, 1, 3)
        if not sent:
            return None
        if os.fork() == 0:
            control.close()
            return _attend(socket.socket(fileno=sent[0]), *sent[1:])
        for number in sent:
            os.close(number)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _attend(caller: socket.socket, out: int, err: int) -> _Request:
    """Fork what was asked for, and tell the caller how it ended; returns in that fork only."""
    with caller.makefile("r") as asked:
        request = _Request(**json.load(asked))
    process = os.fork()
    if process:
        with suppress(BrokenPipeError):  # a caller that waits no longer
            caller.sendall(f"{process}\n".encode())
            _, status = os.waitpid(process, 0)
            caller.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    caller.close()
    for number, stream in ((out, 1), (err, 2)):
        os.dup2(number, stream)
        os.close(number)
    return request


def _named_paths() -> list[str]:
    return [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]


def _become(request: _Request, paths: Sequence[str]) -> None:
    """Be `python -m MODULE` from here on; `paths` are those of the interpreter itself."""
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.env)
    sys.path[:] = [request.cwd, *_named_paths(), *paths]
    sys.argv = request.command
    tempfile.tempdir = None  # the server's own, from its own environment
    runpy.run_module(request.command[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    paths = sys.path[1 + len(_named_paths()) :]
    asked = _serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
    if asked:
        _become(asked, paths)
