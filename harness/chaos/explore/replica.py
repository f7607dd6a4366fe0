"""One copy of the system behind proxies, with a walker and the log of calls at its edges; tries and judges nothing."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from harness.chaos.client import Call, NotFound
from harness.chaos.experiments import INVARIANTS_FILE
from harness.chaos.explore.declared import Documents
from harness.chaos.explore.fallbacks import Fallback, fallbacks
from harness.chaos.explore.observation import Baseline, Cell, Observation
from harness.chaos.explore.stores.outage import wire_stores
from harness.chaos.explore.windows import Window, windows
from harness.chaos.rig import Rig, proxied_edges
from harness.errors import UsageError
from harness.system.drive import Sample
from harness.system.machine import Added, Machine, nothing_added
from harness.system.model import Edge, EdgeKind, OnFailure, Service, System
from harness.system.readiness import probe
from harness.system.walker import Known, Walker, walker

__all__ = ["Replica", "replica"]

Seen = TypeVar("Seen", bound=Observation)

_POLL_S = 0.05
#: How long it is waited for calls that are made after a walk has ended (events from an outbox), in seconds.
_LATE_S = 6.0
#: How long events of a walk are waited for while all is well, in seconds.
_EVENTS_S = 0.6


@dataclass(slots=True)
class Replica:
    """A running copy; made by `replica`.

    Args:
        journeys: the project's journeys file.
        invariants: its invariants file; None when there is none.
        documents: what the services declare.
        added: what the machine added between two moments.
        baselines: how each journey goes when all is well; those that do not go well are missing.
        failing: a walk of each journey that does not go well although nothing fails.
        ordinary: answers no document declares that are given although nothing fails: service, method and status.
        asked: what is asked for over each edge although nothing fails: the edge's key and the operation.
        untraced: keys of edges that were used while journeys were walked, by calls without the journeys' trace.
    """

    system: System
    rig: Rig
    walker: Walker
    journeys: Path
    invariants: Path | None
    seed: int
    documents: Documents
    added: Added = nothing_added
    baselines: dict[str, Baseline] = field(default_factory=dict)
    _marked: int = 0
    failing: dict[str, Sample] = field(default_factory=dict)
    untraced: frozenset[str] = frozenset()
    ordinary: frozenset[tuple[str, str, int]] = frozenset()
    asked: frozenset[tuple[str, str]] = frozenset()
    _walked: Counter[tuple[str, str]] = field(default_factory=Counter)

    def observation(self, kind: type[Seen], cell: Cell) -> Seen:
        """What is to be filled when a cell is tried here."""
        beside = self.baselines.get(cell.sibling)
        return kind(cell, self.baselines[cell.journey], sibling_baseline=beside, added=self.added)

    async def walk(self, journey: str, what: str, times: int = 1, timeout_s: float = 10.0) -> list[Sample]:
        """Walk a journey, all times at once.

        Args:
            what: what for; with the seed it decides the data of these walks, and the traces they are known by. When it is
                for the same once more both are others: what was left of the first walks may still be under way.
        """
        self._walked[journey, what] += 1
        again = f":{self._walked[journey, what]}" if self._walked[journey, what] > 1 else ""
        draws = random.Random(f"{self.seed}:{journey}:{what}{again}")
        seeds = [draws.getrandbits(63) for _ in range(times)]
        return await self.walker.walk(self.journeys, journey, seeds, timeout_s=timeout_s)

    async def broken_invariants(self, within_s: float) -> list[Sample]:
        """Walk the invariants until all hold; those that do not in time."""
        if self.invariants is None:
            return []
        limit = time.monotonic() + within_s
        names = [k.name for k in await self.walker.known(self.invariants)]
        while True:
            walked = [s for n in names for s in await self.walker.walk(self.invariants, n, [self.seed])]
            broken = [s for s in walked if not s.ok]
            if not broken or time.monotonic() > limit:
                return broken
            names = [s.journey for s in broken]
            await anyio.sleep(_POLL_S * 2)

    async def mark(self) -> int:
        """Where the log of calls is now."""
        self._marked = (await anyio.to_thread.run_sync(self.rig.server.client.calls, self._marked)).next
        return self._marked

    async def calls(self, samples: Iterable[Sample], after: int) -> list[Call]:
        """Calls made within some walks, with edges' keys for the proxies' names."""
        traces = {s.trace_id for s in samples}
        found = await anyio.to_thread.run_sync(self.rig.server.client.calls, after)
        names = self.rig.names()
        return [_renamed(c, names[c.proxy]) for c in found.calls if c.proxy in names and c.trace_id in traces]

    async def calls_over(self, edge: Edge, after: int) -> list[Call]:
        """Calls made over an edge, whoever they were made for, by the time they began."""
        found = await anyio.to_thread.run_sync(self.rig.server.client.calls, after)
        names = self.rig.names()
        calls = [_renamed(c, edge.key) for c in found.calls if names.get(c.proxy) == edge.key]
        return sorted(calls, key=lambda c: c.began)

    async def calls_at(self, edge: Edge, samples: Sequence[Sample], after: int, *, counted: bool = True) -> list[Call]:
        """As `calls`, and wait a moment for those over an edge that are made after the walk has ended.

        Args:
            counted: whether calls can be seen at the edge at all; else they are given the time they usually take.
        """
        late = _LATE_S if counted else _EVENTS_S
        limit = time.monotonic() + (late if edge.kind is EdgeKind.EVENTS else 0.0)
        while True:
            calls = await self.calls(samples, after)
            if any(c.proxy == edge.key for c in calls) or time.monotonic() > limit:
                return calls
            await anyio.sleep(_POLL_S)

    async def undelivered(self, edge: Edge, samples: Sequence[Sample], after: int, within_s: float) -> list[Sample]:
        """Walks whose events the edge's callee has not taken in time, unless they may be lost; waits until it has taken all."""
        if edge.contract.on_failure is OnFailure.DROP:
            return []
        limit = time.monotonic() + within_s
        while True:
            calls = await self.calls(samples, after)
            taken = Counter(c.trace_id for c in calls if c.proxy == edge.key and c.status and c.status < 400)
            waiting = [s for s in samples if taken[s.trace_id] < self.baselines[s.journey].edges.get(edge.key, 0)]
            if not waiting or time.monotonic() > limit:
                return waiting
            await anyio.sleep(_POLL_S * 2)

    def windows(self, edge: Edge, samples: Sequence[Sample], calls: Sequence[Call], now: float) -> list[Window]:
        """What the edge's caller was asked within some walks, and what it sent over the edge for that."""
        into = [e.key for e in self.system.edges_to(edge.caller)]
        bases = {n: u.rstrip("/") for n, u in self.rig.runtime.addresses.items()}
        return windows(edge.caller, samples, calls, own=edge.key, into=into, bases=bases, now=now)

    def undeclared(
        self, samples: Sequence[Sample], calls: Sequence[Call], *failing: Edge
    ) -> list[tuple[str, str, int, str]]:
        """Answers of services that are 500, or that no document declares.

        Those of the failing edges' callees are no news, and neither are those that are given although nothing fails.

        Returns:
            Service, call, status and trace id.
        """
        given = [
            (name, step.method, step.url.removeprefix(base).partition("?")[0], step.status, s.trace_id)
            for s in samples
            for step in s.steps
            for name, base in self.rig.runtime.addresses.items()
            if step.status and step.url.startswith(f"{base.rstrip('/')}/")
        ]
        given += [
            (c.proxy.partition(":")[2], c.method, c.path, c.upstream_status, c.trace_id)
            for c in calls
            if c.proxy not in {e.key for e in failing} and c.upstream_status
        ]
        return [
            (service, f"{method} {path}", status, trace_id)
            for service, method, path, status, trace_id in given
            if (service, method, status) not in self.ordinary
            if status == 500 or (status >= 400 and self.documents.of(service).allows(method, path, status) is False)
        ]

    def fallbacks(self, edge: Edge, windows: Sequence[Window]) -> list[Fallback]:
        """What an edge's caller asked its callee for only once that had failed."""
        usual = {operation for key, operation in self.asked if key == edge.key}
        return fallbacks(windows, usual, self.documents.of(edge.callee).operation)

    async def ready(self, service: Service) -> bool | None:
        """What a service's readiness says; None when it has none."""
        if not service.ready:
            return None
        return not await probe(self.rig.runtime.addresses[service.name], service.ready)

    async def learn(self) -> None:
        """Walk every journey while all is well: twice, as the first walks find everything cold."""
        known = await self.walker.known(self.journeys)
        usual = [k for k in known if k.weight] or list(known)
        began = await self.mark()
        warm = [s for journey in usual for s in await self.walk(journey.name, "warm-up")]
        walks, stores = {}, {}
        for journey in usual:
            before = await self._store_bytes()
            walks[journey] = await self.walk(journey.name, "baseline")
            after = await self._store_bytes()
            stores[journey.name] = frozenset(key for key, count in after.items() if count > before.get(key, 0))
        walked = [*warm, *(s for samples in walks.values() for s in samples)]
        queued = [e for e in self.system.edges if e.kind is EdgeKind.EVENTS and self.rig.has(e)]
        await anyio.sleep(_EVENTS_S if queued else 0.0)
        calls = await self.calls(walked, began)
        for journey, samples in walks.items():
            if all(s.ok for s in samples):
                base = self._baseline(journey, samples, calls)
                self.baselines[journey.name] = replace(base, stores=stores[journey.name])
            else:
                self.failing[journey.name] = next(s for s in samples if not s.ok)
        self.untraced = await self._untraced(walked, began)
        odd = self.undeclared(walked, calls)
        self.ordinary = frozenset((service, call.partition(" ")[0], status) for service, call, status, _ in odd)
        self.asked = frozenset(
            (c.proxy, self.documents.of(c.proxy.partition(":")[2]).operation(c.method, c.path)) for c in calls
        )

    async def _store_bytes(self) -> dict[str, int]:
        """Bytes that went over each edge to a store so far, by its key; those behind a proxy only."""
        edges = [e for e in self.system.edges if e.kind is EdgeKind.RESOURCE and self.rig.has(e)]
        return {e.key: await self.rig.bytes_through(e) or 0 for e in edges}

    async def _untraced(self, walked: Sequence[Sample], after: int) -> frozenset[str]:
        """Edges that were used, and never by a call that can be told to have been made for one of these walks."""
        names = self.rig.names()
        found = (await anyio.to_thread.run_sync(self.rig.server.client.calls, after)).calls
        traces = {s.trace_id for s in walked}
        used = {names[c.proxy] for c in found if c.proxy in names}
        return frozenset(used - {names[c.proxy] for c in found if c.proxy in names and c.trace_id in traces})

    def _baseline(self, journey: Known, samples: Sequence[Sample], calls: Sequence[Call]) -> Baseline:
        entry = journey.entry or self.system.entry
        traces = {s.trace_id for s in samples}
        calls = [c for c in calls if c.trace_id in traces]
        steps: dict[str, float] = {}
        for step in (step for s in samples for step in s.steps):
            steps[step.name] = max(steps.get(step.name, 0.0), step.duration_ms / 1000)
        edges, keys, fan = {}, {}, 1
        for edge in self.system.edges:
            if not any(c.proxy == edge.key for c in calls):
                continue
            seen = self.windows(edge, samples, calls, time.time())
            edges[edge.key] = max((len(w) for x in seen for w in x.wanted().values()), default=1)
            keys[edge.key] = max((len(calls) for x in seen for calls in x.keys().values()), default=1)
            if edge.kind is EdgeKind.EVENTS:
                edges[edge.key] = sum(c.proxy == edge.key for c in calls)
            if edge.caller == entry:
                fan = max([fan, *(len(x.wanted()) for x in seen)])
        return Baseline(journey.name, entry, journey.weight, steps, edges, fan, keys, _met(samples, calls))


