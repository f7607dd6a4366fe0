"""Every rule that a finding of the chaos stage may carry; a test looks that none is missing."""

from __future__ import annotations

__all__ = ["rules"]

_OWN = frozenset(
    {
        "chaos.breaker_hidden",
        "chaos.document_unread",
        "chaos.edge_unused",
        "chaos.expectation",
        "chaos.invariant",
        "chaos.no_traffic",
        "chaos.not_started",
        "chaos.recovery",
        "chaos.service_died",
        "chaos.steady_state_before",
        "chaos.store_untried",
        "chaos.untraced",
    }
)


def rules() -> frozenset[str]:
    """The rules: what experiments say, and one for each kind of promise."""
    from harness.chaos.explore.judging import Kind

    return _OWN | {f"chaos.promise.{kind}" for kind in Kind}
