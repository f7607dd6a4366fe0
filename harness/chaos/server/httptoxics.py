"""The toxics above TCP of one proxy: which there are, what they remember, and how often they acted; moves no bytes."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from harness.chaos.faults.http_fault import Act, HttpFault
from harness.chaos.messages import Head
from harness.chaos.server.connection import Connection
from harness.chaos.server.exchanges import Actor, Exchanges
from harness.chaos.server.link import Toxic
from harness.chaos.server.wiring import AnswersOut, RequestsOut, Valve, wire

__all__ = ["HttpToxics"]

_TRACES_KEPT = 100_000
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Standing:
    """A toxic on a proxy: how many requests it was meant for, acted on, and could not change the answer of."""

    toxic: Toxic
    meant: int = 0
    acted: int = 0
    unchanged: dict[str, int] = field(default_factory=dict)
    traces: dict[str, int] = field(default_factory=dict)


class _Place:
    """A toxic on one connection; implements `Actor` and `Memory`. Whether it applies is drawn as for toxics of TCP."""

    def __init__(self, standing: _Standing, rng: random.Random) -> None:
        self.standing, self.rng = standing, rng
        self._requests = 0
        self._applies = False
        self.draw()

    def draw(self) -> None:
        """Decide whether the toxic applies to this connection."""
        self._applies = self.rng.random() < self.standing.toxic.toxicity

    def decide(self, request: Head) -> Act | None:
        """See `Actor.decide`."""
        fault = self.standing.toxic.fault
        assert isinstance(fault, HttpFault)
        if not self._applies or not fault.meant(request):
            return None
        self.standing.meant += 1
        act = fault.act(request, self)
        if act is not None:
            self.standing.acted += 1
        return act

    def unchanged(self, reason: str) -> None:
        """See `Actor.unchanged`."""
        told = self.standing.unchanged
        if reason not in told:
            _log.warning("%s left an answer unchanged: %s", self.standing.toxic.name, reason)
        told[reason] = told.get(reason, 0) + 1

    def count(self, trace_id: str) -> int:
        """See `Memory.count`."""
        if not trace_id:
            self._requests += 1
            return self._requests - 1
        traces = self.standing.traces
        before = traces.pop(trace_id, 0)
        traces[trace_id] = before + 1
        if len(traces) > _TRACES_KEPT:
            del traces[next(iter(traces))]
        return before


class HttpToxics:
    """The toxics above TCP of one proxy, in order."""

    def __init__(self) -> None:
        self._standing: list[_Standing] = []

    def join(self, connection: Connection, *, midway: bool = False) -> None:
        """Let the toxics act on a connection; one without toxics is left alone."""
        if not self._standing or connection.links is None:
            return
        up, down = connection.links
        requests, answers = Valve(up), Valve(down)
        actors: list[Actor] = [self._place(s, connection) for s in self._standing]
        callee, caller = RequestsOut(connection.upstream, None), AnswersOut(down, requests, answers)
        connection.exchanges = Exchanges(actors, callee, caller, midway=midway)
        # As in `wire`: the sockets call `dest_full` and nothing else.
        connection.upstream.incoming, connection.client.incoming = requests, answers  # type: ignore[assignment]
        wire(connection)

    def add(self, toxic: Toxic, connections: Iterable[Connection]) -> None:
        """Let a toxic act on what begins from now on."""
        standing = _Standing(toxic)
        self._standing.append(standing)
        for connection in connections:
            if connection.exchanges is None:
                self.join(connection, midway=True)
            else:
                connection.exchanges.actors = [*connection.exchanges.actors, self._place(standing, connection)]

    def changed(self, toxic: Toxic, connections: Iterable[Connection]) -> None:
        """Let a toxic act as it is now, with a new draw; what it delays goes out."""
        for place, exchanges in _places(toxic, connections):
            place.draw()
            exchanges.interrupt(place)

    def remove(self, toxic: Toxic, connections: Iterable[Connection]) -> None:
        """Take a toxic away; what it delays goes out, and what else has begun ends as it began."""
        connections = tuple(connections)
        self._standing = [s for s in self._standing if s.toxic is not toxic]
        for place, exchanges in _places(toxic, connections):
            exchanges.actors = [actor for actor in exchanges.actors if actor is not place]
            exchanges.interrupt(place)
        if not self._standing:
            for connection in connections:
                if connection.exchanges is not None:
                    connection.exchanges.retire = partial(_leave, connection)
                    _leave(connection)

    def told(self) -> dict[str, Mapping[str, object]]:
        """What each toxic did so far, by its name."""
        return {
            s.toxic.name: {"meant": s.meant, "acted": s.acted, "unchanged": dict(s.unchanged)} for s in self._standing
        }

    def _place(self, standing: _Standing, connection: Connection) -> _Place:
        return _Place(standing, connection.rng_for(standing.toxic.direction, standing.toxic.name))


def _places(toxic: Toxic, connections: Iterable[Connection]) -> list[tuple[_Place, Exchanges]]:
    return [
        (actor, connection.exchanges)
        for connection in connections
        if connection.exchanges is not None
        for actor in connection.exchanges.actors
        if isinstance(actor, _Place) and actor.standing.toxic is toxic
    ]


def _leave(connection: Connection) -> None:
    """Take the place of HTTP faults away, unless something is under way there."""
    if connection.links is None or connection.exchanges is None or not connection.exchanges.idle:
        return
    connection.upstream.incoming, connection.client.incoming = connection.links
    connection.exchanges = None
    wire(connection)
