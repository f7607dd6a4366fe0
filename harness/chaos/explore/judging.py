"""Judges what was seen in a cell against what was promised: pure functions on values, no clock, no traffic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.chaos.allowance import Taken, all_strained, allowed_s, any_strained, longest_over, recovered_late
from harness.chaos.experiments import Expect
from harness.chaos.explore.catalogue import Effect
from harness.chaos.explore.observation import Observation
from harness.chaos.explore.promises import Promise
from harness.chaos.explore.windows import Window
from harness.system.drive import Sample
from harness.system.journeys import Step
from harness.system.model import OnFailure

__all__ = ["Broken", "Kind", "judge", "what_is_queued"]

#: Journeys beside a failure may take this many times as long as they do without it.
_SIBLING = 3.0
_REPEATABLE = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"}


class Kind(StrEnum):
    """Which promise was broken."""

    BUDGET = "budget"
    NO_ANSWER = "no_answer"
    ENTRY_TIME = "entry_time"
    ANSWER = "answer"
    SERVED = "served"
    ATTEMPTS = "attempts"
    AMPLIFICATION = "amplification"
    REPEATED = "repeated"
    FALLBACK = "fallback"
    BULKHEAD = "bulkhead"
    READINESS = "readiness"
    RECOVERY = "recovery"
    DELIVERY = "delivery"
    INVARIANT = "invariant"
    DIED = "died"
    BREAKER = "breaker"


#: Promises that a busy machine alone can seem to break.
_TIMES = {Kind.BUDGET, Kind.ENTRY_TIME, Kind.BULKHEAD, Kind.RECOVERY, Kind.BREAKER}


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that did not hold.

    Args:
        text: what happened, to be read after "While payments hangs, ".
        detail: more of it.
        samples: walks that show it, worst first.
        key: tells two of one kind apart, the same in every run.
        excused: whether the machine was seen to add so much meanwhile that nobody can tell.
    """

    kind: Kind
    text: str
    detail: str = ""
    samples: tuple[Sample, ...] = ()
    key: str = ""
    excused: bool = False

    @property
    def timing(self) -> bool:
        """Whether a busy machine alone can have caused it."""
        return self.excused or self.kind in _TIMES


def judge(seen: Observation, promised: Promise, *, recovery_s: float, wait_s: float) -> list[Broken]:
    """Every promise that was broken.

    Args:
        recovery_s: the longest it may take from lifting the failure until all goes well again, in seconds; circuit
            breakers on the way have their time on top.
        wait_s: what an answer may take where nobody promised a budget, in seconds.
    """
    return [
        *_deaths(seen),
        *_unanswered(seen),
        *_budget(seen),
        *_given_up(seen),
        *_entry_time(seen, promised, wait_s),
        *_answers(seen),
        *_served(seen, promised),
        *_attempts(seen),
        *_amplification(seen, promised),
        *_repeated(seen),
        *_repeated_anew(seen),
        *_fallback(seen),
        *_bulkhead(seen),
        *_readiness(seen),
        *_breaker(seen, promised.open_s),
        *_recovery(seen, recovery_s + promised.open_s),
        *_delivery(seen),
        *_invariants(seen),
    ]


def _deaths(seen: Observation) -> Iterator[Broken]:
    for service in seen.died:
        text = f"{service} ended; a service must outlive its neighbours' failures"
        yield Broken(Kind.DIED, text, key=service)


def _unanswered(seen: Observation) -> Iterator[Broken]:
    hung = [(s, step) for s in seen.during for step in s.steps if step.status == 0]
    if hung:
        sample, step = max(hung, key=lambda pair: pair[1].duration_ms)
        text = f"{sample.journey} got no answer to {step.name} after {step.duration_ms / 1000:.1f} s"
        excused = all_strained(seen.added, [s for s, _ in hung])
        yield Broken(Kind.NO_ANSWER, text, step.error, (sample,), step.name, excused)


def _budget(seen: Observation) -> Iterator[Broken]:
    edge = seen.cell.edge
    budget = edge.contract.budget_s
    if budget is None:
        return
    waits = [(waited, w, calls) for w in seen.windows for waited, calls in w.waits(seen.lifted)]
    taken = [Taken(calls[0].began, waited, allowed_s(budget), (w, calls)) for waited, w, calls in waits]
    # Its own timer has to end the wait: what others waited for a processor meanwhile is nothing to it.
    over = longest_over(taken, seen.added, edge.caller)
    if over:
        window, calls = over.what
        text = f"{edge.caller} waited {over.took_s:.1f} s; {edge.name} promises {_time(budget)}"
        detail = f"{calls[0].method} {calls[0].path}, {_times(len(calls))}, for {window.name}; {_share(over.count, len(waits))}."
        yield Broken(Kind.BUDGET, text, detail, _of(seen, window.trace_id), excused=over.excused)


