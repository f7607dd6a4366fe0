"""The http_delay fault: answers come later, whole; the request does not."""

from __future__ import annotations

from dataclasses import dataclass

from harness.chaos.faults.fault import register
from harness.chaos.faults.http_fault import Act, HttpFault, Memory
from harness.chaos.messages import Head

__all__ = ["HttpDelay"]


@register("http_delay", "answers {delay} ms late")
@dataclass(frozen=True, slots=True)
class HttpDelay(HttpFault):
    """Holds each answer back by a uniform draw from [delay - jitter, delay + jitter) milliseconds, from when it begins."""

    delay: int = 0
    jitter: int = 0

    def act(self, request: Head, memory: Memory) -> Act:  # noqa: ARG002 - the same for every request
        """See `HttpFault.act`."""
        delay = self.delay
        if self.jitter > 0:
            delay += memory.rng.randrange(self.jitter * 2) - self.jitter
        return Act(delay_s=max(delay, 0) / 1000)
