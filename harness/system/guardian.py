"""A small process that outlives the harness by a moment and clears up after it, also after SIGKILL.

Every process of a run inherits the environment variable `HARNESS_RUN_TOKEN`. The guardian reads its standard input; when
that ends, the harness is gone, however it went: the guardian sends the registered clean-up requests (proxies in a
Toxiproxy server we do not own), kills every process that carries the token, and removes the private folders that nobody
holds any more (see `scratch`).
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from harness.system.scratch import sweep

__all__ = ["STAGE_VARIABLE", "TOKEN_VARIABLE", "Guardian", "kill_marked"]

TOKEN_VARIABLE = "HARNESS_RUN_TOKEN"
STAGE_VARIABLE = "HARNESS_STAGE_TOKEN"
_CLOSE_LIMIT_S = 10.0


class Guardian:
    """Starts the guardian process; use it as a context manager around everything that starts processes.

    Args:
        owns_processes: whether to mark this process's children with a new token and kill what carries it at the end.
            A guardian inside a stage only lifts faults: processes are the run's own guardian's.
        marks_all: whether every child is marked from now on; else only those started inside `marking`, for a process that
            is not ours alone and has children of its own.
    """

    def __init__(self, *, owns_processes: bool = True, marks_all: bool = True) -> None:
        self._token = secrets.token_hex(8) if owns_processes else ""
        self._marks_all = marks_all and owns_processes
        self._before: str | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Guardian:
        env = {k: v for k, v in os.environ.items() if k != TOKEN_VARIABLE}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", "from harness.system.guardian import watch; watch()", self._token],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=env,
            start_new_session=True,
        )
        if self._marks_all:
            self._before = os.environ.get(TOKEN_VARIABLE)
            os.environ[TOKEN_VARIABLE] = self._token
        return self

    @contextmanager
    def marking(self) -> Iterator[None]:
        """Mark the children started within the block; they are gone when this process is."""
        before = os.environ.get(TOKEN_VARIABLE)
        os.environ[TOKEN_VARIABLE] = self._token
        try:
            yield
        finally:
            _restore(before)

    def __exit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        if self._marks_all:
            _restore(self._before)
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_CLOSE_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def token(self) -> str:
        """What every process of this run carries in `HARNESS_RUN_TOKEN`; empty when it owns none."""
        return self._token

    def on_death_delete(self, url: str) -> None:
        """Have `DELETE url` sent when this process is gone, whether it ended well or not."""
        self._tell({"method": "DELETE", "url": url})

    def on_death_post(self, url: str) -> None:
        """Have `POST url` (no body) sent when this process is gone."""
        self._tell({"method": "POST", "url": url})

    def _tell(self, message: dict[str, str]) -> None:
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("the guardian is not running")
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()


def _restore(before: str | None) -> None:
    if before is None:
        os.environ.pop(TOKEN_VARIABLE, None)
    else:
        os.environ[TOKEN_VARIABLE] = before


def watch() -> None:
    """Body of the guardian process: wait for the end of standard input, then clear up."""
    token = sys.argv[1] if len(sys.argv) > 1 else ""
    requests: list[dict[str, str]] = []
    for line in sys.stdin.buffer:
        with suppress(ValueError):
            requests.append(json.loads(line))
    for request in requests:
        _send(request)
    if token:
        kill_marked(token)
        sweep()


def _send(request: dict[str, str]) -> None:
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(request["url"])
    with suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=2)
        connection.request(request["method"], parts.path)
        connection.getresponse().read(65536)  # what it says does not matter, only that it was heard
        connection.close()


def kill_marked(token: str, variable: str = TOKEN_VARIABLE, rounds: int = 20) -> int:
    """Kill every process whose environment has `variable` set to `token`; again until a look finds none.

    Returns:
        How many were killed.
    """
    import time

    import psutil

    killed = 0
    for _ in range(rounds):
        found = [p for p in psutil.process_iter() if p.pid != os.getpid() and _carries(p, variable, token)]
        if not found:
            break
        for process in found:
            with suppress(psutil.Error):
                process.kill()
                killed += 1
        time.sleep(0.02)
    return killed


def _carries(process: object, variable: str, token: str) -> bool:
    import psutil

    assert isinstance(process, psutil.Process)
    try:
        return process.environ().get(variable) == token and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False