def _given_up(seen: Observation) -> Iterator[Broken]:
    """Whoever asked the caller lost patience first: the budget below is longer than the one above."""
    edge = seen.cell.edge
    left = [w for w in seen.windows if w.left and w.calls]
    if left:
        window = max(left, key=lambda w: w.took_s)
        text = f"{edge.caller} still waited when whoever had asked it for {window.name} gave up, after {_time(window.took_s)}"
        detail = (
            f"The budget of {edge.name} must be shorter than that of the edges into {edge.caller}: "
            f"what is waited for after that, nobody gets. {_share(len(left), len(seen.windows))}"
        )
        yield Broken(Kind.BUDGET, text, detail, _of(seen, window.trace_id), "caller", _kept_up(seen, left))


def _kept_up(seen: Observation, left: Sequence[Window]) -> bool:
    """Whether the machine alone can have kept a caller that promises less for longer than whoever asked it waited."""
    budget, caller = seen.cell.edge.contract.budget_s, seen.cell.edge.caller
    return budget is not None and all(
        w.took_s > budget and seen.added(w.began, w.ended, caller) >= w.took_s - budget for w in left
    )


def _entry_time(seen: Observation, promised: Promise, wait_s: float) -> Iterator[Broken]:
    base = seen.baseline
    promised_s = wait_s if promised.waits_s is None else promised.waits_s * max(1, base.fan)

    def limit_s(step: Step) -> float:
        # What was promised for the edge says nothing of steps that do not come there.
        return promised_s if base.meets(step.name, seen.cell.edge) else max(promised_s, wait_s)

    over = longest_over(
        [
            _taken(step, allowed_s(limit_s(step) + base.steps_s.get(step.name, 0.0)), s)
            for s in seen.during
            for step in s.steps
            if step.status
        ],
        seen.added,
    )
    if over:
        sample, step = over.what
        text = f"{sample.journey} waited {over.took_s:.1f} s for {step.name}; {_time(limit_s(step))} is promised"
        yield Broken(Kind.ENTRY_TIME, text, "", (sample,), step.name, over.excused)


def _taken(step: Step, limit_s: float, sample: Sample) -> Taken[tuple[Sample, Step]]:
    return Taken(step.at, step.duration_ms / 1000, limit_s, (sample, step))


def _answers(seen: Observation) -> Iterator[Broken]:
    told = set()
    for service, call, status, trace_id in seen.undeclared:
        if (service, status) in told:
            continue
        told.add((service, status))
        text = f"{service} answered {status} to {call}"
        detail = (
            "A failure of a neighbour is no reason for 500." if status == 500 else "Its document does not declare that."
        )
        yield Broken(Kind.ANSWER, text, detail, _of(seen, trace_id), f"{service}:{status}")


def _served(seen: Observation, promised: Promise) -> Iterator[Broken]:
    failed = [s for s in seen.during if not s.ok]
    if not failed or promised.expect is None:
        return
    if promised.expect is Expect.REJECTED:
        # A refusal fails the journey, and that is the promise; what fails it without one is not.
        failed = [s for s in failed if not any(step.error for step in s.steps)]
        if not failed:
            return
    first = failed[0]
    if promised.expect is Expect.REJECTED:
        text = f"{first.journey} went wrong: {first.error[:160]}"
    else:
        word = "went through as promised" if promised.expect is Expect.FULL else "was served, with less"
        text = f"only {len(seen.during) - len(failed)} of {len(seen.during)} of {first.journey} {word}"
    yield Broken(Kind.SERVED, text, first.error, tuple(failed), first.journey, all_strained(seen.added, failed))


def _attempts(seen: Observation) -> Iterator[Broken]:
    edge = seen.cell.edge
    attempts = edge.contract.attempts
    if attempts is None or edge.contract.on_failure is OnFailure.QUEUE:  # it is sent until it is taken
        return
    usual = seen.baseline.edges.get(edge.key, 1)
    counts = [(len(calls), w, calls[0]) for w in seen.windows for calls in w.wanted().values()]
    over = [c for c in counts if c[0] > attempts * max(1, usual)]
    if over:
        count, window, call = max(over, key=lambda c: c[0])
        what = f"{call.method} {call.path} {_times(count)} for one {window.name}"
        text = f"{edge.caller} sent {what}; {edge.name} promises at most {attempts}"
        yield Broken(Kind.ATTEMPTS, text, _share(len(over), len(counts)), _of(seen, window.trace_id))


