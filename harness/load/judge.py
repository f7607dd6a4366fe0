"""Turns a load result into measures and findings; limits on latency are the gates' business, not this module's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.evidence import Finding, Measure, Place, Severity
from harness.load.result import JourneyLoad, LoadResult
from harness.load.seen import Seen
from harness.pipeline.walked import Walked, proved_nothing
from harness.system.traces import trace_lines

__all__ = ["CLOSED_MODEL", "Limits", "ended_early", "findings", "generator_kept_up", "measures", "work"]

CLOSED_MODEL = (
    "the locustfile does not use harness.load.locust.ArrivalUser: numbers are Locust's own, from a closed model, in which "
    "users wait for a stalled system and the stall is under-reported"
)
_KEPT_SHARE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the stage itself insists on.

    Args:
        max_error_rate: share of a journey's walks that may fail, 0 to 1.
        max_lateness_ms: how late the generator may be at p99 for its latencies to be believed, in milliseconds.
        logs: log file of each service, for the trace of a failed walk.
        reproduce: command that runs the same load again.
        redact: takes secrets out of text.
        seen: what happened beside Locust's own statistics.
    """

    max_error_rate: float
    max_lateness_ms: float
    logs: Mapping[str, Path] = field(default_factory=dict)
    reproduce: str = "harness run load"
    redact: Callable[[str], str] = str
    seen: Seen = field(default_factory=Seen)


def work(result: LoadResult) -> dict[str, int]:
    """Count what was done in the measured window."""
    return {
        "walks": sum(j.scheduled for j in result.journeys),
        "requests": sum(r.count for r in result.requests),
    }


def generator_kept_up(result: LoadResult, limits: Limits) -> bool:
    """Whether the generator itself started walks on time, so that latencies are the system's and not its own."""
    if result.model == "closed":
        return True
    due = sum(j.scheduled for j in result.journeys)
    expected = result.rate * result.duration_s
    return result.lateness.p99 <= limits.max_lateness_ms and due >= _KEPT_SHARE * int(expected)


def measures(result: LoadResult, limits: Limits) -> list[Measure]:
    """Measures of a run; latencies are left out where the generator was the bottleneck, so that no gate judges them."""
    found: list[Measure] = []
    believed = generator_kept_up(result, limits)
    for journey in result.journeys:
        label = {"journey": journey.name}
        found += _rates(journey.error_rate, journey.rate_intended, journey.rate_achieved, label)
        if believed and journey.latency.count:
            found += _latencies(
                journey.latency.p50, journey.latency.p95, journey.latency.p99, journey.latency.max, label
            )
    if result.model == "closed":
        for request in result.requests:
            label = {"request": request.name}
            latency = request.latency
            found.append(Measure("load.error_rate", request.failed / request.count, "ratio", label))
            found.append(Measure("load.rate.achieved", request.count / max(result.duration_s, 1e-9), "1/s", label))
            found += _latencies(latency.p50, latency.p95, latency.p99, latency.max, label)
        return found
    due = sum(j.scheduled for j in result.journeys)
    if due:
        found += _rates(
            sum(j.failed for j in result.journeys) / due,
            sum(j.rate_intended for j in result.journeys),
            sum(j.rate_achieved for j in result.journeys),
            {"journey": "all"},
        )
    found.append(Measure("load.lateness.p99", result.lateness.p99, "ms"))
    return found


def _rates(error_rate: float, intended: float, achieved: float, labels: Mapping[str, str]) -> list[Measure]:
    if not intended:
        return []
    return [
        Measure("load.error_rate", error_rate, "ratio", labels),
        Measure("load.rate.intended", intended, "1/s", labels),
        Measure("load.rate.achieved", achieved, "1/s", labels),
        Measure("load.rate.kept", achieved / intended, "ratio", labels),
    ]


def _latencies(p50: float, p95: float, p99: float, highest: float, labels: Mapping[str, str]) -> list[Measure]:
    values = {"p50": p50, "p95": p95, "p99": p99, "max": highest}
    return [Measure(f"load.latency.{which}", value, "ms", labels) for which, value in values.items()]


def findings(result: LoadResult, limits: Limits) -> Iterator[Finding]:
    """Everything wrong with the run, as far as the stage itself insists on it."""
    if not generator_kept_up(result, limits):
        yield _bottleneck(result, limits)
    for journey in result.journeys:
        if not journey.scheduled:
            yield _never_ran(journey, result, limits)
        elif journey.failed:
            yield _failed(journey, result, limits)
    walked = [Walked(j.name, j.scheduled - j.failed, j.requests, j.anything) for j in result.journeys]
    yield from proved_nothing("load", walked, lambda _: limits.reproduce)
    refused = sum(j.refused for j in result.journeys)
    if refused:
        yield _saturated(refused, result, limits)
    if result.model == "closed":
        yield from _failed_requests(result, limits)
    seen = limits.seen
    if seen.requests and seen.requests == seen.starting:
        yield _only_at_the_start(seen, limits)
    if seen.errors:
        yield _broke(seen, limits)


