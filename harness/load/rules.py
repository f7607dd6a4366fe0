"""Every rule that a finding of the load stage may carry; a test looks that none is missing."""

from __future__ import annotations

from harness.pipeline import walked

__all__ = ["RULES"]

RULES = frozenset(
    {
        "load.ended_early",
        "load.errors",
        "load.generator_bottleneck",
        "load.never_ran",
        "load.only_on_start",
        "load.saturated",
        "load.task_broke",
        *(f"load.{rule}" for rule in walked.RULES),
    }
)