def _amplification(seen: Observation, promised: Promise) -> Iterator[Broken]:
    """One call of a user, and how often it came to the edge: retries above multiply those below."""
    edge = seen.cell.edge
    if promised.repeats is None:
        return
    limit = promised.repeats * max(1, seen.baseline.edges.get(edge.key, 1))
    counts = [(_came(step, s, seen), step, s) for s in seen.during for step in s.steps if _asked_again(step, s, seen)]
    most, step, sample = max(counts, key=lambda c: c[0], default=(0, None, None))
    if step is not None and sample is not None and most > limit:
        text = f"one {step.name} came to {edge.callee} {_times(most)}: retries above {edge.caller} multiply its own"
        detail = (
            f"No edge on the way promises more than {promised.repeats}. Repeat in one place only, next to the failure."
        )
        yield Broken(Kind.AMPLIFICATION, text, detail, (sample,))


def _asked_again(step: Step, sample: Sample, seen: Observation) -> bool:
    """Whether more than one call of the edge's caller made calls for one of a user: what one alone sends is `attempts`."""
    end = step.at + step.duration_ms / 1000
    return sum(w.trace_id == sample.trace_id and step.at <= w.began <= end and bool(w.calls) for w in seen.windows) > 1


def _came(step: Step, sample: Sample, seen: Observation) -> int:
    """How often the most repeated wish of one call of a user came to the edge."""
    end = step.at + step.duration_ms / 1000
    wishes = [
        (c.method, c.path, c.idempotency_key)
        for c in seen.calls
        if c.trace_id == sample.trace_id and step.at <= c.began <= end
    ]
    return max((wishes.count(w) for w in wishes), default=0)


def _repeated(seen: Observation) -> Iterator[Broken]:
    for window in seen.windows:
        for (method, path, key), calls in window.wanted().items():
            usual = max(1, seen.baseline.edges.get(seen.cell.edge.key, 1))
            if (
                method not in _REPEATABLE
                and not key
                and len(calls) > usual
                and seen.cell.failure.effect is not Effect.HARMLESS
            ):
                text = f"{seen.cell.edge.caller} repeated {method} {path}, which has no Idempotency-Key, {_times(len(calls))}"
                detail = "The first may have had its effect: done twice, it has it twice."
                yield Broken(Kind.REPEATED, text, detail, _of(seen, window.trace_id))
                return


def _repeated_anew(seen: Observation) -> Iterator[Broken]:
    """A key that is made anew for each attempt protects nobody: to the callee these are two wishes."""
    edge = seen.cell.edge
    if edge.contract.on_failure is not OnFailure.REJECT or seen.cell.failure.effect is Effect.HARMLESS:
        return  # a caller that may go on after a failure may go on to the next of several things it wants
    for window in seen.windows:
        for (method, path), keys in window.keys().items():
            first, *others = keys
            later = [c for c in others if first.ended is not None and c.began >= first.ended]
            if method not in _REPEATABLE and later and len(keys) > seen.baseline.keys.get(edge.key, 1):
                text = f"{edge.caller} repeated {method} {path} with another Idempotency-Key, {_times(len(keys))}"
                detail = "The key must be the same in every attempt: with another one what was done is done again."
                yield Broken(Kind.REPEATED, text, detail, _of(seen, window.trace_id), "anew")
                return


def _fallback(seen: Observation) -> Iterator[Broken]:
    """Whoever can do without the callee leaves it alone once it has failed."""
    edge = seen.cell.edge
    if edge.contract.on_failure is not OnFailure.DEGRADE or not seen.fallbacks:
        return
    found = seen.fallbacks[0]
    failed, instead = (f"{c.method} {c.path}" for c in (found.failed, found.instead))
    text = f"{edge.caller} fell back on {edge.callee} itself: {failed} had failed, and it asked for {instead}"
    detail = (
        f"A fallback must not need what has just failed. {_share(len(seen.fallbacks), len(seen.windows))} "
        "Nobody asks for that while all is well."
    )
    yield Broken(Kind.FALLBACK, text, detail, _of(seen, found.window.trace_id))


def _bulkhead(seen: Observation) -> Iterator[Broken]:
    base = seen.sibling_baseline
    if base is None or not seen.siblings:
        return
    failed = [s for s in seen.siblings if not s.ok]
    if failed:
        text = f"{failed[0].journey}, which does not use {seen.cell.edge.name}, failed as well"
        excused = all_strained(seen.added, failed)
        yield Broken(Kind.BULKHEAD, text, failed[0].error, tuple(failed), failed[0].journey, excused)
        return
    limit = base.slowest_s * _SIBLING + allowed_s(0.0)
    over = longest_over([_taken(step, limit, s) for s in seen.siblings for step in s.steps], seen.added)
    if over:
        sample, _ = over.what
        apart = f"{sample.journey}, which does not use {seen.cell.edge.name}"
        text = f"{apart}, took {over.took_s:.1f} s instead of {_time(base.slowest_s)}"
        detail = "They share something that the failure uses up."
        yield Broken(Kind.BULKHEAD, text, detail, (sample,), sample.journey, over.excused)


