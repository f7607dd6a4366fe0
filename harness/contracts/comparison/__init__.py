"""Contracts of consumers against the document of their provider, without running it."""

from __future__ import annotations

from harness.contracts.comparison.codes import CODES, Code, Severity
from harness.contracts.comparison.compare import Comparator, compare_pacts
from harness.contracts.comparison.reading import read_pacts
from harness.contracts.comparison.results import Compared, Incompatibility

__all__ = ["CODES", "Code", "Comparator", "Compared", "Incompatibility", "Severity", "compare_pacts", "read_pacts"]
