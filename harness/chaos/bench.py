"""The system of a project, or anything else, behind proxies for the length of a test session; started when first asked for.

Blocking calls, for tests: what waits runs in a thread of its own. The faults themselves are in `toxics`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from anyio.from_thread import BlockingPortal, start_blocking_portal

from harness.chaos.client import ServerProxy
from harness.chaos.rig import Rig, proxied_edges, refuse_where_uninvited
from harness.chaos.toxiproxy import ToxiproxyServer, toxiproxy_server
from harness.errors import HarnessError, StartError, UsageError
from harness.system.children import is_ending, log_tail
from harness.system.config import Project
from harness.system.guardian import Guardian
from harness.system.model import RuntimeSettings
from harness.system.runtime import ProcessRuntime

__all__ = ["Bench"]

#: A service on its way out is given this long to be gone, in seconds.
_END_S = 2.0


class Bench:
    """A Toxiproxy server, and a system behind it; use it as a context manager.

    Args:
        project: the system; None when there is none, and only proxies before given addresses are wanted.
        directory: logs and data go here.
        seed: decides every draw of the built-in server.
        env: environment to look for a Toxiproxy server in; the process's own by default.
    """

    def __init__(
        self, project: Project | None, *, directory: Path, seed: int = 1, env: Mapping[str, str] | None = None
    ) -> None:
        self.project, self.directory = project, directory
        self._seed, self._env = seed, env
        self._ending = ExitStack()
        self._portal: BlockingPortal | None = None
        self._guardian = Guardian(marks_all=False)
        self._server: ToxiproxyServer | None = None
        self._rig: Rig | None = None
        self._failed: HarnessError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Take everything down; safe to call twice."""
        self._ending.close()
        self._portal = self._server = self._rig = None

    @property
    def server(self) -> ToxiproxyServer:
        """The Toxiproxy server.

        Raises:
            UsageError: when faults are not invited, or `TOXIPROXY_URL` is not usable.
            InfrastructureError: when no server can be started.
        """
        if self._server is None:
            if self.project is not None and self.project.system.runtime.production:
                refuse_where_uninvited(self.project.system)
            self.directory.mkdir(parents=True, exist_ok=True)
            self._ending.enter_context(self._guardian)
            self._portal = self._ending.enter_context(start_blocking_portal())
            starting = toxiproxy_server(
                seed=self._seed, log=self.directory / "toxiproxy.log", allow_targets=self._allowed(), env=self._env
            )
            with self._guardian.marking():
                self._server = self._ending.enter_context(self._portal.wrap_async_context_manager(starting))
        return self._server

    @property
    def rig(self) -> Rig:
        """The running system with a proxy on every edge between services it is started with.

        Raises:
            UsageError: when there is no system, or faults are not invited.
            StartError: when a service does not start; the same again whenever it is asked for.
        """
        if self._failed is not None:
            raise self._failed
        if self._rig is None:
            try:
                self._rig = self._bring_up()
            except HarnessError as error:
                self._failed = error
                raise
        return self._rig

    def _bring_up(self) -> Rig:
        if self.project is None:
            raise UsageError(
                "there is no harness.toml that describes a system; write one (`harness init`), name one with "
                "--harness-config, or put a proxy before an address: toxics.proxy(upstream=...)"
            )
        system = self.project.system
        refuse_where_uninvited(system)
        server = self.server
        runtime = ProcessRuntime(system, root=self.project.root, directory=self.directory / "system")
        rig = Rig(server, runtime, self._guardian, self.prefix)
        portal = self._running_portal()
        self._ending.callback(portal.call, rig.close)
        portal.call(rig.wire, proxied_edges(system))
        with self._guardian.marking():
            self._ending.enter_context(portal.wrap_async_context_manager(runtime.running()))
        return rig

    @property
    def prefix(self) -> str:
        """Put before names of proxies: in a server that is not ours alone it keeps them apart from other people's."""
        return "" if self.server.ours else f"harness-{secrets.token_hex(4)}-"

    def create(self, upstream: str, name: str) -> ServerProxy:
        """Put a proxy before an address.

        Args:
            upstream: `host:port`.

        Raises:
            UsageError: when it is neither on loopback nor allowed.
        """
        host = upstream.rpartition(":")[0]
        if not RuntimeSettings(allow_targets=self._allowed()).invites(f"//{upstream}"):
            raise UsageError(
                f"{upstream} is not on loopback, so faults before it are refused; "
                f"allow its host in harness.toml: runtime.allow_targets = [{host!r}]"
            )
        return self.server.create(f"{self.prefix}{name}", upstream, self._guardian)

    def revive(self) -> dict[str, str]:
        """Start again what has died.

        Returns:
            The last lines of each one's log, by service.
        """
        if self._rig is None:
            return {}
        runtime = self._rig.runtime
        _await_ends(runtime)
        dead = {name: log_tail(runtime.logs[name]) for name in runtime.died()}
        for name in dead:
            try:
                with self._guardian.marking():
                    self._running_portal().call(runtime.restart, name)
            except StartError as error:
                self._failed = error
        return dead

    def _running_portal(self) -> BlockingPortal:
        assert self._portal is not None
        return self._portal

    def _allowed(self) -> tuple[str, ...]:
        return self.project.system.runtime.allow_targets if self.project is not None else ()


def _await_ends(runtime: ProcessRuntime) -> None:
    """Wait until those that are about to end have: a caller notices before it is known here."""
    limit = time.monotonic() + _END_S
    while time.monotonic() < limit:
        known = runtime.died()
        if not any(is_ending(pid) for name, pid in runtime.pids().items() if name not in known):
            return
        time.sleep(0.01)
