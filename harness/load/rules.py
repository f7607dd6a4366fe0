"""Every rule that a finding of the load stage may carry; a test looks that none is missing."""

from __future__ import annotations

__all__ = ["RULES"]

RULES = frozenset({"load.errors", "load.generator_bottleneck", "load.never_ran", "load.saturated"})
