"""The rate at which the provider stage verifies interactions, beside the `pact verifier` binary's on the same pact."""

from __future__ import annotations

import functools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from harness.contracts.stage import ProviderStage
from harness.evidence import Status
from harness.system.config import load_project
from harness.system.ports import free_port
from harness.system.readiness import wait_until
from tests.helpers import make_context

INTERACTIONS = 1000
ROUNDS = 3
AT_LEAST = 1.7
# Answers in a millisecond, from one process that does nothing else.
PROVIDER = """
import asyncio, json, os

async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            await asyncio.sleep(0.001)
            path = head.split(b" ", 2)[1].decode()
            known = path.startswith("/orders/")
            body = json.dumps({"id": path.rpartition("/")[2], "total": 100} if known else {}).encode()
            status = b"200 OK" if known else b"404 Not Found"
            kind = b"\\r\\nContent-Type: application/json\\r\\nContent-Length: "
            writer.write(b"HTTP/1.1 " + status + kind + str(len(body)).encode() + b"\\r\\n\\r\\n" + body)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"])) as server:
        await server.serve_forever()

asyncio.run(main())
"""
TOML = """
[system]
name = "fast"
[services.web]
url = "http://127.0.0.1:1"
[services.web.uses.orders]
[services.orders]
command = ["python", "orders.py"]
"""


def interaction(number: int) -> dict[str, Any]:
    content = {"id": str(number), "total": 100}
    return {
        "type": "Synchronous/HTTP",
        "description": f"order {number}",
        "pending": False,
        "request": {"method": "GET", "path": f"/orders/{number}"},
        "response": {
            "status": 200,
            "body": {"content": content, "contentType": "application/json", "encoded": False},
            "matchingRules": {"body": {"$.total": {"combinator": "AND", "matchers": [{"match": "integer"}]}}},
        },
    }


@pytest.fixture
def system(tmp_path: Path) -> Iterator[tuple[Path, Path, int]]:
    """Folder of the system, its pact, and the port of a provider for the binary."""
    (tmp_path / "orders.py").write_text(PROVIDER)
    (tmp_path / "harness.toml").write_text(TOML)
    pacts = tmp_path / "contracts" / "pacts"
    pacts.mkdir(parents=True)
    raw = {
        "consumer": {"name": "web"},
        "provider": {"name": "orders"},
        "interactions": [interaction(n) for n in range(INTERACTIONS)],
        "metadata": {"pactSpecification": {"version": "4.0"}},
    }
    file = pacts / "web-orders.json"
    file.write_text(json.dumps(raw))
    port = free_port()
    provider = subprocess.Popen([sys.executable, tmp_path / "orders.py"], env=dict(os.environ, PORT=str(port)))
    try:
        assert not anyio.run(functools.partial(wait_until, f"http://127.0.0.1:{port}", "", limit_s=10.0))
        yield tmp_path, file, port
    finally:
        provider.kill()
        provider.wait(10)


def by_the_stage(root: Path) -> float:
    """Seconds for the whole stage: starting and stopping the provider and the judgement are in it."""
    context = make_context(load_project(root / "harness.toml"), ProviderStage(), [])
    begun = time.perf_counter()
    result = anyio.run(ProviderStage().run, context)
    taken = time.perf_counter() - begun
    assert result.status is Status.PASS, result
    assert result.work["interactions"] == INTERACTIONS
    return taken


def by_the_binary(pact: Path, port: int) -> float:
    """Seconds for `pact verifier` against a provider that runs already."""
    argv = ["pact", "verifier", "--file", str(pact), "--provider-name", "orders", "--port", str(port)]
    env = dict(os.environ, PACT_DO_NOT_TRACK="true")
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    begun = time.perf_counter()
    subprocess.run([*argv, "--hostname", "127.0.0.1"], env=env, check=True, stdout=subprocess.DEVNULL, timeout=120)
    return time.perf_counter() - begun


def test_the_stage_verifies_faster_than_the_binary(system: tuple[Path, Path, int]) -> None:
    root, pact, port = system
    runs = [(by_the_binary(pact, port), by_the_stage(root)) for _ in range(ROUNDS)]

    binary, ours = (statistics.median(INTERACTIONS / r[side] for r in runs) for side in (0, 1))
    ratio = statistics.median(b / o for b, o in runs)
    print(f"\nprovider stage: {ours:.0f} interactions/s, pact verifier {binary:.0f}/s: {ratio:.2f} times")

    assert ratio >= AT_LEAST
