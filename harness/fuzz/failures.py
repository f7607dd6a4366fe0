"""What is known of requests that were sent, their answers, and checks that failed; `events` reads it from the report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["NO_ANSWER", "TOO_MUCH", "TOO_MUCH_HEADER", "Answer", "Failure", "Step", "worth_telling"]

#: Our name for a request that got no answer at all; the other checks are Schemathesis' own.
NO_ANSWER = "no_answer"
#: Our name for an answer that was not taken whole, see `exchange`.
TOO_MUCH = "too_much"
#: Says of such an answer what was too much of it; a service cannot say it by itself.
TOO_MUCH_HEADER = "x-harness-too-much"
_SCHEMA_AT = re.compile(r"Schema at (\S+?):?\s")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it was recorded; `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def too_much(self) -> str:
        """What was too much of it to be taken whole; empty for an answer within limits."""
        return self.headers.get(TOO_MUCH_HEADER, "")


@dataclass(frozen=True, slots=True)
class Step:
    """One request as it was sent, and its answer; `answer` is None when none came.

    Args:
        path: path template of the operation, e.g. `/orders/{order_id}`.
        at: seconds since the epoch.
        parameter: name of the parameter or field that was made odd, where Schemathesis says so.
        why: what is odd about it, in Schemathesis' words.
    """

    method: str
    url: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None
    at: float
    answer: Answer | None
    parameter: str = ""
    why: str = ""

    @property
    def operation(self) -> str:
        """`POST /orders`."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Failure:
    """One check that failed on one request.

    Args:
        check: name of the check, e.g. `not_a_server_error`.
        operation: the operation it belongs to, e.g. `GET /orders/{order_id}`.
        steps: the requests that led there, in order; the last is the failing one.
    """

    check: str
    operation: str
    title: str
    message: str
    phase: str
    steps: tuple[Step, ...]

    @property
    def last(self) -> Step:
        """The request that failed."""
        return self.steps[-1]

    @property
    def variant(self) -> str:
        """What tells it from other failures of this check on this operation, and is the same in the next run."""
        where = _SCHEMA_AT.search(self.message) if self.check == "response_schema_conformance" else None
        status = str(self.last.answer.status) if self.last.answer else "none"
        return f"{status} {where[1][:200]}" if where else status

    @property
    def key(self) -> tuple[str, str, str]:
        """Equal for failures that are the same problem."""
        return self.check, self.operation, self.variant


def worth_telling(failures: Sequence[Failure], keys: Iterable[str] = ()) -> list[Failure]:
    """Leave out what merely repeats: an undeclared 500 is told as the 500, a key nobody asks for as ignored.

    Args:
        keys: names of the headers that let a caller in.
    """
    errors = {(f.operation, f.variant) for f in failures if f.check == "not_a_server_error"}
    open_to_all = {f.operation for f in failures if f.check == "ignored_auth"}
    quoted = [f"'{key.lower()}'" for key in keys]

    def repeats(failure: Failure) -> bool:
        if failure.check == "missing_required_header":
            message = failure.message.lower()
            return failure.operation in open_to_all and any(key in message for key in quoted)
        return (failure.operation, failure.variant) in errors

    return [f for f in failures if f.check in {"not_a_server_error", NO_ANSWER} or not repeats(f)]
