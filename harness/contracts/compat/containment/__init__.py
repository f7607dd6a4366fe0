"""Whether every value of one schema is a value of another; where not, a value that shows it. Wording is elsewhere."""

from __future__ import annotations

from harness.contracts.compat.containment.decide import Answer, Conditions, Containment, Verdict

__all__ = ["Answer", "Conditions", "Containment", "Verdict"]
