"""Synthetic checks: journeys walked once as smoke test, or as tagged traffic against objectives and error budgets."""

from harness.synthetic.burnrate import POLICIES, Alert, BurnPolicy, Urgency, alerts, burn_rate
from harness.synthetic.slo import Compliance, Event, Slo, compliance, load_slos

__all__ = [
    "POLICIES",
    "Alert",
    "BurnPolicy",
    "Compliance",
    "Event",
    "Slo",
    "Urgency",
    "alerts",
    "burn_rate",
    "compliance",
    "load_slos",
]
