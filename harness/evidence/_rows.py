"""Runs as rows of the evidence store's tables, and back; knows no connection."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.evidence.finding import Finding
from harness.evidence.measure import Measure
from harness.evidence.result import CUT_SHORT, Artifact, GateOutcome, RunResult, StageResult, Status
from harness.evidence.wire import from_json, to_json

if TYPE_CHECKING:
    from sqlalchemy import Row, Table

    from harness.evidence._tables import Tables

__all__ = ["PastRun", "labels_text", "past_run", "result_of", "rows_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """One line of the history: what `harness report` lists and the trend is drawn from.

    Args:
        started: ISO 8601, UTC.
        duration_s: wall time in seconds.
        errors, warnings: how many findings of that severity.
    """

    run_id: str
    system: str
    profile: str
    environment: str
    commit: str
    branch: str
    started: str
    duration_s: float
    verdict: Status
    exit_code: int
    seed: int
    errors: int = 0
    warnings: int = 0
    reason: str = ""

    @property
    def cut_short(self) -> bool:
        """See `RunResult.cut_short`."""
        return self.reason.startswith(CUT_SHORT)


def labels_text(labels: Mapping[str, str]) -> str:
    """Labels as one text, equal for equal labels."""
    return _text(json.dumps(dict(labels), sort_keys=True))


def _text(text: str) -> str:
    """Text every database takes: no NUL, no lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def rows_of(t: Tables, result: RunResult, versions: Mapping[str, str]) -> Iterable[tuple[Table, list[dict[str, Any]]]]:
    key = {"run_id": result.run_id}
    yield t.runs, [_run_row(result)]
    yield t.versions, [{**key, "service": s, "version": v} for s, v in versions.items()]
    yield t.stages, [{**key, "position": i, **_stage_row(s)} for i, s in enumerate(result.stages)]
    yield (
        t.measures,
        [
            {
                **key,
                "stage": s.name,
                "position": i,
                "name": m.name,
                "value": m.value,
                "unit": m.unit,
                "labels": labels_text(m.labels),
            }
            for s in result.stages
            for i, m in enumerate(s.measures)
            if math.isfinite(m.value)
        ],
    )
    yield (
        t.findings,
        [
            {**key, "stage": s.name, "position": i, **_finding_row(f)}
            for s in result.stages
            for i, f in enumerate(s.findings)
        ],
    )
    yield (
        t.gates,
        [
            {
                **key,
                "position": i,
                "gate": _text(g.gate),
                "stage": g.stage,
                "status": g.status.value,
                "document": _text(to_json(g)),
            }
            for i, g in enumerate(result.gates)
        ],
    )


def _run_row(result: RunResult) -> dict[str, Any]:
    return {
        "run_id": result.run_id,
        "system": result.system,
        "profile": result.profile,
        "environment": result.environment,
        "commit": result.commit,
        "branch": result.branch,
        "started": result.started,
        "duration_s": result.duration_s,
        "verdict": result.verdict.value,
        "reason": _text(result.reason),
        "exit_code": result.exit_code,
        "seed": str(result.seed),
        "command": _text(result.command),
        "resources": json.dumps(dict(result.resources)),
        "schema_version": result.schema_version,
    }


def _stage_row(stage: StageResult) -> dict[str, Any]:
    return {
        "name": stage.name,
        "status": stage.status.value,
        "reason": _text(stage.reason),
        "work": json.dumps(dict(stage.work)),
        "started": stage.started,
        "duration_s": stage.duration_s,
        "usage_error": int(stage.usage_error),
        "artifacts": _text(to_json(stage.artifacts, tuple[Artifact, ...])),
    }


def _finding_row(finding: Finding) -> dict[str, Any]:
    return {
        "fingerprint": finding.fingerprint,
        "rule": _text(finding.rule),
        "severity": finding.severity.value,
        "title": _text(finding.title),
        "service": _text(finding.place.service),
        "edge": _text(finding.place.edge),
        "document": _text(to_json(finding)),
    }


def past_run(row: Row[Any]) -> PastRun:
    """A line of the history."""
    names = [n for n in PastRun.__dataclass_fields__ if n not in {"verdict", "seed"}]
    return PastRun(verdict=Status(row.verdict), seed=int(row.seed), **{n: getattr(row, n) for n in names})


def result_of(row: Row[Any], parts: Mapping[str, list[Row[Any]]]) -> RunResult:
    return RunResult(
        run_id=row.run_id,
        system=row.system,
        profile=row.profile,
        seed=int(row.seed),
        verdict=Status(row.verdict),
        reason=row.reason,
        exit_code=row.exit_code,
        started=row.started,
        duration_s=row.duration_s,
        stages=tuple(_stage(s, parts) for s in parts["stages"]),
        gates=tuple(from_json(GateOutcome, g.document) for g in parts["gates"]),
        commit=row.commit,
        branch=row.branch,
        environment=row.environment,
        command=row.command,
        resources=json.loads(row.resources),
        schema_version=row.schema_version,
    )


def _stage(row: Row[Any], parts: Mapping[str, list[Row[Any]]]) -> StageResult:
    measures = [m for m in parts["measures"] if m.stage == row.name]
    return StageResult(
        name=row.name,
        status=Status(row.status),
        reason=row.reason,
        work=json.loads(row.work),
        started=row.started,
        duration_s=row.duration_s,
        measures=tuple(Measure(m.name, m.value, m.unit, json.loads(m.labels)) for m in measures),
        findings=tuple(from_json(Finding, f.document) for f in parts["findings"] if f.stage == row.name),
        artifacts=from_json(tuple[Artifact, ...], row.artifacts),
        usage_error=bool(row.usage_error),
    )
