"""Every rule that a finding of the stages smoke and synthetic may carry; a test looks that none is missing."""

from __future__ import annotations

from harness.pipeline import walked

__all__ = ["SMOKE", "SYNTHETIC"]

SMOKE = frozenset({"smoke.journey_failed", *(f"smoke.{rule}" for rule in walked.RULES)})
SYNTHETIC = frozenset(
    {
        "synthetic.journey_failed",
        "synthetic.no_data",
        "synthetic.no_slo",
        "synthetic.slo",
        "synthetic.untagged",
        *(f"synthetic.{rule}" for rule in walked.RULES),
    }
)