def _readiness(seen: Observation) -> Iterator[Broken]:
    edge = seen.cell.edge
    if seen.ready_during is False and edge.contract.goes_on:
        text = f"{edge.caller} said it was not ready, although it can do without {edge.callee}"
        yield Broken(Kind.READINESS, text, f"{edge.name} promises to {edge.contract.on_failure}.", key="during")
    if seen.ready_after is False and not seen.died:
        text = f"{edge.caller} did not become ready again"
        waited = _time(seen.asked_until - seen.lifted)
        detail = f"GET {seen.asked_ready} still said otherwise {waited} after that was over."
        yield Broken(Kind.READINESS, text, detail, key="after")


def _breaker(seen: Observation, open_s: float) -> Iterator[Broken]:
    edge, breaker = seen.cell.edge, seen.breaker
    promised = edge.contract.breaker
    if breaker is None or promised is None:
        return
    # The call under way when it opens may still be repeated, and others for the same step may be under way.
    limit = promised.failures + (edge.contract.attempts or 1) - 1 + seen.baseline.fan - 1
    name = f"the circuit breaker of {edge.name}"
    if breaker.failures > limit:
        ending = "" if breaker.opened else ", and was not open even then"
        text = (
            f"{name} let {breaker.failures} calls fail in a row{ending}; it promises to open after {promised.failures}"
        )
        yield Broken(Kind.BREAKER, text, key="opens", excused=any_strained(seen.added, seen.during))
    if not breaker.opened:
        return
    if breaker.leaked:
        text = f"{name} let {_calls(breaker.leaked)} through within {_time(promised.open_for_s)} of opening"
        yield Broken(Kind.BREAKER, text, "It promises to stay open for that long.", key="stays")
    elif breaker.probe_after_s is None or breaker.refused_after_s > allowed_s(open_s):
        # What counts is that it refused one when it was due: on a busy machine nobody may have asked earlier.
        seen_s = "none" if breaker.probe_after_s is None else f"one after {breaker.probe_after_s:.1f} s"
        text = f"{name} let no probe through after {_time(promised.open_for_s)}"
        yield Broken(Kind.BREAKER, text, f"Seen: {seen_s}. Without one it never learns that all is well.", key="probes")
    elif breaker.reopened_after is None or breaker.reopened_after > limit:
        text = f"{name} stayed closed although its probe had failed"
        detail = "A probe that fails opens it once more."
        yield Broken(Kind.BREAKER, text, detail, key="reopens", excused=any_strained(seen.added, seen.during))


def _recovery(seen: Observation, limit_s: float) -> Iterator[Broken]:
    if seen.died:
        return
    bad = tuple(s for s in seen.after if not s.ok)
    if seen.recovery_s is None:
        text = f"{seen.cell.journey} did not go well again within {_time(limit_s)} after that was over"
    elif seen.recovery_s > limit_s:
        text = f"{seen.cell.journey} took {seen.recovery_s:.1f} s to recover; {_time(limit_s)} is allowed"
    else:
        return
    recovered = None if seen.recovery_s is None else seen.lifted + seen.recovery_s
    excused = recovered_late(seen.added, bad, seen.lifted + limit_s, recovered)
    yield Broken(Kind.RECOVERY, text, bad[-1].error if bad else "", bad[::-1], excused=excused)


def _delivery(seen: Observation) -> Iterator[Broken]:
    if seen.undelivered:
        edge, lost = seen.cell.edge, seen.undelivered
        walked = len(seen.during) + len(seen.after)
        text = f"{len(lost)} of {walked} of {seen.cell.journey} never came to {edge.callee}, also not afterwards"
        yield Broken(Kind.DELIVERY, text, what_is_queued(edge.name), tuple(lost))


def what_is_queued(edge: str) -> str:
    """What is asked of an edge that carries events, and what helps where that is not meant."""
    may = 'Where they may be lost, say so: on_failure = "drop".'
    return f"{edge} carries events; what is queued must be delivered. {may}"


def _invariants(seen: Observation) -> Iterator[Broken]:
    for sample in seen.invariants:
        text = f"{sample.journey} did not hold afterwards: {sample.error[:200]}"
        excused = all_strained(seen.added, [sample])
        yield Broken(Kind.INVARIANT, text, "", (sample,), sample.journey, excused)


def _of(seen: Observation, trace_id: str) -> tuple[Sample, ...]:
    return tuple(s for s in seen.during if s.trace_id == trace_id)[:1]


def _share(count: int, of: int) -> str:
    return f"{count} of {of} calls show this."


def _times(count: int) -> str:
    return "once" if count == 1 else "twice" if count == 2 else f"{count} times"


def _calls(count: int) -> str:
    return "a call" if count == 1 else f"{count} calls"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.3g} s"
