"""Rules on measures and findings. A gate that saw nothing to judge is inconclusive, never passed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from statistics import median

from harness.errors import InfrastructureError, did_you_mean
from harness.evidence import Finding, GateOutcome, Measure, Place, Quantity, Severity, StageResult, Status, worst
from harness.system.tables import GateSpec

__all__ = ["History", "apply_gates", "gates_of"]

#: Values of a measure (name, labels) in the last passing runs, newest first.
History = Callable[[str, Mapping[str, str]], Sequence[float]]


def gates_of(stage: str, gates: Iterable[GateSpec]) -> tuple[GateSpec, ...]:
    """Gates that judge what `stage` produces."""
    return tuple(
        g
        for g in gates
        if (owner := (g.measure or g.findings).split(".", maxsplit=1)[0]) in {stage, "*"}
        or (g.findings and owner == "system")  # a service that died is told by the stage in which it did
    )


def apply_gates(
    result: StageResult, gates: Iterable[GateSpec], history: History
) -> tuple[StageResult, tuple[GateOutcome, ...]]:
    """Judge a stage's result.

    Returns:
        The result with a finding for every gate that failed or warned and the status that follows, and all outcomes.
    """
    outcomes = tuple(o for g in gates_of(result.name, gates) for o in _judge(g, result, history))
    if not outcomes:
        return result, ()
    findings = tuple(_finding(o) for o in outcomes if o.status in {Status.FAIL, Status.WARN})
    status = worst((result.status, *(o.status for o in outcomes)))
    broken = [o for o in outcomes if o.status is status and status is not Status.PASS]
    reason = result.reason if status is result.status or not broken else _sum_up(broken)
    return replace(result, status=status, reason=reason, findings=(*result.findings, *findings)), outcomes


def _sum_up(broken: Sequence[GateOutcome]) -> str:
    more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    return f"gate {broken[0].gate}: {broken[0].reason}{more}"


def _judge(gate: GateSpec, result: StageResult, history: History) -> list[GateOutcome]:
    if gate.findings:
        return [_judge_findings(gate, result)]
    measures = [m for m in result.measures if m.matches(gate.measure, gate.where)]
    if not measures:
        return [
            GateOutcome(
                gate=_name(gate),
                stage=result.name,
                status=Status.INCONCLUSIVE,
                reason=f"there is no such measure in this run{_nearest(gate, result.measures)}",
            )
        ]
    return [_judge_measure(gate, result.name, m, history) for m in measures]


def _nearest(gate: GateSpec, measures: Iterable[Measure]) -> str:
    names = sorted({m.name for m in measures})
    if gate.measure in names:
        seen = sorted({f"{k}={v}" for m in measures if m.name == gate.measure for k, v in m.labels.items()})
        return f" with these labels; seen: {', '.join(seen)}"
    return f".{did_you_mean(gate.measure, names)}" if names else ""


def _judge_findings(gate: GateSpec, result: StageResult) -> GateOutcome:
    count = sum(fnmatchcase(f.rule, gate.findings) for f in result.findings)
    limit = int((gate.max or Quantity(0)).value)
    over = count > limit
    return GateOutcome(
        gate=_name(gate),
        stage=result.name,
        status=Status.FAIL if over else Status.PASS,
        reason=f"{count} found, at most {limit} allowed",
        limit=f"max {limit}",
    )


def _judge_measure(gate: GateSpec, stage: str, measure: Measure, history: History) -> GateOutcome:
    try:
        verdicts = [*_limits(gate, measure), *_against_baseline(gate, measure, history)]
    except (ValueError, InfrastructureError) as error:  # a history that cannot be read is not an empty one
        verdicts = [(Status.INCONCLUSIVE, str(error), "")]
    status = worst(v[0] for v in verdicts)
    reason = "; ".join(dict.fromkeys(v[1] for v in verdicts if v[0] is status))
    limit = ", ".join(v[2] for v in verdicts if v[2])
    return GateOutcome(gate=_name(gate), stage=stage, status=status, reason=reason, measure=measure, limit=limit)


def _limits(gate: GateSpec, measure: Measure) -> Iterable[tuple[Status, str, str]]:
    shown = _shown(measure.value, measure.unit)
    if gate.max is not None:
        over = measure.value > gate.max.in_unit(measure.unit)
        warned = gate.warn is not None and measure.value > gate.warn.in_unit(measure.unit)
        yield (
            _step(over, warned),
            f"{shown}, at most {gate.warn if warned and not over else gate.max}",
            f"max {gate.max}",
        )
    if gate.min is not None:
        under = measure.value < gate.min.in_unit(measure.unit)
        warned = gate.warn is not None and measure.value < gate.warn.in_unit(measure.unit)
        yield (
            _step(under, warned),
            f"{shown}, at least {gate.warn if warned and not under else gate.min}",
            f"min {gate.min}",
        )


def _step(broken: bool, warned: bool) -> Status:
    return Status.FAIL if broken else Status.WARN if warned else Status.PASS


def _against_baseline(gate: GateSpec, measure: Measure, history: History) -> Iterable[tuple[Status, str, str]]:
    if not gate.baseline:
        return
    earlier = history(measure.name, measure.labels)
    allowed = float(gate.baseline.rstrip("%")) / 100
    if not earlier:
        yield Status.PASS, "no earlier passing run to compare with", f"baseline {gate.baseline}"
        return
    base = median(earlier)
    limit = base * (1 + allowed)
    broken = measure.value > limit if allowed >= 0 else measure.value < limit
    shown, was = _shown(measure.value, measure.unit), _shown(base, measure.unit)
    change = f"{(measure.value / base - 1) * 100:+.0f}%" if base else "from zero"
    reason = f"{shown}, {change} against {was} in the last {len(earlier)} passing runs, allowed {gate.baseline}"
    yield _step(broken, warned=False), reason, f"baseline {gate.baseline} of {was}"


def _shown(value: float, unit: str) -> str:
    if unit == "ratio":
        return f"{value * 100:.3g}%"
    return f"{value:.4g}" if unit == "count" else f"{value:.4g} {unit}"


def _name(gate: GateSpec) -> str:
    labels = ",".join(f"{k}={v}" for k, v in sorted(gate.where.items()))
    subject = gate.measure or f"findings {gate.findings}"
    return f"{subject}{{{labels}}}" if labels else subject


def _finding(outcome: GateOutcome) -> Finding:
    measure = outcome.measure
    labels = dict(measure.labels) if measure else {}
    subject = f"{measure}" if measure else outcome.gate
    of = ", ".join(f"{value}" for _, value in sorted(labels.items()))
    what = f"{measure.name} of {of}" if measure and of else outcome.gate
    return Finding(
        rule=f"{outcome.stage}.gate",
        severity=Severity.ERROR if outcome.status is Status.FAIL else Severity.WARNING,
        title=f"{what}: {outcome.reason}",
        detail=f"Gate: {outcome.gate} ({outcome.limit}). Measured: {subject}.",
        place=Place(
            journey=labels.get("journey", ""),
            service=labels.get("service", ""),
            experiment=labels.get("experiment", ""),
        ),
        reproduce=f"harness run {outcome.stage}",
        key=f"{outcome.gate}|{sorted(labels.items())}|{outcome.limit.split(' of ', maxsplit=1)[0]}",
    )
