"""Concludes from all sessions: what was tested and what was not, measures, artifacts. Fuzzes nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from harness.errors import InfrastructureError
from harness.evidence import Artifact, Finding, Measure, StageResult
from harness.fuzz.session import Session
from harness.pipeline.stage import StageContext

__all__ = ["conclude"]

#: Operations without a request are told together when there are more: a large document has thousands.
_TOLD_ONE_BY_ONE = 10


def conclude(context: StageContext, sessions: Sequence[Session]) -> StageResult:
    """Tell what was not tested, and the stage's result.

    Raises:
        InfrastructureError: when Schemathesis broke and nothing else was found.
    """
    broken = [text for s in sessions for text in s.broken]
    if broken and not context.findings:
        raise InfrastructureError("; ".join(broken))
    for session in sessions:
        for finding in _coverage_findings(session):
            context.found(finding)
    work = {
        "services": sum(bool(s.tested) for s in sessions),
        "operations": sum(len(s.tested) for s in sessions),
        "cases": sum(s.report.operations[o].cases for s in sessions for o in s.tested),
    }
    reason = f"Schemathesis broke: {'; '.join(broken)}" if broken else ""
    return context.result(
        work=work,
        measures=[m for s in sessions for m in _measures(s)],
        artifacts=_artifacts(context, sessions),
        reason=reason,
    )


def _coverage_findings(session: Session) -> Iterator[Finding]:
    """Declared operations that were never accepted, never looked at, or never even reached."""
    declared, report, teller = session.target.document.operations, session.report, session.teller
    missed = [o for o in declared if o not in report.operations]
    told = [(o, session.why_missed(o)) for o in missed]
    if len(missed) > _TOLD_ONE_BY_ONE:
        yield teller.many_never_reached(missed, len(declared), [*dict.fromkeys(why for _, why in told)])
    else:
        yield from (teller.never_reached(operation, why) for operation, why in told)
    reached = session.reached
    if report.cases and not any(t.checks for t in report.operations.values()):
        yield teller.not_checked(report.cases)
    else:
        yield from (teller.operation_not_checked(o) for o in reached if report.operations[o].unchecked)
    statuses: Counter[int] = sum((report.operations[o].statuses for o in reached), Counter())
    if statuses and _all_refused(statuses):
        yield teller.all_refused(statuses, authenticated=bool(session.target.auth))
        return
    for operation in reached:
        tally = report.operations[operation]
        if not tally.accepted:
            seen = ", ".join(f"{status or 'none'} ({n}x)" for status, n in tally.statuses.most_common(5))
            yield teller.never_accepted(operation, seen)


def _all_refused(statuses: Mapping[int, int]) -> bool:
    """Whether nothing was accepted: refusals only, or one and the same redirect for everything."""
    if all(400 <= status < 500 for status in statuses):
        return True
    return len(statuses) == 1 and all(300 <= status < 400 for status in statuses)


def _measures(session: Session) -> Iterator[Measure]:
    labels = {"service": session.target.name}
    cases, declared = session.report.cases, session.target.document.operations
    accepted = sum(session.report.operations[o].accepted for o in session.reached)
    yield Measure("fuzz.cases", cases, "count", labels)
    yield Measure("fuzz.rate", cases / session.spent_s if session.spent_s else 0.0, "1/s", labels)
    yield Measure("fuzz.operation_coverage", accepted / len(declared), "ratio", labels)


def _artifacts(context: StageContext, sessions: Sequence[Session]) -> list[Artifact]:
    """What every operation received, and Schemathesis' own words."""
    table = {
        s.target.name: {
            name: {"cases": t.cases, "phases": dict(t.phases), "statuses": dict(sorted(t.statuses.items()))}
            for name, t in sorted(s.report.operations.items())
        }
        for s in sessions
    }
    file = context.directory / "operations.json"
    file.write_text(json.dumps(table, indent=1), encoding="utf-8")
    logs = sorted(log for s in sessions for log in (context.directory / s.target.name).glob("*.log"))
    return [
        context.artifact(file, "what each operation received", "application/json"),
        *(context.artifact(log, f"Schemathesis on {log.parent.name}, {log.stem}") for log in logs),
    ]
