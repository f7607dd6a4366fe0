"""Toxiproxy servers to test against: the built-in one, and the original where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.chaos.client import Server, ServerProxy
from harness.system.ports import free_port
from tests.chaos.sockets import Handler, upstream


@dataclass(frozen=True)
class Running:
    """A server under test."""

    kind: str
    url: str
    client: Server
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    @property
    def ours(self) -> bool:
        return self.kind == "built-in"


def original() -> str | None:
    """The original server's binary, where there is one."""
    return os.environ.get("TOXIPROXY_SERVER") or shutil.which("toxiproxy-server")


@contextmanager
def started(kind: str | tuple[str, ...], *flags: str) -> Iterator[Running]:
    """Start a server and end it afterwards; `kind` may be what Python is to run in the place of the built-in one."""
    if kind == "original":
        binary = original()
        if binary is None:
            pytest.skip("the original server is not here: no toxiproxy-server on PATH, TOXIPROXY_SERVER not set")
        argv = [binary]
    else:
        run = ("-m", "harness.chaos.server") if isinstance(kind, str) else kind
        argv = [sys.executable, *run]
    port = free_port()
    process = subprocess.Popen(
        [*argv, "-host", "127.0.0.1", "-port", str(port), *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path.cwd(),
    )
    client = Server(f"http://127.0.0.1:{port}")
    try:
        limit = time.monotonic() + 30
        while not client.running():
            assert process.poll() is None, "the server ended at start"
            assert time.monotonic() < limit, "the server did not start within 30 s"
            time.sleep(0.02)
        yield Running(str(kind), client.url, client, process)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module", params=["built-in", "original"])
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    """Each server in turn."""
    with started(request.param, "-proxy-metrics", "-seed", "7") as running:
        yield running


@pytest.fixture(scope="module")
def built_in() -> Iterator[Running]:
    """The built-in server."""
    with started("built-in", "-proxy-metrics", "-runtime-metrics", "-seed", "7") as running:
        yield running


@pytest.fixture
def proxy(server: Running) -> Iterator[Callable[[str], ServerProxy]]:
    """Makes proxies, deleted afterwards."""
    made: list[ServerProxy] = []

    def make(target: str) -> ServerProxy:
        made.append(server.client.create(target, f"p-{uuid.uuid4().hex}"))
        return made[-1]

    yield make
    for one in made:
        server.client.destroy(one)


@pytest.fixture
def to(built_in: Running) -> Iterator[Callable[[Handler], ServerProxy]]:
    """Makes a proxy of the built-in server to a callee; both go afterwards, and calls are no longer recorded."""
    with ExitStack() as stack:
        stack.callback(built_in.client.record_calls, False)

        def make(handler: Handler) -> ServerProxy:
            target = stack.enter_context(upstream(handler))
            proxy = built_in.client.create(target, f"p-{uuid.uuid4().hex}")
            stack.callback(built_in.client.destroy, proxy)
            return proxy

        yield make
