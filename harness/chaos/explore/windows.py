"""Pairs calls at edges with the call of the caller they were made for, by trace and time; judges nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.chaos.client import Call
from harness.system.drive import Sample

__all__ = ["Window", "windows"]

#: Clocks of two processes on one machine agree to this, in seconds.
_CLOCK_S = 0.01


@dataclass(frozen=True, slots=True)
class Window:
    """A call a service was given, and the calls it made over one edge for it.

    Args:
        name: what was called, `POST /orders`.
        status: what it answered; 0 when no answer came.
        began, ended: seconds since the epoch; a call that has not ended ends at the time of looking.
        calls: by the time they began.
    """

    trace_id: str
    name: str
    method: str
    path: str
    status: int
    began: float
    ended: float
    calls: tuple[Call, ...]

    @property
    def took_s(self) -> float:
        """How long it took, in seconds."""
        return self.ended - self.began

    def waits(self, now: float) -> list[tuple[float, tuple[Call, ...]]]:
        """How long the caller kept at each thing it wanted, in seconds, and the calls it made for that.

        Args:
            now: when calls that have not ended are cut, in seconds since the epoch.
        """
        return [(max(c.ended or now for c in same) - same[0].began, same) for same in self.wanted().values()]

    def wanted(self) -> Mapping[tuple[str, str, str], tuple[Call, ...]]:
        """The calls by what they ask for: the same method, path and idempotency key is the same wish repeated."""
        found: dict[tuple[str, str, str], tuple[Call, ...]] = {}
        for call in self.calls:
            key = (call.method, call.path, call.idempotency_key)
            found[key] = (*found.get(key, ()), call)
        return found


def windows(
    caller: str,
    samples: Iterable[Sample],
    calls: Sequence[Call],
    *,
    own: str,
    into: Iterable[str],
    bases: Mapping[str, str],
    now: float,
) -> list[Window]:
    """The calls a service was given within some walks, each with what it then asked over one edge.

    Args:
        caller: the service.
        samples: walks; only calls of their traces are looked at.
        calls: every call at every edge.
        own: the edge the service's calls are looked for at, as the proxy's name.
        into: names of the proxies on edges into the service.
        bases: base URL of each service, to tell which steps of a walk went to the caller.
        now: the time of looking, in seconds since the epoch.
    """
    traces = {s.trace_id for s in samples}
    made = sorted((c for c in calls if c.proxy == own and c.trace_id in traces), key=lambda c: c.began)
    incoming = [
        (c.trace_id, c.method, c.path, c.upstream_status or 0, c.began, c.ended or now)
        for c in calls
        if c.proxy in set(into) and c.trace_id in traces
    ]
    base = bases.get(caller, "\0")
    incoming += [
        (s.trace_id, step.method, _path(step.url, base), step.status, step.at, step.at + step.duration_ms / 1000)
        for s in samples
        for step in s.steps
        if step.url.startswith(f"{base}/")
    ]
    found = []
    for trace_id, method, path, status, began, ended in sorted(incoming, key=lambda i: i[4]):
        inner = tuple(c for c in made if c.trace_id == trace_id and began - _CLOCK_S <= c.began <= ended + _CLOCK_S)
        found.append(Window(trace_id, f"{method} {path}", method, path, status, began, ended, inner))
    return found


def _path(url: str, base: str) -> str:
    return url.removeprefix(base).partition("?")[0]