@asynccontextmanager
async def replica(
    system: System,
    rig: Rig,
    *,
    root: Path,
    seed: int,
    log: Path,
    documents: Documents,
    machine: Machine | None = None,
) -> AsyncIterator[Replica]:
    """Start a copy of the system behind proxies and learn how its journeys go.

    Args:
        rig: not started yet.
        log: output of the journeys.
        documents: read here, unless another copy did.
        machine: watched meanwhile; None where nobody does.
    """
    await rig.wire(proxied_edges(system))
    await wire_stores(system, rig)
    async with (
        rig.runtime.running() as runtime,
        walker(
            base_urls=runtime.addresses,
            entry=system.entry,
            root=root,
            log=log,
            allowed=system.runtime.allow_targets,
        ) as walks,
    ):
        invariants = root / system.suites.experiments / INVARIANTS_FILE
        made = Replica(
            system=system,
            rig=rig,
            walker=walks,
            journeys=system.file(root, system.suites.journeys),
            invariants=invariants if invariants.is_file() else None,
            seed=seed,
            added=rig.added(machine, walks.pid) if machine else nothing_added,
            documents=documents,
        )
        await documents.read(runtime.addresses)
        await made.learn()
        yield made


def _met(samples: Iterable[Sample], calls: Sequence[Call]) -> dict[str, frozenset[str]]:
    """The edges that were used while a step went on, by its name."""
    found: dict[str, frozenset[str]] = {}
    for sample in samples:
        own = [c for c in calls if c.trace_id == sample.trace_id]
        for step in sample.steps:
            during = {c.proxy for c in own if step.at <= c.began <= step.at + step.duration_ms / 1000}
            found[step.name] = found.get(step.name, frozenset()) | during
    return found


def _renamed(call: Call, edge: str) -> Call:
    return replace(call, proxy=edge)


async def recording(rig: Rig) -> None:
    """Switch the log of calls on.

    Raises:
        UsageError: when the server has none, being somebody else's.
    """
    try:
        await anyio.to_thread.run_sync(rig.server.client.record_calls, True)
    except NotFound:
        raise UsageError(
            "exploration needs the built-in Toxiproxy server: no other tells what is asked at an edge"
        ) from None
