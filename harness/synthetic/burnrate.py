"""Multi-window burn-rate alerts (Google SRE Workbook, chapter 5): pure arithmetic on events and a given "now".

An alert needs two windows to burn too fast: the long one says that it matters, the short one that it still goes on. So an
alert neither fires on a blip nor stays up long after the trouble is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.synthetic.slo import Event, Slo

__all__ = ["POLICIES", "Alert", "BurnPolicy", "Urgency", "alerts", "burn_rate"]

_REFERENCE_WINDOW_S = 30 * 86400.0
_HOUR_S, _DAY_S = 3600.0, 86400.0


class Urgency(StrEnum):
    """`page`: somebody is woken. `ticket`: somebody looks at it in working hours."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class BurnPolicy:
    """Windows in seconds, for a promise over 30 days, and the burn rate both must exceed."""

    urgency: Urgency
    threshold: float
    long_s: float
    short_s: float


#: 2 % of the budget in an hour, 5 % in six hours, 10 % in a day, 10 % in three days.
POLICIES = (
    BurnPolicy(Urgency.PAGE, 14.4, 1 * _HOUR_S, _HOUR_S / 12),
    BurnPolicy(Urgency.PAGE, 6.0, 6 * _HOUR_S, _HOUR_S / 2),
    BurnPolicy(Urgency.TICKET, 3.0, 1 * _DAY_S, 2 * _HOUR_S),
    BurnPolicy(Urgency.TICKET, 1.0, 3 * _DAY_S, 6 * _HOUR_S),
)


@dataclass(frozen=True, slots=True)
class Alert:
    """A policy whose two windows both burn faster than its threshold."""

    policy: BurnPolicy
    long_burn: float
    short_burn: float


def burn_rate(slo: Slo, events: Iterable[Event], *, now: float, window_s: float) -> float | None:
    """Burn rate over the `window_s` seconds up to `now`; None when nothing happened in them."""
    inside = [e.good for e in events if now - window_s < e.at <= now]
    if not inside:
        return None
    return (len(inside) - sum(inside)) / len(inside) / slo.allowed


def alerts(
    slo: Slo, events: Sequence[Event], *, now: float, policies: Sequence[BurnPolicy] = POLICIES
) -> tuple[Alert, ...]:
    """Say which policies fire at `now`.

    Args:
        events: walks of the objective's journey, in any order.
        policies: written for 30 days; windows are scaled to the objective's own.
    """
    scale = slo.window_s / _REFERENCE_WINDOW_S
    fired: list[Alert] = []
    for policy in policies:
        long_burn = burn_rate(slo, events, now=now, window_s=policy.long_s * scale)
        short_burn = burn_rate(slo, events, now=now, window_s=policy.short_s * scale)
        if long_burn is None or short_burn is None:
            continue
        if long_burn > policy.threshold and short_burn > policy.threshold:
            fired.append(Alert(policy, long_burn, short_burn))
    return tuple(fired)
