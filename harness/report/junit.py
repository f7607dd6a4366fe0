"""`junit.xml` for CI systems: a suite for each stage, a case for the stage itself, each finding and each gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.evidence import Finding, GateOutcome, RunResult, Severity, StageResult, Status
from harness.report.text import clip, labels_text, line, plain, value_text, work_text

if TYPE_CHECKING:
    from junitparser import TestCase, TestSuite

__all__ = ["junit_xml"]

#: CI systems choke on megabytes of response bodies; the whole text is in `result.json`.
_BODY_LIMIT = 8_000


def junit_xml(result: RunResult) -> bytes:
    """The result as JUnit XML, UTF-8, of valid characters only.

    Errors and failed gates are failures, inconclusive stages and gates are errors, warnings are passed cases that say so.
    """
    from junitparser import JUnitXml, TestSuite

    xml = JUnitXml(line(f"{result.system} {result.profile}"))
    for stage in result.stages:
        suite = _suite(stage)
        suite.add_testcases([_gate_case(g) for g in result.gates if g.stage == stage.name])
        xml.add_testsuite(suite)
    if result.cut_short:
        xml.add_testsuite(_cut_short(result))
    names = {s.name for s in result.stages}
    others = [g for g in result.gates if g.stage not in names]
    if others:
        suite = TestSuite("gates")
        suite.add_testcases([_gate_case(g) for g in others])
        xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call]  # junitparser has no annotations there
    text: bytes = xml.tostring()  # type: ignore[no-untyped-call]  # as above
    return text


def _cut_short(result: RunResult) -> TestSuite:
    """A suite that fails whatever the stages that had ended say."""
    from junitparser import Error, TestCase, TestSuite

    suite, case = TestSuite("run"), TestCase(name="the run came to its end", classname="run")
    case.result = Error(line(result.reason, 1000))
    suite.add_testcase(case)
    return suite


def _suite(stage: StageResult) -> TestSuite:
    from junitparser import TestSuite

    suite = TestSuite(line(stage.name))
    for kind, done in stage.work.items():
        suite.add_property(line(kind), str(done))
    for measure in stage.measures:
        labels = f" {{{labels_text(measure.labels)}}}" if measure.labels else ""
        suite.add_property(line(f"{measure.name}{labels}"), value_text(measure))
    suite.add_testcases([_stage_case(stage), *(_finding_case(stage, f) for f in stage.findings)])
    return suite


def _stage_case(stage: StageResult) -> TestCase:
    from junitparser import Error, Failure, Skipped, TestCase

    case = TestCase(
        name=line(f"{stage.name} did its work"), classname=line(stage.name), time=round(stage.duration_s, 3)
    )
    reason = line(stage.reason, 1000)
    if stage.status is Status.SKIPPED:
        case.result = Skipped(reason)
    elif stage.status is Status.INCONCLUSIVE:
        case.result = Error(reason or "inconclusive")
    elif stage.status is Status.FAIL and not any(f.severity is Severity.ERROR for f in stage.findings):
        case.result = Failure(reason or "failed")
    case.system_out = plain(work_text(stage.work))
    return case


def _finding_case(stage: StageResult, finding: Finding) -> TestCase:
    from junitparser import Failure, TestCase

    rule = finding.rule.removeprefix(f"{stage.name}.")
    case = TestCase(name=line(finding.title), classname=line(f"{stage.name}.{rule}"))
    if finding.place.file:
        case._elem.set("file", line(finding.place.file))
        if finding.place.line:
            case._elem.set("line", str(finding.place.line))
    told = _told(finding)
    if finding.severity is Severity.ERROR:
        failure = Failure(line(finding.title, 500), line(finding.rule))
        failure.text = told
        case.result = failure
    else:
        case.system_out = f"{finding.severity}: {told}"
    return case


def _told(finding: Finding) -> str:
    parts = [plain(finding.title), plain(str(finding.place)), plain(finding.detail)]
    if finding.exchange:
        for name, text in (
            ("request", finding.exchange.request),
            ("response", finding.exchange.response),
            ("expected", finding.exchange.expected),
        ):
            if text:
                parts.append(f"--- {name}\n{clip(plain(text), _BODY_LIMIT)}")
    if finding.reproduce:
        parts.append(f"reproduce: {plain(finding.reproduce)}")
    if finding.trace_id:
        parts.append(f"trace: {plain(finding.trace_id)}")
    parts.append(f"fingerprint: {finding.fingerprint}")
    return "\n".join(p for p in parts if p)


def _gate_case(gate: GateOutcome) -> TestCase:
    from junitparser import Error, Failure, Skipped, TestCase

    case = TestCase(name=line(f"gate {gate.gate}", 300), classname=line(f"{gate.stage or 'run'}.gates"))
    reason = line(gate.reason, 1000)
    if gate.status is Status.FAIL:
        case.result = Failure(reason, "gate")
    elif gate.status is Status.INCONCLUSIVE:
        case.result = Error(reason, "gate")
    elif gate.status is Status.SKIPPED:
        case.result = Skipped(reason)
    case.system_out = plain(f"{gate.status}: {gate.reason}" + (f" (limit: {gate.limit})" if gate.limit else ""))
    return case
