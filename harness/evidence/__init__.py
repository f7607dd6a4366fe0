"""What a run leaves behind: measures, findings, results, and the store that keeps them; nothing here runs anything."""

from harness.evidence.finding import Exchange, Finding, Place, Severity
from harness.evidence.measure import Measure, Quantity
from harness.evidence.redaction import Redactor
from harness.evidence.result import Artifact, GateOutcome, RunResult, StageResult, Status, worst
from harness.evidence.wire import from_json, to_json

__all__ = [
    "Artifact",
    "Exchange",
    "Finding",
    "GateOutcome",
    "Measure",
    "Place",
    "Quantity",
    "Redactor",
    "RunResult",
    "Severity",
    "StageResult",
    "Status",
    "from_json",
    "to_json",
    "worst",
]
