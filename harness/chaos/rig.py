"""The system with a proxy on every edge between its services: faults go in and come out here, and traffic is counted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from harness.chaos.client import InvalidToxic, NotFound, ServerProxy
from harness.chaos.experiments import REFUSED, Experiment, Injection
from harness.chaos.processes import Note, ProcessFaults
from harness.chaos.toxiproxy import ToxiproxyServer
from harness.errors import UsageError
from harness.system.guardian import Guardian
from harness.system.machine import Added, Machine
from harness.system.model import Edge, EdgeKind, RuntimeKind, System
from harness.system.runtime import ProcessRuntime

__all__ = ["Rig", "proxied_edges", "refuse_where_uninvited"]

_COUNTER = re.compile(r"^toxiproxy_proxy_received_bytes_total\{(.*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def proxied_edges(system: System) -> tuple[Edge, ...]:
    """Edges a proxy can be put on: between two services, where the caller is started here and told by a variable."""
    return tuple(
        e for e in system.service_edges() if e.env and e.caller in system.services and system.services[e.caller].command
    )


def refuse_where_uninvited(system: System) -> None:
    """Make sure that faults may be injected into this system at all.

    Raises:
        UsageError: when it is production, or when nothing of it is started here.
    """
    if system.runtime.production:
        raise UsageError(
            "the system is marked production = true; faults are never injected there. Only synthetic checks run."
        )
    if system.runtime.kind is RuntimeKind.EXTERNAL:
        raise UsageError(
            'chaos puts proxies between services it starts itself; with runtime.kind = "external" it cannot. '
            "Use the process runtime for faults, or switch the stage off with a reason."
        )


@dataclass(slots=True)
class Rig:
    """Proxies on the edges of a runtime that has not been started yet.

    Args:
        prefix: put before the names of proxies in a server that is not ours alone.
    """

    server: ToxiproxyServer
    runtime: ProcessRuntime
    guardian: Guardian
    prefix: str = ""
    processes: ProcessFaults = field(init=False)
    _proxies: dict[str, ServerProxy] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.processes = ProcessFaults(self.runtime)

    async def wire(self, edges: Iterable[Edge]) -> None:
        """Create a proxy for each edge and point the edge at it.

        Raises:
            UsageError: when a callee is neither on loopback nor allowed.
        """
        for edge in edges:
            target = urlsplit(self.runtime.addresses[edge.callee])
            if not self.runtime.system.runtime.invites(target.geturl()):
                raise UsageError(
                    f"{edge.callee} is at {target.geturl()}, which is not on loopback; faults on {edge.name} are refused. "
                    f"Allow its host in harness.toml: runtime.allow_targets = [{target.hostname!r}]"
                )
            if target.scheme == "https":
                continue
            where = f"{target.hostname}:{target.port or 80}"
            await self.stand_before(edge, where, partial(_url, target.path))

    async def stand_before(self, edge: Edge, upstream: str, told: Callable[[str], str]) -> None:
        """Create a proxy for what is at the other end of an edge, and point the edge at it.

        Args:
            upstream: `host:port`.
            told: makes what the caller is told of the proxy's `host:port`.
        """
        proxy = await anyio.to_thread.run_sync(self.server.create, f"{self.prefix}{edge.key}", upstream, self.guardian)
        self._proxies[edge.key] = proxy
        self.runtime.wire(edge.key, told(self.server.address_of(proxy)))

    def proxy(self, edge: Edge) -> ServerProxy | None:
        """The proxy on the edge; None when there is none."""
        return self._proxies.get(edge.key)

    def has(self, edge: Edge) -> bool:
        """Whether there is a proxy on the edge."""
        return edge.key in self._proxies

    def names(self) -> Mapping[str, str]:
        """The edges' keys by the names of their proxies; those of edges between services, whose calls can be told apart."""
        stores = {e.key for e in self.runtime.system.edges if e.kind is EdgeKind.RESOURCE}
        return {proxy.name: key for key, proxy in self._proxies.items() if key not in stores}

    def added(self, machine: Machine, *others: int) -> Added:
        """What the machine adds to what goes on in this copy of the system.

        Args:
            others: processes that have to do with it as well, such as who walks its journeys; each leads its session.
        """
        proxies = [self.server.pid] if self.server.pid else []

        def added(start: float, end: float, *services: str) -> float:
            pids = self.runtime.pids()
            asked = [pids[s] for s in services or pids if s in pids]
            return machine.added_s(start, end, {*asked, *proxies, *(() if services else others)})

        return added

    async def inject(self, experiment: Experiment, note: Note) -> None:
        """Put the experiment's faults in, those of edges first.

        Raises:
            UsageError: when the server does not know such a fault.
            StartError: when a service that is restarted does not come back.
        """
        for edge in experiment.edges:
            own = [f for f in experiment.faults if experiment.edge_of(f).key == edge.key]
            await self.put(edge, own, experiment.name, experiment.file)
        for fault in experiment.processes:
            await self.processes.inject(fault, note)

    async def lift(self, experiment: Experiment, note: Note) -> None:
        """Take the experiment's faults out, whichever of them are in; one that cannot be keeps no other in.

        Raises:
            StartError: when a service that was stopped does not start again.
        """
        try:
            await self.clear(*experiment.edges)
        finally:
            await self.processes.lift(note)

    async def put(self, edge: Edge, faults: Iterable[Injection], name: str, where: str = "") -> None:
        """Put faults on an edge.

        Args:
            name: what the toxics are called, with a number behind.
            where: the file that asks for them.

        Raises:
            UsageError: when the server does not know such a fault.
        """
        proxy = self._proxies[edge.key]
        for number, fault in enumerate(faults):
            if fault.type == REFUSED:
                await anyio.to_thread.run_sync(proxy.disable)
                continue
            toxic: dict[str, object] = {
                "name": f"{name}-{number}",
                "type": fault.type,
                "stream": fault.stream,
                "toxicity": fault.toxicity,
                "attributes": dict(fault.attributes),
            }
            try:
                await anyio.to_thread.run_sync(partial(proxy.add_toxic, **toxic))
            except InvalidToxic as error:
                # Faults are checked before, so it is the server that does not know it.
                raise UsageError(
                    f"{where or name}: {self.server.name} does not take the fault {fault.type}: {error}. Faults above TCP "
                    f"(http_…) need the built-in server: unset TOXIPROXY_URL, or take toxiproxy-server off PATH."
                ) from None

    async def clear(self, *edges: Edge) -> None:
        """Take every fault on these edges out; one that cannot be keeps no other in."""
        problem: Exception | None = None
        for edge in edges:
            try:
                await anyio.to_thread.run_sync(_clear, self._proxies[edge.key])
            except Exception as error:  # the rest has to be lifted first
                problem = problem or error
        if problem is not None:
            raise problem

    async def close(self) -> None:
        """Delete the proxies from a server that lives on without us."""
        if self.server.ours:
            return

        def delete() -> None:
            for proxy in self._proxies.values():
                try:
                    proxy.destroy()
                except NotFound:
                    continue

        await anyio.to_thread.run_sync(delete)

    async def bytes_through(self, edge: Edge, *, settle: bool = False) -> int | None:
        """Bytes that came into the edge's proxy so far, both directions; None when the server does not count.

        Args:
            settle: make a server count that only does so when connections close; breaks the edge's connections off.
        """
        proxy = self._proxies[edge.key]

        def read() -> int | None:
            if settle and not self.server.live_counters:
                proxy.disable()
                proxy.enable()
            text = self.server.client.metrics()
            return _received(text).get(proxy.name, 0) if text else None

        return await anyio.to_thread.run_sync(read)


def _url(path: str, address: str) -> str:
    return f"http://{address}{path}"


def _clear(proxy: ServerProxy) -> None:
    for name in proxy.toxics():
        proxy.destroy_toxic(name)
    proxy.enable()


def _received(text: str) -> Mapping[str, int]:
    totals: dict[str, int] = {}
    for labels, value in _COUNTER.findall(text):
        name = dict(_LABEL.findall(labels)).get("proxy", "")
        totals[name] = totals.get(name, 0) + int(float(value))
    return totals
