"""Which trace a request belongs to: W3C Trace Context, read and nothing more."""

from __future__ import annotations

import re

from harness.chaos.messages import Head

__all__ = ["trace_of"]

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


def trace_of(head: Head) -> tuple[str, str]:
    """Trace and parent of a request, from `traceparent` (section 3.2); empty when it has none."""
    match = _TRACEPARENT.fullmatch(head.field("traceparent"))
    return (match[1], match[2]) if match else ("", "")