def _only_at_the_start(seen: Seen, limits: Limits) -> Finding:
    return Finding(
        rule="load.only_on_start",
        severity=Severity.ERROR,
        title=f"no task made a request under load: all {seen.requests} were made in on_start",
        detail="Each user asks once when it starts, and then waits: that is no load. Ask in the tasks.",
        reproduce=limits.reproduce,
    )


def _broke(seen: Seen, limits: Limits) -> Finding:
    count = sum(seen.errors.values())
    most = max(seen.errors, key=lambda text: seen.errors[text])
    return Finding(
        rule="load.task_broke",
        severity=Severity.ERROR,
        title=f"tasks of the locustfile ended in an exception {count} time{'s' if count > 1 else ''}: {most}",
        detail="Locust counts requests; what a task would have asked for after its exception is not among them.\n"
        + "\n".join(f"{n} × {text}" for text, n in sorted(seen.errors.items(), key=lambda e: -e[1])),
        reproduce=limits.reproduce,
        key=most.partition(":")[0],
    )


def ended_early(wanted_s: float, took_s: float, returncode: int, reproduce: str, said: str) -> Finding:
    """Locust ended before its time, or with an exit code of its own making: what it left is not the run that was asked for.

    Args:
        wanted_s, took_s: how long load was to be made, and was made, in seconds.
        said: the last lines of its log.
    """
    return Finding(
        rule="load.ended_early",
        severity=Severity.ERROR,
        title=f"Locust ended after {took_s:.1f} of {wanted_s:g} s, with exit code {returncode}",
        detail="Something in its process ended it: what came after that is not known.\nThe end of its log:\n" + said,
        reproduce=reproduce,
    )


def _bottleneck(result: LoadResult, limits: Limits) -> Finding:
    due = sum(j.scheduled for j in result.journeys)
    return Finding(
        rule="load.generator_bottleneck",
        severity=Severity.WARNING,
        title="the load generator was the bottleneck: latencies of this run are not judged",
        detail=(
            f"Walks started up to {result.lateness.p99:.0f} ms late at p99 (at most {limits.max_lateness_ms:.0f} ms are "
            f"allowed), {due} of {result.rate * result.duration_s:.0f} walks came to be. The machine was busy, or the rate "
            f"is too high for one generator. Give it less rate, a machine of its own, or Locust workers."
        ),
        reproduce=limits.reproduce,
    )


def _never_ran(journey: JourneyLoad, result: LoadResult, limits: Limits) -> Finding:
    return Finding(
        rule="load.never_ran",
        severity=Severity.ERROR,
        title=f"the journey {journey.name} was never walked under load",
        detail=(
            f"In {result.duration_s:.0f} s at {result.rate:g} journeys a second its turn did not come. "
            f"Make the run longer or the rate higher, or give it weight 0 if it is not meant for load."
        ),
        place=Place(journey=journey.name),
        reproduce=limits.reproduce,
    )


def _failed(journey: JourneyLoad, result: LoadResult, limits: Limits) -> Finding:
    over = journey.error_rate > limits.max_error_rate
    most = journey.errors[0] if journey.errors else None
    lines = [f"{e.count} × {limits.redact(e.text)} (trace {e.trace_id or 'none'})" for e in journey.errors[:5]]
    log = trace_lines(limits.logs, most.trace_id) if most else ()
    detail = (
        f"Allowed: {limits.max_error_rate:.2%}. Load: {result.rate:g} journeys a second, {result.arrival} arrivals.\n"
        + "\n".join(lines)
    )
    if log:
        detail += "\nWhat the services logged about that trace:\n" + limits.redact("\n".join(log))
    return Finding(
        rule="load.errors",
        severity=Severity.ERROR if over else Severity.INFO,
        title=(
            f"{journey.name} failed in {journey.failed} of {journey.scheduled} walks ({journey.error_rate:.1%}) under load"
            + (f", most often: {limits.redact(most.text)}" if most else "")
        ),
        detail=detail,
        place=Place(journey=journey.name),
        trace_id=most.trace_id if most else "",
        reproduce=limits.reproduce,
    )


def _saturated(refused: int, result: LoadResult, limits: Limits) -> Finding:
    due = sum(j.scheduled for j in result.journeys)
    return Finding(
        rule="load.saturated",
        severity=Severity.ERROR,
        title=f"the system fell behind: {refused} of {due} journeys could not start, too many were still under way",
        detail=(
            "Arrivals do not wait for a slow system, so walks pile up; beyond stages.load.max_in_flight an arrival is "
            f"counted as failed. Intended {result.rate:g}/s, "
            f"achieved {sum(j.rate_achieved for j in result.journeys):.1f}/s."
        ),
        reproduce=limits.reproduce,
    )


def _failed_requests(result: LoadResult, limits: Limits) -> Iterator[Finding]:
    for request in result.requests:
        share = request.failed / request.count if request.count else 0.0
        if request.failed:
            yield Finding(
                rule="load.errors",
                severity=Severity.ERROR if share > limits.max_error_rate else Severity.INFO,
                title=f"{request.name} failed {request.failed} of {request.count} times ({share:.1%}) under load",
                detail=f"Allowed: {limits.max_error_rate:.2%}. Locust's own error report is in locust.log.",
                place=Place(operation=request.name),
                reproduce=limits.reproduce,
            )
