"""What walks have in common to smoke and synthetic: driving them, and telling what went wrong with one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from zlib import crc32

from harness.evidence import Exchange, Finding, Place, Severity
from harness.pipeline.stage import StageContext
from harness.pipeline.walked import proved_nothing, walked
from harness.system.drive import DriveSpec, Sample, drive
from harness.system.journeys import Step
from harness.system.traces import last_lines, trace_lines

__all__ = ["empty", "failed_walk", "failure_text", "failure_title", "idle", "missing_journeys", "walk"]

_START_UP_S = 30.0
#: How `run_journey` writes an exception of the journey's own code.
_OWN_ERROR = re.compile(r"[A-Za-z_]*(Error|Exception): ")


def missing_journeys(context: StageContext) -> str:
    """Why no journey can be walked; empty when there is a journeys file."""
    file = context.system.suites.journeys
    if (context.root / file).is_file():
        return ""
    return (
        f"there is no {file}, so nothing was walked. Write one (`harness init` makes a starter, "
        f'docs/how-to/synthetic.md has an example), name another under [suites] journeys = "...", '
        f"or switch the stage off: [stages.{context.name}] enabled = false, reason = ..."
    )


def idle(samples: Sequence[Sample]) -> str:
    """Why walks that all went well prove nothing: none of them asked the system anything; empty when one did."""
    if any(s.steps or not s.ok for s in samples):
        return ""
    return f"{len(samples)} walks were made, and none of them made a request; a journey asks through its `user`"


def empty(context: StageContext, samples: Sequence[Sample]) -> list[Finding]:
    """Journeys that went well and could not have gone otherwise."""
    return list(proved_nothing(context.name, walked(samples), lambda journey: context.again(journey=journey)))


async def walk(
    context: StageContext,
    *,
    names: tuple[str, ...],
    rate: float,
    duration_s: float,
    request_timeout_s: float,
    synthetic: bool,
    on_sample: Callable[[Sample], None],
) -> None:
    """Have journeys walked; see `harness.system.drive`.

    Raises:
        UsageError: when the journeys file cannot be used.
        InfrastructureError: when the driver fails or takes too long.
    """
    spec = DriveSpec(
        journeys_file=str(context.root / context.system.suites.journeys),
        base_urls=dict(context.addresses),
        entry=context.system.entry,
        allowed=context.system.runtime.allow_targets,
        names=(context.only["journey"],) if "journey" in context.only else names,
        rate=rate,
        duration_s=duration_s,
        # Stages share a seed and a system: without the name in it they would make up the same data and trace ids.
        seed=crc32(f"{context.name}:{context.seed}".encode()),
        synthetic=synthetic,
        timeout_s=request_timeout_s,
    )
    log = context.directory / "journeys.log"
    limit_s = max(_START_UP_S, context.stage_settings.time_limit - 5)
    await drive(spec, root=context.root, log=log, time_limit_s=limit_s, on_sample=on_sample)


def failed_walk(context: StageContext, sample: Sample, *, severity: Severity, detail: str = "") -> Finding:
    """Tell of a walk that failed, with the request it failed at and what the services logged about it."""
    step = failing_step(sample)
    shown = step or (sample.steps[-1] if sample.steps else None)
    parts = [detail, f"Steps: {_path_of(sample)}.", *_logged(context, sample)]
    return Finding(
        rule=f"{context.name}.journey_failed",
        severity=severity,
        title=context.redactor.text(failure_title(sample)),
        detail=context.redactor.text("\n".join(p for p in parts if p)),
        place=Place(journey=sample.journey, operation=step.name if step else ""),
        exchange=_exchange(context, sample, shown) if shown else None,
        reproduce=context.again(journey=sample.journey),
        trace_id=sample.trace_id,
    )


def _logged(context: StageContext, sample: Sample) -> list[str]:
    """What the services logged about the walk; of services that log no trace ids, what they logged last."""
    log = trace_lines(context.service_logs, sample.trace_id)
    if log:
        return ["The services' logs about this trace:", *log]
    log = last_lines(context.service_logs, since=sample.started)
    return ["No log line carries this trace. The last lines of those who logged anything since:", *log] if log else []


def failing_step(sample: Sample) -> Step | None:
    """The request the walk failed at; None when all were answered as expected, but the answers did not add up."""
    return next((s for s in reversed(sample.steps) if s.error), None)


def failure_text(sample: Sample) -> str:
    """What went wrong, in one line."""
    step = failing_step(sample)
    text = f"{step.name}: {step.error}" if step else sample.error
    return (text.splitlines() or ["failed without a word"])[0][:300]


def failure_title(sample: Sample) -> str:
    """One line a stranger understands."""
    said = failure_text(sample)
    if failing_step(sample):
        return f"{sample.journey}: {said}"
    return f"{sample.journey}: {said}" if _OWN_ERROR.match(said) else f"{sample.journey}: not so: {said}"


def _path_of(sample: Sample) -> str:
    shown = [f"{s.name} → {s.status or 'no answer'}" for s in sample.steps]
    return "; ".join(shown) or "none was made"


def _exchange(context: StageContext, sample: Sample, step: Step) -> Exchange:
    lines = [f"{step.method} {step.url}", f"traceparent: 00-{sample.trace_id}-…", "", step.request_body]
    answer = f"{step.status}\n\n{step.response_body}" if step.status else ""
    expected = step.error.partition("expected ")[2] or ("an answer" if step.error else sample.error)
    redact = context.redactor.text
    return Exchange(redact("\n".join(lines).strip()), redact(answer.strip()), expected)
