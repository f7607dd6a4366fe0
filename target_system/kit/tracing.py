"""W3C trace context and baggage of the request at hand. Parsing and carrying only; nothing is exported."""

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["TRACEPARENT", "Trace", "current_trace", "incoming_trace", "set_trace"]

# https://www.w3.org/TR/trace-context/#traceparent-header: version 00; ids of only zeros are invalid.
TRACEPARENT = "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
_TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")
_SYNTHETIC = re.compile(rb"(?:^|,)\s*synthetic\s*=\s*true\s*(?:[;,]|$)", re.ASCII)
_MAX_BAGGAGE = 2048


@dataclass(frozen=True, slots=True)
class Trace:
    """One request's place in its trace, and whether it is synthetic."""

    trace_id: str
    span_id: str
    flags: str = "01"
    baggage: str = ""
    synthetic: bool = False

    @classmethod
    def start(cls, *, synthetic: bool = False) -> "Trace":
        """Begin a trace of its own, for work no request asked for."""
        baggage = "synthetic=true" if synthetic else ""
        return cls(secrets.token_hex(16), secrets.token_hex(8), baggage=baggage, synthetic=synthetic)

    @classmethod
    def joining(cls, traceparent: str, baggage: str) -> "Trace":
        """Go on with a trace that was written down, under a new span."""
        return incoming_trace(traceparent.encode(), baggage.encode())

    @property
    def traceparent(self) -> str:
        """The header that carries this trace on."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    def headers(self) -> dict[str, str]:
        """Return what an outgoing request must carry."""
        headers = {"traceparent": self.traceparent}
        if self.baggage:
            headers["baggage"] = self.baggage
        return headers


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current_trace() -> Trace:
    """Return the trace of the request at hand, or a new one outside of any request."""
    return _current.get() or Trace.start()


def set_trace(trace: Trace) -> None:
    """Make `trace` the current one in this task."""
    _current.set(trace)


def incoming_trace(traceparent: bytes | None, baggage: bytes | None) -> Trace:
    """Join the trace a request came with; a missing or malformed header begins a new trace, as the RFC asks."""
    match = _TRACEPARENT.fullmatch(traceparent or b"")
    trace_id, flags = (match[1].decode(), match[2].decode()) if match else (secrets.token_hex(16), "01")
    carried = baggage if baggage and len(baggage) <= _MAX_BAGGAGE and baggage.isascii() else b""
    return Trace(trace_id, secrets.token_hex(8), flags, carried.decode("ascii"), bool(_SYNTHETIC.search(carried)))
