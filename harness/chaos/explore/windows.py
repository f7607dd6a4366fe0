"""Pairs calls at edges with the call of the caller they were made for, by trace and time; judges nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.chaos.client import Call
from harness.system.drive import Sample

__all__ = ["Window", "windows"]

#: What is begun for a call is seen at the edge this much after the call has ended, at most, in seconds.
_CLOCK_S = 0.01


@dataclass(frozen=True, slots=True)
class Window:
    """A call a service was given, and the calls it made over one edge for it.

    Args:
        name: what was called, `POST /orders`.
        status: what it answered; 0 when no answer came.
        began, ended: seconds since the epoch; a call that has not ended ends at the time of looking.
        calls: by the time they began.
        left: whether whoever asked gave up before there was an answer, as seen at the edge it came over.
    """

    trace_id: str
    name: str
    method: str
    path: str
    status: int
    began: float
    ended: float
    calls: tuple[Call, ...]
    left: bool = False

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

    def keys(self) -> Mapping[tuple[str, str], tuple[Call, ...]]:
        """By method and path, the first call with each `Idempotency-Key`; calls without one are left out."""
        found: dict[tuple[str, str], tuple[Call, ...]] = {}
        for (method, path, key), calls in self.wanted().items():
            if key:
                found[method, path] = (*found.get((method, path), ()), calls[0])
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
        Window(
            c.trace_id,
            f"{c.method} {c.path}",
            c.method,
            c.path,
            c.upstream_status or 0,
            c.began,
            c.ended or now,
            (),
            c.ending == "gone" and c.upstream_status is None,
        )
        for c in calls
        if c.proxy in set(into) and c.trace_id in traces
    ]
    base = bases.get(caller, "\0")
    incoming += [
        Window(
            s.trace_id,
            f"{step.method} {_path(step.url, base)}",
            step.method,
            _path(step.url, base),
            step.status,
            step.at,
            step.at + step.duration_ms / 1000,
            (),
        )
        for s in samples
        for step in s.steps
        if step.url.startswith(f"{base}/")
    ]
    ordered = sorted(incoming, key=lambda w: w.began)
    owners = [_owners(c, ordered) for c in made]
    return [replace(w, calls=tuple(c for c, own in zip(made, owners, strict=True) if w in own)) for w in ordered]


def _owners(call: Call, given: Sequence[Window]) -> list[Window]:
    """The calls a call can have been made for: those going on when it began; only where there is none, one just over.

    A caller that repeats at once begins the next call within a millisecond of the end of the last: what is made for the
    next must not count for the last as well.
    """
    same = [w for w in given if w.trace_id == call.trace_id]
    within = [w for w in same if w.began <= call.began <= w.ended]
    near = [w for w in same if w.began - _CLOCK_S <= call.began <= w.ended + _CLOCK_S]
    return within or near


def _path(url: str, base: str) -> str:
    return url.removeprefix(base).partition("?")[0]
