"""Services of the record shop behind real sockets: each in a thread of this process, with a database of its own."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp

from target_system.kit.settings import Settings

START_LIMIT = 20.0  # seconds


class Serve(Protocol):
    """Starts a service and returns a client of it; everything is stopped when the test ends."""

    def __call__(self, name: str, build: Callable[[Settings], ASGIApp], /, **environment: str) -> httpx.Client: ...


def _start(app: ASGIApp) -> tuple[uvicorn.Server, threading.Thread, str]:
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="error", access_log=False, timeout_graceful_shutdown=1, ws="none"
    )
    listener = config.bind_socket()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    give_up = time.monotonic() + START_LIMIT
    while not server.started:
        if not thread.is_alive() or time.monotonic() > give_up:
            raise RuntimeError(f"the service did not start within {START_LIMIT:g} s, or ended at once; see its log")
        time.sleep(0.005)
    return server, thread, f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Return a function that starts services; `DATABASE_URL` may be given to let two share one database."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []
    clients: list[httpx.Client] = []

    def start(name: str, build: Callable[[Settings], ASGIApp], /, **environment: str) -> httpx.Client:
        database = f"sqlite+aiosqlite:///{tmp_path / f'{name}.db'}"
        surroundings = {"DATABASE_URL": database, "PROFILE": "test", **environment}
        server, thread, url = _start(build(Settings.read(name, surroundings)))
        running.append((server, thread))
        clients.append(httpx.Client(base_url=url, trust_env=False, timeout=10))
        return clients[-1]

    yield start
    for client in clients:
        client.close()
    for server, _ in running:
        server.should_exit = True
    for _, thread in running:
        thread.join(10)
