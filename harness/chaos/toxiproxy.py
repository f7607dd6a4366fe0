"""Finds or starts the Toxiproxy server a stage uses: `TOXIPROXY_URL`, a `toxiproxy-server` on PATH, or the built-in one."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import anyio
import anyio.to_thread

from harness.chaos.client import Server, ServerProxy
from harness.errors import InfrastructureError, UsageError
from harness.system.children import child_environment, end_group, log_tail, start_child
from harness.system.guardian import Guardian
from harness.system.model import RuntimeSettings
from harness.system.ports import free_port

__all__ = ["ToxiproxyServer", "toxiproxy_server"]

_START_LIMIT_S = 15.0


@dataclass(frozen=True, slots=True)
class ToxiproxyServer:
    """A server ready to be used.

    Args:
        name: what it is, for people.
        ours: whether it was started here and ends with us; in a foreign one faults must be lifted by hand.
        live_counters: whether its byte counters move while a connection is open (the original's move when it closes).
        pid: its process, where it was started here.
    """

    name: str
    client: Server
    ours: bool
    live_counters: bool
    pid: int | None = None

    def create(self, name: str, upstream: str, guardian: Guardian) -> ServerProxy:
        """Create a proxy that will be gone when we are, however that comes about.

        Args:
            upstream: `host:port`.
        """
        if not self.ours:
            # Told before it exists: whatever happens next, it will be deleted.
            guardian.on_death_delete(f"{self.client.url}/proxies/{quote(name, safe='')}")
        return self.client.create(upstream, name)

    def address_of(self, proxy: ServerProxy) -> str:
        """Where a proxy of this server is reached from here: `host:port`."""
        return f"{urlsplit(self.client.url).hostname}:{proxy.listen.rpartition(':')[2]}"


@asynccontextmanager
async def toxiproxy_server(
    *,
    seed: int,
    log: Path,
    allow_targets: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
    builtin: bool = False,
) -> AsyncIterator[ToxiproxyServer]:
    """Give the server to use, and end it afterwards when it was started here.

    Args:
        seed: decides every draw of the built-in server.
        log: its output goes there.
        allow_targets: host names beyond loopback a foreign server may be on.
        env: environment to look at; the process's own by default.
        builtin: the built-in server, whatever there is besides: for what no other can do.

    Raises:
        UsageError: when `TOXIPROXY_URL` is not usable.
        InfrastructureError: when no server can be started.
    """
    env = os.environ if env is None else env
    url = env.get("TOXIPROXY_URL", "").rstrip("/")
    if url and not builtin:
        yield await _foreign(url, allow_targets)
        return
    path = env.get("PATH", child_environment()["PATH"])
    binary = None if builtin else shutil.which("toxiproxy-server", path=path)
    port = str(free_port())
    flags = ["-host", "127.0.0.1", "-port", port, "-seed", str(seed), "-proxy-metrics"]
    argv = [binary, *flags] if binary else [sys.executable, "-m", "harness.chaos.server", *flags]
    process = await start_child(argv, cwd=Path.cwd(), log=log)
    try:
        client = Server(f"http://127.0.0.1:{port}")
        await _wait(client, process, log)
        version = await anyio.to_thread.run_sync(client.version)
        name = f"{binary} ({version})" if binary else f"built-in server (as Toxiproxy {version})"
        yield ToxiproxyServer(name, client, ours=True, live_counters=not binary, pid=process.pid)
    finally:
        with anyio.CancelScope(shield=True):
            await end_group(process, grace_s=1.0)


async def _foreign(url: str, allow_targets: tuple[str, ...]) -> ToxiproxyServer:
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"TOXIPROXY_URL is {url!r}; it must be a URL such as http://127.0.0.1:8474")
    if not RuntimeSettings(allow_targets=allow_targets).invites(url):
        raise UsageError(
            f"TOXIPROXY_URL is {url}, which is not on loopback; "
            f"allow its host in harness.toml: runtime.allow_targets = [{urlsplit(url).hostname!r}]"
        )
    client = Server(url)
    if not await anyio.to_thread.run_sync(client.running):
        raise UsageError(
            f"TOXIPROXY_URL is {url}, but no Toxiproxy server answers there. "
            f"Start one, or unset the variable to use the built-in server."
        )
    version = await anyio.to_thread.run_sync(client.version)
    return ToxiproxyServer(f"{url} ({version})", client, ours=False, live_counters=False)


async def _wait(client: Server, process: anyio.abc.Process, log: Path) -> None:
    with anyio.move_on_after(_START_LIMIT_S):
        while process.returncode is None:
            if await anyio.to_thread.run_sync(client.running):
                return
            await anyio.sleep(0.03)
    raise InfrastructureError(f"the Toxiproxy server did not start within {_START_LIMIT_S:g} s:\n{log_tail(log)}")
