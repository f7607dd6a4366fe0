"""Tells outcomes as findings, measures and a chart, in words a stranger understands; decides nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path

from harness.chaos.experiments import REFUSED, Experiment, Injection
from harness.chaos.faults import FAULTS
from harness.chaos.judge import Breach, BreachKind, p95_s, success_ratio
from harness.chaos.processes import ProcessAction
from harness.chaos.trial import Outcome
from harness.evidence import Exchange, Finding, Measure, Place, Redactor, Severity
from harness.evidence.series import Chart, Series, Window, write_chart
from harness.system.drive import Sample
from harness.system.journeys import Step
from harness.system.model import System

__all__ = ["Teller", "chart", "exchange_of", "listed", "measures", "why_doubtful"]

_SHOWN_SAMPLES = 5
_DOES = {
    ProcessAction.KILL: "is killed",
    ProcessAction.PAUSE: "is paused",
    ProcessAction.RESTART: "is restarted",
    ProcessAction.SLOW_START: "is slow to start",
    ProcessAction.FULL_DISK: "cannot write to its disk",
}
_DONE = {ProcessAction.KILL: "killed", ProcessAction.RESTART: "stopped", ProcessAction.SLOW_START: "stopped"}


class Teller:
    """Writes findings.

    Args:
        again: makes the command that runs an experiment again; all of them when its name is empty.
    """

    def __init__(self, system: System, redactor: Redactor, again: Callable[[str], str]) -> None:
        self._system, self._redactor, self._again = system, redactor, again

    def findings(self, outcome: Outcome, broken: Iterable[Breach], doubtful: Iterable[Breach]) -> Iterator[Finding]:
        """Everything there is to say of an experiment.

        Args:
            outcome: of the last try whose steady state held; of the last one where none did.
            broken: in every try.
            doubtful: in one of several tries, or what the machine was too busy to tell: where only that may have caused it,
                it is told as information, the rest as a warning.
        """
        for breach in broken:
            yield self._of(outcome, breach)
        for breach in doubtful:
            if breach.kind is not BreachKind.UNSTEADY:  # it was, in the end
                yield _doubtful(self._of(outcome, breach), breach)
        if outcome.steady and outcome.hit is not True:
            yield self._no_traffic(outcome)

    def _of(self, outcome: Outcome, breach: Breach) -> Finding:
        match breach.kind:
            case BreachKind.UNSTEADY:
                return self._not_steady(outcome)
            case BreachKind.NOT_STARTED:
                return self._not_started(outcome.experiment, breach)
            case BreachKind.DIED:
                return self._died(outcome.experiment, breach.service)
            case BreachKind.LATE:
                return self._late(outcome.experiment, breach)
            case _:
                return self._breach(outcome.experiment, breach)

    def _not_started(self, e: Experiment, breach: Breach) -> Finding:
        service = breach.service
        return self._finding(
            e,
            "not_started",
            Severity.ERROR,
            f"{service} did not start again after it was {_DONE[_action_on(e, service)]}",
            f"A service must be able to start after it was ended in the middle of its work.\n{breach.text}",
            service=service,
            key=service,
        )

    def _died(self, e: Experiment, service: str) -> Finding:
        return self._finding(
            e,
            "service_died",
            Severity.ERROR,
            f"{service} ended while {_fault_words(e)}",
            "Its process is gone; a service must outlive "
            + ("what was done to it" if service in e.services else "its neighbours' faults")
            + ". See its log.",
            service=service,
            key=service,
        )

    def invariant(self, sample: Sample, description: str, experiment: Experiment | None = None) -> Finding:
        """An invariant that does not hold."""
        when = f"after {experiment.name}" if experiment else "after the faults"
        return Finding(
            rule="chaos.invariant",
            severity=Severity.ERROR,
            title=f"{sample.journey} does not hold {when}: {self._redactor.text(sample.error)}",
            detail=_sentence(description),
            place=Place(
                journey=sample.journey,
                experiment=experiment.name if experiment else "",
                edge=experiment.edge_names if experiment else "",
            ),
            exchange=exchange_of([sample], self._redactor),
            reproduce=self._command(experiment),
            trace_id=sample.trace_id,
        )

    def _not_steady(self, outcome: Outcome) -> Finding:
        e = outcome.experiment
        ratio, p95 = success_ratio(outcome.before), p95_s(outcome.before)
        seen = f"{ratio:.0%} succeeded with a p95 of {p95 * 1000:.0f} ms" if outcome.before else "no journey ended"
        return self._finding(
            e,
            "steady_state_before",
            Severity.WARNING,
            f"{_names(e.journeys)} did not go well before any fault, so {e.name} was not tried",
            f"Needed: {e.steady.success:.0%} succeed with a p95 of {e.steady.p95_s * 1000:.0f} ms. Last seen: {seen}.\n"
            + listed([s for s in outcome.before if not s.ok]),
            samples=[s for s in outcome.before if not s.ok],
        )

    def _breach(self, e: Experiment, breach: Breach) -> Finding:
        counts = f"{len(breach.samples)} of {breach.of} journeys under the fault show this."
        promised = (
            f"Expected while it lasts: {e.during.expect}, answers within {e.during.latency_s:g} s, "
            f"at least {e.during.success:.0%} succeed"
            + (f", {_numbers(e.during.statuses)} allowed" if e.during.statuses else "")
            + "."
        )
        return self._finding(
            e,
            "expectation",
            Severity.ERROR,
            f"While {_fault_words(e)}, {self._what(e, breach)}",
            f"{counts} {promised}\n{listed(breach.samples)}",
            journey=breach.journey,
            key=f"{breach.kind}:{breach.worst if breach.kind is BreachKind.STATUS else ''}",
            samples=breach.samples,
        )

    def _what(self, e: Experiment, breach: Breach) -> str:
        edge = e.edges[0] if len(e.edges) == 1 else None
        budget = edge.contract.budget_s if edge else None
        promise = (
            f"{edge.name} promises {_time(budget)}" if edge and budget else f"{_time(e.during.latency_s)} is allowed"
        )
        match breach.kind:
            case BreachKind.NO_ANSWER:
                return f"{breach.journey} got no answer after {breach.worst:.1f} s; {promise}"
            case BreachKind.SLOW:
                return f"{breach.journey} waited {breach.worst:.1f} s; {promise}"
            case BreachKind.STATUS:
                allowed = _numbers(e.during.statuses) if e.during.statuses else "no error"
                return f"{breach.journey} was answered {breach.worst:.0f}; {allowed} is expected"
            case BreachKind.FAILED:
                return f"{breach.journey} went wrong: {self._redactor.text(breach.text)[:160]}"
            case _:  # the share that succeeded
                promised = f"{edge.caller} promises" if edge else "promised is"
                return (
                    f"only {breach.worst:.0%} of {breach.journey} succeeded; "
                    f"{promised} {e.during.success:.0%} ({e.during.expect})"
                )

    def _late(self, e: Experiment, breach: Breach) -> Finding:
        return self._finding(
            e,
            "recovery",
            Severity.ERROR,
            f"After {_fault_words(e, over=True)}, {_names(e.journeys)} {breach.text}; {_time(e.recovery_s)} is allowed",
            "Recovery is the time from lifting the fault to the first of several good journeys in a row.\n"
            + listed(breach.samples),
            samples=breach.samples,
        )

    def _no_traffic(self, outcome: Outcome) -> Finding:
        e = outcome.experiment
        way = "that edge" if len(e.edges) == 1 and not e.services else "the edges that lead there"
        said = (
            f"The fault on {e.where} hit nothing: no byte went through {way} while {_names(e.journeys)} was walked"
            if outcome.hit is False
            else f"Nobody can tell whether the fault on {e.where} hit anything: no bytes are counted on {way}, "
            f"and users saw no difference"
        )
        return self._finding(
            e,
            "no_traffic",
            Severity.WARNING,
            said,
            "An experiment whose fault touches nobody proves nothing. Choose journeys that use the edge.",
        )

    def _finding(
        self,
        e: Experiment,
        rule: str,
        severity: Severity,
        title: str,
        detail: str,
        *,
        service: str = "",
        journey: str = "",
        key: str = "",
        samples: Sequence[Sample] = (),
    ) -> Finding:
        return Finding(
            rule=f"chaos.{rule}",
            severity=severity,
            title=title,
            detail=self._redactor.text(detail).strip(),
            place=Place(
                service=service or ", ".join(e.services),
                edge=e.edge_names,
                journey=journey,
                experiment=e.name,
                file=e.file,
            ),
            exchange=exchange_of(samples, self._redactor),
            reproduce=self._command(e),
            trace_id=samples[0].trace_id if samples else "",
            key=key,
        )

    def _command(self, experiment: Experiment | None) -> str:
        return self._again(experiment.name if experiment else "")


def exchange_of(samples: Sequence[Sample], redactor: Redactor) -> Exchange | None:
    """The request of the first walk that went wrong, or took longest, and its answer."""
    steps = [step for s in samples[:1] for step in s.steps]
    step = next((s for s in steps if s.error), max(steps, key=_duration, default=None))
    if step is None:
        return None
    answer = f"{step.status} after {step.duration_ms:.0f} ms" if step.status else step.error
    return Exchange(
        request=redactor.text(f"{step.method} {step.url}\n\n{step.request_body}".strip()),
        response=redactor.text(f"{answer}\n\n{step.response_body}".strip()),
    )


def _doubtful(finding: Finding, breach: Breach) -> Finding:
    return replace(
        finding,
        severity=Severity.INFO if breach.timing else Severity.WARNING,
        detail=f"{why_doubtful(excused=breach.excused)}\n{finding.detail}",
    )


def why_doubtful(*, excused: bool) -> str:
    """What is said of a promise that was broken, and accuses nobody."""
    if excused:
        return "Cannot be told on this machine: processes waited so long for a processor meanwhile that it may be all of it."
    return "Seen once; tried again with nothing else of this run at work, the promise was kept."


def measures(outcomes: Iterable[Outcome]) -> Iterator[Measure]:
    """Numbers of every experiment that was carried out, labelled experiment, edge, fault; of the last try, if repeated."""
    for o in {o.experiment.name: o for o in outcomes}.values():
        e = o.experiment
        said = {"experiment": e.name, "edge": e.edge_names, "fault": e.fault, "service": ", ".join(e.services)}
        labels = {name: value for name, value in said.items() if value}
        for window, samples in (("before", o.before), ("during", o.during), ("after", o.after)):
            if samples and o.steady:
                yield Measure(f"chaos.success_ratio.{window}", success_ratio(samples), "ratio", labels)
                yield Measure(f"chaos.latency.p95.{window}", p95_s(samples) * 1000, "ms", labels)
        if o.recovery_s is not None:
            yield Measure("chaos.recovery", o.recovery_s, "s", labels)


def chart(path: Path, outcomes: Sequence[Outcome]) -> Path:
    """Draw the duration of every journey over time, with the fault windows behind."""
    points: dict[str, list[tuple[float, float]]] = {}
    windows: list[Window] = []
    for o in outcomes:
        for s in o.samples:
            points.setdefault(s.journey, []).append((s.intended, s.duration_ms))
        if o.lifted:
            e = o.experiment
            windows.append(Window(o.injected, o.lifted, f"{e.name}: {e.fault} on {e.where}", "fault"))
            if o.recovery_s:
                windows.append(Window(o.lifted, o.lifted + o.recovery_s, f"{e.name}: recovery", "recovery"))
    series = tuple(Series(name, tuple(sorted(p))) for name, p in sorted(points.items()))
    return write_chart(path, Chart("Journeys under faults", "ms", series, tuple(windows)))


def _fault_words(e: Experiment, *, over: bool = False) -> str:
    if over:
        return f"the {e.fault} fault on {e.where} was lifted"
    words = []
    for edge in e.edges:
        own = " and ".join(dict.fromkeys(_injection_words(f) for f in e.faults if e.edge_of(f).key == edge.key))
        words.append(f"{edge.callee} {own} ({edge.name})")
    for service in e.services:
        own = " and ".join(dict.fromkeys(_DOES[p.action] for p in e.processes if p.service == service))
        words.append(f"{service} {own}")
    return ", ".join(words)


def _action_on(e: Experiment, service: str) -> ProcessAction:
    return next(p.action for p in reversed(e.processes) if p.service == service and p.action.ends)


def _injection_words(fault: Injection) -> str:
    if fault.type == REFUSED:
        return "refuses connections"
    kind = FAULTS[fault.type]
    values = {f.name: f.default for f in fields(kind)} | dict(fault.attributes)
    words = kind.title
    for name, value in values.items():
        words = words.replace(f"{{{name}}}", str(value))
    some = "" if fault.toxicity >= 1 else f" on {fault.toxicity:.0%} of connections"
    return words.strip() + some


def listed(samples: Sequence[Sample]) -> str:
    """Walks, a line each."""
    lines = [
        f"- {s.journey}, {s.duration_ms:.0f} ms, trace {s.trace_id or '-'}: {s.error or 'ok'}"
        for s in samples[:_SHOWN_SAMPLES]
    ]
    if len(samples) > _SHOWN_SAMPLES:
        lines.append(f"- and {len(samples) - _SHOWN_SAMPLES} more")
    return "\n".join(lines)


def _duration(step: Step) -> float:
    return step.duration_ms


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 and not math.isclose(seconds, 1) else f"{seconds:g} s"


def _numbers(statuses: Sequence[int]) -> str:
    return " or ".join(map(str, statuses))


def _names(journeys: Sequence[str]) -> str:
    return " and ".join(journeys)


def _sentence(text: str) -> str:
    return text.strip().rstrip(".")
