"""What stages and runs conclude: the objects in memory and the JSON in `result.json` are the same thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from harness.evidence.finding import Finding, Severity
from harness.evidence.measure import Measure

__all__ = ["CUT_SHORT", "SCHEMA_VERSION", "Artifact", "GateOutcome", "RunResult", "StageResult", "Status", "worst"]

SCHEMA_VERSION = 1
#: How the reason begins of a run, and of a stage, that did not come to its end because the harness did.
CUT_SHORT = "cut short"


class Status(StrEnum):
    """The verdicts; `skipped` is for a stage that was not asked for or is switched off, and always carries a reason."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    SKIPPED = "skipped"


_ORDER = (Status.FAIL, Status.INCONCLUSIVE, Status.WARN, Status.PASS)


def worst(statuses: Iterable[Status]) -> Status:
    """Combine: any fail is fail, else any inconclusive, else any warn, else pass; nothing at all is inconclusive."""
    seen = set(statuses)
    return next((s for s in _ORDER if s in seen), Status.INCONCLUSIVE)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file a stage left: `path` is relative to the run's directory."""

    name: str
    path: str
    media_type: str = "text/plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """What one stage did and found.

    Args:
        work: counts of what was really done, e.g. `{"interactions": 31}`; all zero means inconclusive.
        started: seconds since the epoch.
        duration_s: wall time in seconds.
        usage_error: whether the reason is a mistake the user can mend (exit code 2).
    """

    KNOWN_BY: ClassVar[frozenset[str]] = frozenset({"name"})

    name: str
    status: Status
    reason: str = ""
    work: Mapping[str, int] = field(default_factory=dict)
    started: float = 0.0
    duration_s: float = 0.0
    measures: tuple[Measure, ...] = ()
    findings: tuple[Finding, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    usage_error: bool = False

    @classmethod
    def conclude(
        cls,
        name: str,
        *,
        work: Mapping[str, int],
        measures: Iterable[Measure] = (),
        findings: Iterable[Finding] = (),
        artifacts: Iterable[Artifact] = (),
        reason: str = "",
    ) -> StageResult:
        """Draw the status from what was found; no work is inconclusive whatever else was seen, unless it failed."""
        findings = tuple(findings)
        severities = {f.severity for f in findings}
        errors = sum(f.severity is Severity.ERROR for f in findings)
        if errors:
            status, said = Status.FAIL, f"{errors} error{'s' if errors > 1 else ''} found"
        elif not any(work.values()):
            status, said = Status.INCONCLUSIVE, "did no work"
        elif Severity.WARNING in severities:
            status, said = Status.WARN, "warnings found"
        else:
            status, said = Status.PASS, ""
        return cls(
            name=name,
            status=status,
            reason=reason or said,
            work=dict(work),
            measures=tuple(measures),
            findings=findings,
            artifacts=tuple(artifacts),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome:
    """What one gate said, on one measure or one set of findings."""

    gate: str
    stage: str
    status: Status
    reason: str
    measure: Measure | None = None
    limit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One run of the pipeline; this is `result.json`.

    Args:
        started: ISO 8601, UTC.
        duration_s: wall time in seconds.
        resources: what the harness's own process used: `cpu_s`, `children_cpu_s`, `peak_mb`.
    """

    run_id: str
    system: str
    profile: str
    seed: int
    verdict: Status
    reason: str
    exit_code: int
    started: str
    duration_s: float
    stages: tuple[StageResult, ...]
    gates: tuple[GateOutcome, ...] = ()
    commit: str = ""
    branch: str = ""
    environment: str = ""
    command: str = ""
    resources: Mapping[str, float] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @property
    def cut_short(self) -> bool:
        """Whether the harness was killed, or broke, before the run had come to its end."""
        return self.reason.startswith(CUT_SHORT)

    def stage(self, name: str) -> StageResult | None:
        """Return the result of the stage `name`, or None."""
        return next((s for s in self.stages if s.name == name), None)
