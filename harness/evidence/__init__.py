"""What a run leaves behind: measures, findings, results, and the store that keeps them; nothing here runs anything."""

from harness.evidence._names import is_secret_name
from harness.evidence.finding import Exchange, Finding, Place, Severity
from harness.evidence.masking import masked, masked_text
from harness.evidence.measure import Measure, Quantity
from harness.evidence.redaction import Redactor
from harness.evidence.result import CUT_SHORT, Artifact, GateOutcome, RunResult, StageResult, Status, worst
from harness.evidence.series import CHART_MEDIA_TYPE, Chart, Series, Window, read_chart, write_chart
from harness.evidence.wire import from_json, to_json

__all__ = [
    "CHART_MEDIA_TYPE",
    "CUT_SHORT",
    "Artifact",
    "Chart",
    "Exchange",
    "Finding",
    "GateOutcome",
    "Measure",
    "Place",
    "Quantity",
    "Redactor",
    "RunResult",
    "Series",
    "Severity",
    "StageResult",
    "Status",
    "Window",
    "from_json",
    "is_secret_name",
    "masked",
    "masked_text",
    "read_chart",
    "to_json",
    "worst",
    "write_chart",
]
