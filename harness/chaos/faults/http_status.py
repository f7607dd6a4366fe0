"""The http_status fault: requests are answered with a status of our choice."""

from __future__ import annotations

from dataclasses import dataclass

from harness.chaos.faults.fault import register
from harness.chaos.faults.http_fault import (
    Act,
    HttpFault,
    Memory,
    flag_problem,
    line_problem,
    made_answer,
    status_problem,
)
from harness.chaos.messages import Head

__all__ = ["HttpStatus"]


@register("http_status", "answers {status}")
@dataclass(frozen=True, slots=True)
class HttpStatus(HttpFault):
    """Answers with `status`, `body` of `content_type`, and Retry-After of `retry_after` seconds (0: without).

    `forward` 0: the callee never hears of the request; 1: it does its work, and its answer is thrown away.
    """

    status: int = 503
    body: str = ""
    content_type: str = ""
    retry_after: int = 0
    forward: int = 0

    def problem(self) -> str:
        """See `Fault.problem`."""
        return (
            status_problem(self.status)
            or flag_problem("forward", self.forward)
            or line_problem("content_type", self.content_type)
        )

    def act(self, request: Head, memory: Memory) -> Act:  # noqa: ARG002 - the same for every request
        """See `HttpFault.act`."""
        answer = made_answer(self.status, self.body, self.content_type, self.retry_after)
        return Act(forward=bool(self.forward), made=answer)
