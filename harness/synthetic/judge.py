"""Turns walks into measures and findings, against the objectives; how walks are made is not known here."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from harness.errors import did_you_mean
from harness.evidence import Chart, Finding, Measure, Place, Series, Severity
from harness.pipeline.stage import StageContext
from harness.synthetic.burnrate import alerts
from harness.synthetic.slo import SIGNIFICANCE, Compliance, Event, Slo, compliance
from harness.synthetic.walks import failed_walk, failure_text
from harness.system.drive import Sample

__all__ = ["chart", "events_of", "findings", "measures", "work"]


def work(samples: Sequence[Sample]) -> dict[str, int]:
    """Count what was done; `tagged` counts requests that really carried the synthetic tag."""
    steps = [step for s in samples for step in s.steps]
    return {"walks": len(samples), "requests": len(steps), "tagged": sum(s.tagged for s in steps)}


def events_of(slo: Slo, samples: Iterable[Sample]) -> list[Event]:
    """The walks an objective counts, good and bad."""
    return [Event(s.intended, slo.good(s.ok, s.duration_ms)) for s in samples if s.journey == slo.journey]


def measures(samples: Sequence[Sample], slos: Sequence[Slo]) -> Iterator[Measure]:
    """Availability and latency of each journey; compliance, budget and burn rate of each objective."""
    for journey in dict.fromkeys(s.journey for s in samples):
        walked = [s for s in samples if s.journey == journey]
        label = {"journey": journey}
        yield Measure("synthetic.availability", sum(s.ok for s in walked) / len(walked), "ratio", label)
        ordered = sorted(s.duration_ms for s in walked)
        yield Measure("synthetic.latency.p95", ordered[math.ceil(0.95 * len(ordered)) - 1], "ms", label)
    for slo in slos:
        seen = compliance(slo, events_of(slo, samples))
        if seen.total:
            label = {"slo": slo.name, "journey": slo.journey}
            yield Measure("synthetic.compliance", seen.ratio, "ratio", label)
            yield Measure("synthetic.budget.remaining", seen.budget_remaining, "ratio", label)
            yield Measure("synthetic.burn_rate", seen.burn_rate, "count", label)


def findings(context: StageContext, samples: Sequence[Sample], slos: Sequence[Slo]) -> Iterator[Finding]:
    """Objectives that are broken or have no data, failed walks without an objective, requests without the tag."""
    yield from _untagged(context, samples)
    if not slos:
        yield _no_objective(context)
    for slo in slos:
        yield from _against(context, slo, samples)
    promised = {slo.journey for slo in slos}
    served = {s.journey for s in samples if s.ok}
    for sample in samples:
        if not sample.ok and sample.journey not in promised:
            severity = Severity.WARNING if sample.journey in served else Severity.ERROR
            yield failed_walk(context, sample, severity=severity, detail="No objective covers this journey.")


def _untagged(context: StageContext, samples: Sequence[Sample]) -> Iterator[Finding]:
    bare = Counter(step.name for s in samples for step in s.steps if not step.tagged)
    if bare:
        total = sum(len(s.steps) for s in samples)
        yield Finding(
            rule="synthetic.untagged",
            severity=Severity.ERROR,
            title=f"{sum(bare.values())} of {total} synthetic requests went out without their tag",
            detail=(
                "Without `baggage: synthetic=true` the system takes them for real customers' and counts and charges them. "
                "A journey that sets a baggage header of its own must keep the tag in it.\n"
                + "\n".join(f"{n} × {name}" for name, n in bare.most_common(5))
            ),
            reproduce=context.again(),
        )


def _no_objective(context: StageContext) -> Finding:
    file = context.system.suites.slos
    return Finding(
        rule="synthetic.no_slo",
        severity=Severity.WARNING,
        title=f"no objective is declared: there is no {file}",
        detail=(
            "Journeys were walked and measured, but nothing says how good is good enough. "
            'Write, for example:\n\n[[slos]]\nname = "ordering works"\njourney = "buy"\n'
            'objective = "99.5%"\nlatency = "300ms"\nwindow = "30d"'
        ),
        place=Place(file=file),
    )


def _against(context: StageContext, slo: Slo, samples: Sequence[Sample]) -> Iterator[Finding]:
    events = events_of(slo, samples)
    if not events:
        yield _no_data(context, slo, samples)
        return
    seen = compliance(slo, events)
    if not seen.met:
        yield _missed(context, slo, seen, events, [s for s in samples if s.journey == slo.journey])


def _no_data(context: StageContext, slo: Slo, samples: Sequence[Sample]) -> Finding:
    walked = list(dict.fromkeys(s.journey for s in samples))
    return Finding(
        rule="synthetic.no_data",
        severity=Severity.ERROR,
        title=f'the objective "{slo.name}" has nothing to go by: the journey "{slo.journey}" was not walked',
        detail=(
            f"Walked were: {', '.join(walked) or 'none'}.{did_you_mean(slo.journey, walked)} "
            "A journey of weight 0 is walked only when [stages.synthetic] journeys names it."
        ),
        place=Place(journey=slo.journey, file=context.system.suites.slos),
        key=slo.name,
        reproduce=context.again(),
    )


def _missed(
    context: StageContext, slo: Slo, seen: Compliance, events: Sequence[Event], walked: Sequence[Sample]
) -> Finding:
    promise = f"{slo.objective * 100:.6g}%"
    within = f" within {slo.latency_s * 1000:g} ms" if slo.latency_s else ""
    bad = [s for s in walked if not slo.good(s.ok, s.duration_ms)]
    ways = Counter(failure_text(s) if not s.ok else f"took longer than {slo.latency_s or 0:g} s" for s in bad)
    worst = max(bad, key=lambda s: (not s.ok, s.duration_ms))
    fired = alerts(slo, events, now=max(e.at for e in events))
    days = slo.window_s / 86400
    luck = f"{seen.luck:.2g} (an error below {SIGNIFICANCE:g} or where no walk was good, else a warning: the sample is small)"
    lines = [
        f"Promised: {promise} of walks succeed{within}, over {days:g} days.",
        f"Seen: {seen.bad} bad of {seen.total}. A system that just keeps its promise shows as many with a chance of {luck}.",
        f"Burn rate {seen.burn_rate:.1f}: kept up, the budget of {days:g} days is gone in {days / seen.burn_rate:.2g} days.",
        *(f"{n} × {context.redactor.text(text)}" for text, n in ways.most_common(5)),
        *([f"In production this would {fired[0].policy.urgency}."] if fired else []),
    ]
    shown = failed_walk(context, worst, severity=Severity.ERROR) if not worst.ok else None
    return Finding(
        rule="synthetic.slo",
        # Not one user was served: no sample is too small to say so.
        severity=Severity.ERROR if seen.broken or seen.bad == seen.total else Severity.WARNING,
        title=f'"{slo.name}" is not kept: {seen.total - seen.bad} of {seen.total} walks of {slo.journey} were good '
        f"({seen.ratio:.1%}, promised {promise}{within})",
        detail="\n".join(lines) + (f"\n\n{shown.detail}" if shown else ""),
        place=Place(journey=slo.journey, file=context.system.suites.slos),
        exchange=shown.exchange if shown else None,
        key=slo.name,
        trace_id=worst.trace_id,
        reproduce=context.again(),
    )


def chart(samples: Sequence[Sample]) -> Chart:
    """Every walk as a point: when it was due, and how long it took."""
    lines = [
        Series(name, tuple(sorted((s.intended, s.duration_ms) for s in samples if s.journey == name)))
        for name in dict.fromkeys(s.journey for s in samples)
    ]
    failed = tuple(sorted((s.intended, s.duration_ms) for s in samples if not s.ok))
    return Chart("Synthetic walks", "ms", (*lines, *((Series("failed", failed),) if failed else ())))
