"""The kinds of failure every edge is tried with, as toxics fitted to what the edge promises; puts nothing in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from harness.chaos.experiments import REFUSED, Injection
from harness.system.model import Edge, ResilienceContract

__all__ = ["FAILURES", "Effect", "Failure"]

#: What an edge without a budget is given before an answer counts as too slow, in seconds.
_NO_BUDGET_S = 1.0
_PROBLEM = '{"title": "injected failure"}'
_PAGE = "<html><body>Service Unavailable</body></html>"


class Effect(StrEnum):
    """What a failure does to a call at the edge."""

    HARMLESS = "harmless"
    FAILS = "fails"
    RECOVERS = "recovers"


@dataclass(frozen=True, slots=True)
class Failure:
    """One kind of failure.

    Args:
        name: as the command line takes it.
        words: what the callee does, to be read after its name: `hangs`.
        effect: whether calls at the edge can still succeed.
        counted: whether the calls made can be seen at the edge; not where connections are refused.
        holds: whether it keeps the caller waiting, so that what it shares with others can run out.
        lasts: whether it goes on until the caller's circuit breaker opens; only for edges that promise one.
        make: the toxics for an edge.
    """

    name: str
    words: str
    effect: Effect
    make: Callable[[ResilienceContract], tuple[Injection, ...]]
    counted: bool = True
    holds: bool = False
    lasts: bool = False

    def fits(self, edge: Edge) -> bool:
        """Whether there is anything on an edge that it could try."""
        return edge.contract.breaker is not None or not self.lasts

    def injections(self, edge: Edge) -> tuple[Injection, ...]:
        """The toxics that make up this failure on an edge."""
        return self.make(edge.contract)


def _toxic(
    type_: str, attributes: Mapping[str, int | str], stream: str = "downstream"
) -> Callable[[ResilienceContract], tuple[Injection, ...]]:
    injection = (Injection(type_, attributes, stream),)
    return lambda _: injection


def _slow(contract: ResilienceContract) -> tuple[Injection, ...]:
    # A caller that repeats calls may give each of them a share of its budget: half of such a share is slow, and in time.
    share = (contract.budget_s or _NO_BUDGET_S) / (contract.attempts or 1)
    return (Injection("latency", {"latency": round(share * 500)}),)


def _too_slow(contract: ResilienceContract) -> tuple[Injection, ...]:
    return (Injection("latency", {"latency": round((contract.budget_s or _NO_BUDGET_S) * 1500) + 500}),)


def _first_fail(contract: ResilienceContract) -> tuple[Injection, ...]:
    count = max(1, (contract.attempts or 1) - 1)
    return (Injection("http_fail_first", {"count": count, "status": 503, "by": "trace"}),)


def _status(status: int, **more: int) -> Callable[[ResilienceContract], tuple[Injection, ...]]:
    said: dict[str, int | str] = {
        "status": status,
        "body": _PROBLEM,
        "content_type": "application/problem+json",
        **more,
    }
    return _toxic("http_status", said)


_ALL = (
    Failure("refused", "refuses connections", Effect.FAILS, _toxic(REFUSED, {}), counted=False),
    Failure(
        "reset-before",
        "resets connections before a request has reached it",
        Effect.FAILS,
        _toxic("reset_peer", {"timeout": 0}, "upstream"),
    ),
    Failure(
        "reset-after",
        "resets connections after it has done what was asked",
        Effect.FAILS,
        _toxic("reset_peer", {"timeout": 0}),
    ),
    Failure("hang", "hangs", Effect.FAILS, _toxic("timeout", {"timeout": 0}), holds=True),
    Failure("slow", "is slow, within the budget", Effect.HARMLESS, _slow),
    Failure("too-slow", "answers after the budget", Effect.FAILS, _too_slow, holds=True),
    Failure("error-500", "answers 500", Effect.FAILS, _status(500)),
    Failure("error-503", "answers 503", Effect.FAILS, _status(503)),
    Failure("throttled", "answers 429 with Retry-After", Effect.FAILS, _status(429, retry_after=1)),
    Failure("malformed", "answers with broken JSON", Effect.FAILS, _toxic("http_body", {"action": "malformed"})),
    Failure(
        "truncated", "breaks its answers off", Effect.FAILS, _toxic("http_body", {"action": "truncate", "bytes": 1})
    ),
    Failure(
        "wrong-type",
        "answers with a page instead of data",
        Effect.FAILS,
        _toxic("http_body", {"action": "replace", "value": _PAGE, "content_type": "text/html"}),
    ),
    Failure("fails-first", "fails at first, then works", Effect.RECOVERS, _first_fail),
    Failure("breaker", "goes on answering 503", Effect.FAILS, _status(503), lasts=True),
)

#: Every kind of failure by name, in the order they are tried and shown.
FAILURES: Mapping[str, Failure] = {failure.name: failure for failure in _ALL}
