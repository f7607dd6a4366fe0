"""What a fault above TCP is: it sees one request at a time and says what becomes of its answer; moves no bytes itself.

Its place is not in a chain of bytes but at the callee's end of the connection (docs/decisions/0011): what it makes of an
answer then goes through every downstream toxic, as the callee's own answers do.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Protocol

from harness.chaos.faults.fault import Fault, Stub
from harness.chaos.messages import Head

__all__ = [
    "Act",
    "Answer",
    "HttpFault",
    "Memory",
    "UnchangedError",
    "flag_problem",
    "line_problem",
    "made_answer",
    "status_problem",
]


class UnchangedError(Exception):
    """An answer cannot be changed as asked; it passes as it is, and the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, and what is left of it.

    `fields` are sent as they are, so they say how the body is framed. `bodiless`: the answer to HEAD, 204 and 304, which have
    fields only. `cut`: the connection is closed after the body, complete or not.
    """

    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]
    body: bytes = b""
    bodiless: bool = False
    cut: bool = False

    def field(self, name: str) -> str:
        """The first value of a field, named in lower case; empty when there is none."""
        return next((v for n, v in self.fields if n.lower() == name), "")

    def with_body(self, body: bytes, **fields: str) -> Answer:
        """The answer with another body, of known length, and other fields (`content_type="…"`; empty takes one away)."""
        changes = {"transfer-encoding": "", "trailer": "", "content-length": str(len(body))}
        changes |= {n.replace("_", "-"): v for n, v in fields.items()}
        kept = tuple((n, v) for n, v in self.fields if n.lower() not in changes)
        added = tuple((n.title(), v) for n, v in changes.items() if v)
        return replace(self, fields=(*kept, *added), body=body)

    def encoded(self) -> bytes:
        """The bytes on the wire (RFC 9112)."""
        lines = [f"HTTP/1.1 {self.status} {self.reason}", *(f"{n}: {v}" for n, v in self.fields), "", ""]
        head = "\r\n".join(lines).encode("latin-1")
        if self.bodiless:
            return head
        if self.field("transfer-encoding"):
            # Only a body that breaks off is still in chunks: its last chunk never comes.
            return head + (b"%x\r\n%b\r\n" % (len(self.body), self.body) if self.body else b"")
        return head + self.body


Change = Callable[[Answer], Answer]


@dataclass(frozen=True, slots=True)
class Act:
    """What becomes of one exchange.

    Args:
        forward: whether the request reaches the callee.
        delay_s: how much later the answer comes.
        made: an answer in the place of the callee's.
        change: makes another answer of the one there is; raises `UnchangedError` when it cannot.
        needs: bytes of the body `change` has to see; None: all of it.
    """

    forward: bool = True
    delay_s: float = 0.0
    made: Answer | None = None
    change: Change | None = None
    needs: int | None = None


class Memory(Protocol):
    """What a fault remembers on one connection. `rng`: randomness of its place; the same seed draws the same numbers."""

    rng: random.Random

    def count(self, trace_id: str) -> int:
        """How often this was asked before, for that trace on any connection; for this connection when it is empty."""


@dataclass(frozen=True, slots=True)
class HttpFault(Fault):
    """One kind of fault above TCP.

    `path`: a glob the request's path must match (without query); empty for any. `method`: empty for any.
    """

    path: str = ""
    method: str = ""

    def meant(self, request: Head) -> bool:
        """Whether this request is one it acts on."""
        if self.method and self.method.upper() != request.method:
            return False
        return not self.path or fnmatchcase(request.path, self.path)

    def act(self, request: Head, memory: Memory) -> Act | None:
        """Decide on a request it is meant for; None leaves it alone."""
        raise NotImplementedError

    async def pipe(self, stub: Stub) -> None:
        """Never called: it has no place in a chain of bytes."""
        raise NotImplementedError


def made_answer(status: int, body: str = "", content_type: str = "", retry_after: int = 0) -> Answer:
    """An answer of our own.

    Args:
        content_type: JSON or plain text, by the look of the body, when it is empty.
        retry_after: seconds; 0 leaves the field out.
    """
    known = {s.value: s.phrase for s in HTTPStatus}
    looks = "application/json" if body[:1] in {"{", "["} else "text/plain; charset=utf-8"
    fields = {"content_type": content_type or (looks if body else "")}
    if retry_after > 0:
        fields["retry_after"] = str(retry_after)
    if status in {204, 304}:
        return Answer(status, known[status], ()).with_body(b"", content_length="", **fields)
    return Answer(status, known.get(status, ""), ()).with_body(body.encode(), **fields)


def status_problem(status: int) -> str:
    """What is wrong with a status to answer with; empty when nothing is."""
    return "" if 200 <= status <= 599 else f"status must be 200 to 599, found {status}"


def flag_problem(name: str, value: int) -> str:
    """What is wrong with a switch; empty when nothing is."""
    return "" if value in {0, 1} else f"{name} must be 0 or 1, found {value}"


def line_problem(name: str, value: str) -> str:
    """What is wrong with the value of a header field; empty when nothing is."""
    return "" if value.isascii() and (value.isprintable() or not value) else f"{name} must be one line of ASCII text"
