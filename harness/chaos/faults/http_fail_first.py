"""The http_fail_first fault: the first requests fail, later ones go well."""

from __future__ import annotations

from dataclasses import dataclass

from harness.chaos.faults.fault import register
from harness.chaos.faults.http_fault import Act, HttpFault, Memory, flag_problem, made_answer, status_problem
from harness.chaos.messages import Head
from harness.chaos.trace import trace_of
from harness.errors import did_you_mean

__all__ = ["HttpFailFirst"]

_BY = ("trace", "connection")


@register("http_fail_first", "answers {status} to the first {count}")
@dataclass(frozen=True, slots=True)
class HttpFailFirst(HttpFault):
    """Answers the first `count` requests of each trace, or of each connection, with `status`; later ones pass.

    `by`: `trace` (W3C traceparent; a request without one counts for its connection) or `connection`. `retry_after`, `forward`:
    as in http_status.
    """

    count: int = 0
    status: int = 503
    retry_after: int = 0
    by: str = "trace"
    forward: int = 0

    def problem(self) -> str:
        """See `Fault.problem`."""
        if self.by not in _BY:
            return f'by must be trace or connection, found "{self.by}".{did_you_mean(self.by, _BY)}'
        return status_problem(self.status) or flag_problem("forward", self.forward)

    def act(self, request: Head, memory: Memory) -> Act | None:
        """See `HttpFault.act`."""
        trace_id = trace_of(request)[0] if self.by == "trace" else ""
        if memory.count(trace_id) >= self.count:
            return None
        return Act(forward=bool(self.forward), made=made_answer(self.status, retry_after=self.retry_after))
