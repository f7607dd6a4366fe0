"""One problem: rule, severity, place, evidence, and a fingerprint that is the same in the next run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Exchange", "Finding", "Place", "Severity"]


class Severity(StrEnum):
    """How bad a finding is: `error` fails its stage, `warning` marks it, `info` only tells."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came back, as text ready to be shown (already redacted).

    Args:
        request: request line, headers and body.
        response: status line, headers and body; empty when none came.
        expected: what should have come, where that differs from a plain "not this".
    """

    request: str
    response: str = ""
    expected: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a finding belongs; every part that does not apply is empty.

    `edge` is written `caller -> callee`, `operation` `GET /orders/{order_id}`, `pointer` is an RFC 6901 JSON pointer.
    """

    service: str = ""
    edge: str = ""
    consumer: str = ""
    operation: str = ""
    journey: str = ""
    experiment: str = ""
    file: str = ""
    line: int = 0
    pointer: str = ""

    def __str__(self) -> str:
        file = f"{self.file}:{self.line}" if self.file and self.line else self.file
        parts = (self.edge or self.service, self.operation, self.journey, self.experiment, file, self.pointer)
        return " · ".join(p for p in parts if p)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem a stranger can understand and reproduce.

    Args:
        rule: dotted id, starts with the stage: `fuzz.not_a_server_error`.
        severity: how bad.
        title: one line: what is wrong, in the words of the system's owner.
        detail: what was expected, what was seen, why it matters; may have several lines.
        place: where.
        exchange: request and response, where there were any.
        reproduce: a command line that shows it again.
        trace_id: W3C trace id, where known.
        key: what, beyond rule and place, makes this finding different from its neighbours and is stable over runs.
    """

    rule: str
    severity: Severity
    title: str
    detail: str = ""
    place: Place = field(default_factory=Place)
    exchange: Exchange | None = None
    reproduce: str = ""
    trace_id: str = ""
    key: str = ""

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits over rule, place (without line) and key: equal for the same problem in the next run."""
        p = self.place
        parts = (
            self.rule,
            p.service,
            p.edge,
            p.consumer,
            p.operation,
            p.journey,
            p.experiment,
            p.file,
            p.pointer,
            self.key,
        )
        return hashlib.sha256("\x1f".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:16]
