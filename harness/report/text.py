"""How numbers, times, measures and hostile text are written for people; shared by every report, knows no format."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TextIO

from harness.evidence import Finding, GateOutcome, Measure, RunResult, Severity, StageResult, Status
from harness.evidence.plain import plain

__all__ = [
    "by_severity",
    "clip",
    "count",
    "duration",
    "first_line",
    "headline",
    "key_measures",
    "labels_text",
    "line",
    "number",
    "outcome_text",
    "plain",
    "result_word",
    "severities_text",
    "value_text",
    "work_text",
    "write",
]

_WORDS = {
    Status.PASS: "passed",
    Status.WARN: "passed with warnings",
    Status.FAIL: "failed",
    Status.INCONCLUSIVE: "inconclusive",
    Status.SKIPPED: "skipped",
}
_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


def line(text: str, limit: int = 200) -> str:
    """Harmless text on one line, at most `limit` characters."""
    return clip(" ".join(plain(text).split()), limit)


def first_line(text: str, limit: int = 200) -> str:
    """The first line of a text whose further lines are details, harmless."""
    return line(text.strip().partition("\n")[0], limit)


def clip(text: str, limit: int) -> str:
    """Cut text to `limit` characters and say how much was left out."""
    if len(text) <= limit:
        return text
    return (
        f"{text[: max(limit - 1, 1)].rstrip()}…"
        if limit < 500
        else f"{text[:limit]}\n… {len(text) - limit:,} more characters"
    )


def duration(seconds: float) -> str:
    """`0.4 s`, `38 s`, `2 min 05 s`, `1 h 02 min`."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def number(value: float) -> str:
    """A number with as many digits as a reader needs: 1,234 · 12.3 · 0.0042."""
    if not math.isfinite(value):
        return "–"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 1:
        return f"{value:.1f}"
    return f"{value:.3g}"


def value_text(measure: Measure) -> str:
    """The measure's value with its unit, as people write it."""
    if measure.unit == "ratio":
        return f"{number(measure.value * 100)} %"
    if measure.unit == "count":
        return number(measure.value)
    if measure.unit == "s" and measure.value >= 60:
        return duration(measure.value)
    return f"{number(measure.value)} {'/s' if measure.unit == '1/s' else measure.unit}"


def labels_text(labels: Mapping[str, str]) -> str:
    """`journey=buy, edge=orders:payments`."""
    return ", ".join(f"{k}={v}" for k, v in sorted(labels.items()))


def count(n: int, noun: str, plural: str = "") -> str:
    """`1 finding`, `3 findings`, `no findings`."""
    return f"{n:,} {noun}" if n == 1 else f"{f'{n:,}' if n else 'no'} {plural or noun + 's'}"


def work_text(work: Mapping[str, int]) -> str:
    """`31 interactions, 8 messages`; counts of zero are left out unless all are."""
    # Kinds of work are written as plurals.
    done = [f"{n:,} {(kind.removesuffix('s') if n == 1 else kind).replace('_', ' ')}" for kind, n in work.items() if n]
    return ", ".join(done) or ("no work done" if work else "")


def result_word(status: Status) -> str:
    """The status as a participle: passed, failed, skipped ..."""
    return _WORDS[status]


def severities_text(findings: Iterable[Finding]) -> str:
    """`2 errors, 1 warning`; empty when there are none."""
    counts = Counter(f.severity for f in findings)
    return ", ".join(count(counts[s], str(s), "info" if s is Severity.INFO else "") for s in Severity if counts[s])


def outcome_text(stage: StageResult) -> str:
    """What a finished stage has to tell in one line: work done, findings, or why it did not come to that."""
    why = severities_text(stage.findings) or first_line(stage.reason)
    work = work_text(stage.work) if any(stage.work.values()) or not why else ""
    return "; ".join(t for t in (work, why) if t)


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """Findings, worst first; otherwise in the order in which they came."""
    return sorted(findings, key=lambda f: _RANK[f.severity])


def key_measures(stage: StageResult, gates: Iterable[GateOutcome], limit: int = 3) -> list[Measure]:
    """The measures worth a place in a table: those a gate looks at (worst first), then those without labels.

    One that only repeats how much work was done, or counts nothing, is not.
    """
    order = (Status.FAIL, Status.WARN, Status.INCONCLUSIVE, Status.PASS, Status.SKIPPED)
    gated = [
        g.measure for g in sorted(gates, key=lambda g: order.index(g.status)) if g.measure and g.stage == stage.name
    ]
    chosen: list[Measure] = []
    work = {f"{stage.name}.{kind}" for kind in stage.work}
    plain_ones = (m for m in stage.measures if not m.labels and m.name not in work and (m.value or m.unit != "count"))
    for measure in (*gated, *plain_ones):
        if measure not in chosen:
            chosen.append(measure)
    return chosen[:limit]


def headline(result: RunResult) -> str:
    """The verdict's reason in one sentence: the run's own, else one made from stages, gates and findings."""
    if result.reason:
        return result.reason
    findings = Counter(f.severity for s in result.stages for f in s.findings)
    failed = [g.gate for g in result.gates if g.status is Status.FAIL]
    parts = []
    if findings[Severity.ERROR]:
        stages = [s.name for s in result.stages if any(f.severity is Severity.ERROR for f in s.findings)]
        parts.append(f"{count(findings[Severity.ERROR], 'error')} in {', '.join(stages)}")
    if failed:
        parts.append(f"{count(len(failed), 'gate')} failed")
    open_ = [s.name for s in result.stages if s.status is Status.INCONCLUSIVE]
    if open_:
        parts.append(f"inconclusive: {', '.join(open_)}")
    if parts:
        return "; ".join(parts)
    ran = sum(s.status is not Status.SKIPPED for s in result.stages)
    return f"{count(ran, 'stage')} passed" + (
        f", {count(findings[Severity.WARNING], 'warning')}" if findings[Severity.WARNING] else ""
    )


def write(stream: TextIO, text: str) -> None:
    """Write and flush; a reader that has gone, or an encoding that is too small, never ends a run."""
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "replace").decode(encoding))
    except (OSError, ValueError):
        return
    try:
        stream.flush()
    except (OSError, ValueError):
        return
