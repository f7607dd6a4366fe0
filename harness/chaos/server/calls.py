"""The calls seen by the proxies of one server, newest state each; how they are seen is next door (`listener.py`)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields

from harness.chaos.messages import Head
from harness.chaos.trace import trace_of

__all__ = ["CallLog", "CallRecord"]

_KEPT = 100_000
#: What is remembered of a path or a key that somebody made up to be long, in characters.
_LONGEST = 2_000
#: A longer answer would keep the data of all connections waiting while it is written.
_PAGE = 2_000


@dataclass(slots=True)
class CallRecord:
    """One call of a caller, in the words of the API (docs/how-to/chaos.md); `number` is that of its last change."""

    id: int
    proxy: str
    connection: int
    method: str
    path: str
    trace_id: str
    parent_id: str
    idempotency_key: str
    began: float
    number: int = 0
    forwarded: bool = False
    status: int | None = None
    upstream_status: int | None = None
    ended: float | None = None
    ending: str = ""


_FIELDS = tuple(f.name for f in fields(CallRecord))


class CallLog:
    """Calls by identity, in the order of their last change; the oldest go when there are too many.

    Args:
        clock: seconds since the epoch.
        kept: how many calls are kept.
    """

    def __init__(self, clock: Callable[[], float] = time.time, kept: int = _KEPT) -> None:
        self.on = False
        self.dropped = 0
        self.clock = clock
        self._kept = kept
        self._number = self._id = 0
        self._calls: dict[int, CallRecord] = {}

    def start(self) -> None:
        """Record from now on; what was recorded is forgotten, numbers go on."""
        self.on = True
        self.dropped = 0
        self._calls.clear()

    def stop(self) -> None:
        """Record no more; what was recorded can still be read."""
        self.on = False

    def begin(self, proxy: str, connection: int, head: Head) -> CallRecord:
        """A request's head has come in."""
        self._id += 1
        trace_id, parent_id = trace_of(head)
        method, path, key = (t[:_LONGEST] for t in (head.method, head.path, head.field("idempotency-key")))
        call = CallRecord(self._id, proxy, connection, method, path, trace_id, parent_id, key, began=self.clock())
        self._calls[call.id] = call
        self.changed(call)
        if len(self._calls) > self._kept:
            del self._calls[next(iter(self._calls))]
            self.dropped += 1
        return call

    def changed(self, call: CallRecord) -> None:
        """Give a call the next number, unless it has been forgotten."""
        if self._calls.pop(call.id, None) is None:
            return
        self._number += 1
        call.number = self._number
        self._calls[call.id] = call

    def end(self, call: CallRecord, ending: str) -> None:
        """A call is over; only the first ending counts."""
        if not call.ending:
            call.ended, call.ending = self.clock(), ending
            self.changed(call)

    def after(self, number: int) -> dict[str, object]:
        """At most a page of calls that changed after `number`, oldest change first; `next` asks for those after them."""
        found: list[CallRecord] = []
        for call in reversed(self._calls.values()):
            if call.number <= number:
                break
            found.append(call)
        page = found[: -_PAGE - 1 : -1]
        return {
            "next": page[-1].number if page else self._number,
            "dropped": self.dropped,
            "calls": [{name: getattr(call, name) for name in _FIELDS} for call in page],
        }
