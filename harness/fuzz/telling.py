"""Turns failures into findings: titles a stranger understands, bounded and redacted requests, commands that reproduce."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.evidence import Exchange, Finding, Place, Redactor, Severity
from harness.fuzz.events import EngineError
from harness.fuzz.failures import Failure, Step
from harness.fuzz.wording import (
    BODY_LIMIT,
    BRIEF_LIMIT,
    answer_text,
    brief,
    curl,
    expected,
    line_of,
    odd_input,
    remedy,
    request_text,
    title_of,
    trace_id,
    visible,
)

__all__ = ["Teller"]

_OPERATIONS_SHOWN = 50
_PATTERNS_SHOWN = 20
_UNKNOWN = "nobody knows why, also when it was tried alone"
#: A repetition of what holds a repetition, or an alternative: the usual shape of one that backtracks for ever.
_NESTED = re.compile(r"[+*}|][^()]{0,50}\)[+*{]")
_REASON = re.compile(r"^(.*?)(?:\n\s*Reproduce with.*)?$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells what was found about one service.

    Args:
        redactor: knows the secrets of this service.
        rerun: command line that fuzzes this service again, with the same seed.
    """

    service: str
    redactor: Redactor
    rerun: str

    def failure(self, failure: Failure, *, reproduced: bool, seen: int) -> Finding:
        """A failed check; one that did not show again is a warning."""
        title, rule, severity = title_of(failure, self.service), f"fuzz.{failure.check}", Severity.ERROR
        if not reproduced:
            title = f"{title} once, and not again when the request was repeated"
            rule, severity = "fuzz.not_reproduced", Severity.WARNING
        step = failure.last
        detail = [self._message(failure), f"Phase {failure.phase}, seen {seen} time{'s' if seen > 1 else ''}."]
        if step.why:
            detail.append(f"The input: {step.why}.")
        detail.append(
            "Replayed after the run: it showed again."
            if reproduced
            else "Replayed twice, also on a fresh start: no more."
        )
        if len(failure.steps) > 1:
            detail += [
                "The requests that led there:",
                *(f"  {n}. {line_of(s)}" for n, s in enumerate(failure.steps, 1)),
            ]
        detail += [f"By hand (the address is the one of that run; `harness up` prints a fresh one):\n  {curl(step)}"]
        return Finding(
            rule=rule,
            severity=severity,
            title=self._clean(title, BRIEF_LIMIT * 3),
            detail=self._clean("\n".join(detail)),
            place=Place(service=self.service, operation=failure.operation),
            exchange=self._exchange(step, expected(failure)),
            reproduce=self.rerun,
            trace_id=trace_id(step),
            key=f"{failure.check} {failure.variant}" if not reproduced else failure.variant,
        )

    def crash(
        self,
        culprit: Step | None,
        recent: list[Step],
        log_tail: str,
        *,
        revived: bool = True,
        unanswered: Step | None = None,
    ) -> Finding:
        """The service's process ended.

        Args:
            culprit: the request it died of again, when sent alone.
            revived: whether it could be started again.
            unanswered: the request it was busy with, where that is all there is to suspect.
        """
        if culprit is not None:
            title = f"{self.service} died of {culprit.operation}{odd_input(culprit)}"
            said = "It was started again, was sent this request alone, and died again."
        else:
            title = f"{self.service} died while it was fuzzed"
            said = "It was started again and sent its last requests one by one, and lived."
            if not revived:
                said = "It did not come back: a service that the harness has not started it cannot start again."
                title = f"{self.service} takes no connections any more" + (
                    f" since {unanswered.operation}{odd_input(unanswered)}" if unanswered else ""
                )
        culprit = culprit or (unanswered if not revived else None)
        lines = [said, "Its last requests, newest last:", *(f"  {line_of(s)}" for s in recent)]
        lines += ["The end of its log:", log_tail] if log_tail else []
        lines += [f"By hand:\n  {curl(culprit)}"] if culprit else []
        return Finding(
            rule="fuzz.crash",
            severity=Severity.ERROR,
            title=self._clean(title, BRIEF_LIMIT * 3),
            detail=self._clean("\n".join(lines)),
            place=Place(service=self.service, operation=culprit.operation if culprit else ""),
            exchange=self._exchange(culprit, "an answer") if culprit else None,
            reproduce=self.rerun,
        )

    def died_beside(self, fuzzed: str, log_tail: str) -> Finding:
        """The service's process ended while it was not its turn: something its neighbours passed on, perhaps."""
        return Finding(
            rule="fuzz.crash",
            severity=Severity.ERROR,
            title=f"{self.service} died while its neighbours were fuzzed ({fuzzed})",
            detail=self._clean(f"It was started again. The end of its log:\n{log_tail}"),
            place=Place(service=self.service),
            reproduce=self.rerun,
            key="beside",
        )

    def document(self, location: str, problem: str) -> Finding:
        """The OpenAPI document cannot be used."""
        return Finding(
            rule="fuzz.document",
            severity=Severity.ERROR,
            title=self._clean(f"{self.service} cannot be fuzzed: its OpenAPI document {problem}", BRIEF_LIMIT * 3),
            detail=f"Looked for it at {location}; see services.{self.service}.openapi in harness.toml.",
            place=Place(service=self.service),
            reproduce=self.rerun,
        )

    def engine(self, error: EngineError) -> Finding:
        """Schemathesis could not do part of its work: what it would have found there is unknown."""
        about = f" with {error.label}" if error.label and error.label != self.service else ""
        first = (error.message.splitlines() or [""])[0]
        return Finding(
            rule="fuzz.engine",
            severity=Severity.ERROR,
            title=self._clean(f"Schemathesis could not test {self.service}{about}: {first}", BRIEF_LIMIT * 3),
            detail=self._clean(f"{error.kind}: {error.message}"),
            place=Place(service=self.service, operation=error.label if " /" in error.label else ""),
            reproduce=self.rerun,
            key=error.kind,
        )

    def never_accepted(self, operation: str, statuses: str) -> Finding:
        """No case of an operation was answered 2xx."""
        return Finding(
            rule="fuzz.never_accepted",
            severity=Severity.INFO,
            title=f"no request to {operation} of {self.service} was accepted: only its refusals were tested",
            detail=f"Answers seen: {statuses}. Examples or links in the OpenAPI document help to reach it.",
            place=Place(service=self.service, operation=operation),
            reproduce=self.rerun,
        )

    def never_reached(self, operation: str, why: str) -> Finding:
        """An operation received no case at all; where nobody knows why, something is wrong with the test itself."""
        return Finding(
            rule="fuzz.never_reached",
            severity=Severity.WARNING if why else Severity.ERROR,
            title=self._clean(f"{operation} of {self.service} received no request: {why or _UNKNOWN}", BRIEF_LIMIT * 3),
            place=Place(service=self.service, operation=operation),
            reproduce=self.rerun,
        )

    def many_never_reached(self, operations: Sequence[str], declared: int, reasons: Sequence[str]) -> Finding:
        """So many operations received no case that they are told together."""
        shown = operations[:_OPERATIONS_SHOWN]
        more = f"\n... and {len(operations) - len(shown)} more" if len(operations) > len(shown) else ""
        known = "; or: ".join(reason or _UNKNOWN for reason in reasons[:5])
        return Finding(
            rule="fuzz.never_reached",
            severity=Severity.WARNING if all(reasons) else Severity.ERROR,
            title=self._clean(
                f"{len(operations)} of {declared} operations of {self.service} received no request: {known}",
                BRIEF_LIMIT * 5,
            ),
            detail="\n".join(shown) + more + "\nstages.fuzz.max_time in harness.toml gives more time.",
            place=Place(service=self.service),
            reproduce=self.rerun,
            key="many",
        )

    def ended_early(self, why: str, at: Sequence[str], log: str, patterns: Mapping[str, Sequence[str]]) -> Finding:
        """Schemathesis ended before it had done what it was started for.

        Args:
            at: the operations it was busy with then.
            patterns: their regular expressions.
        """
        about = f" at {', '.join(at)}" if at else ""
        lines = [f"What it would have found from then on is unknown; see {log}."]
        if at:
            lines.append("It was started again without, so that this hides nothing of the other operations.")
        for operation, expressions in patterns.items():
            if expressions:
                lines += [f"Patterns of {operation}; one that backtracks for ever keeps it busy without end:"]
                lines += [f"  {e[:200]}" for e in sorted(expressions, key=lambda e: -_nested(e))[:_PATTERNS_SHOWN]]
        suspect = next((e for expressions in patterns.values() for e in expressions if _nested(e)), "")
        blamed = f" (pattern {brief(suspect)})" if suspect else ""
        return Finding(
            rule="fuzz.ended_early",
            severity=Severity.ERROR,
            title=self._clean(
                f"Schemathesis ended before its time on {self.service}{about}{blamed}: {why}", BRIEF_LIMIT * 4
            ),
            detail=self._clean("\n".join(lines)),
            place=Place(service=self.service, operation=at[0] if len(at) == 1 else ""),
            reproduce=self.rerun,
            key=" ".join(sorted(at)),
        )

    def out_of_time(self, spent_s: float) -> Finding:
        """Not even the least that is always done was done."""
        return Finding(
            rule="fuzz.out_of_time",
            severity=Severity.WARNING,
            title=f"{self.service} was not fuzzed as much as it should be: the time was up after {spent_s:.0f} s",
            detail="The service is slow, or the machine is busy. What the rest would have found is unknown; "
            "stages.fuzz.max_time in harness.toml gives more time.",
            place=Place(service=self.service),
            reproduce=self.rerun,
        )

    def all_refused(self, statuses: Mapping[int, int], *, authenticated: bool) -> Finding:
        """Nothing was accepted: what lies behind the refusals was not tested at all."""
        seen = ", ".join(f"{status} ({n}x)" for status, n in sorted(statuses.items(), key=lambda item: -item[1])[:5])
        return Finding(
            rule="fuzz.all_refused",
            severity=Severity.ERROR,
            title=f"{self.service} accepted nothing: all its answers were {', '.join(map(str, sorted(statuses)[:5]))}",
            detail=f"Answers seen: {seen}. {remedy(set(statuses), self.service, authenticated=authenticated)}",
            place=Place(service=self.service),
            reproduce=self.rerun,
        )

    def not_checked(self, cases: int) -> Finding:
        """No check looked at any answer."""
        return Finding(
            rule="fuzz.not_checked",
            severity=Severity.ERROR,
            title=f"no check looked at any of the {cases} answers of {self.service}",
            detail="Every check is switched off: see stages.fuzz.checks and exclude_checks in harness.toml, and [checks] in "
            "schemathesis.toml.",
            place=Place(service=self.service),
            reproduce=self.rerun,
        )

    def operation_not_checked(self, operation: str) -> Finding:
        """No check looked at the answers of one operation."""
        return Finding(
            rule="fuzz.not_checked",
            severity=Severity.WARNING,
            title=f"no check looked at any answer to {operation} of {self.service}",
            detail="Checks are switched off for it, or none that is switched on has anything to say of it.",
            place=Place(service=self.service, operation=operation),
            reproduce=self.rerun,
        )

    def _message(self, failure: Failure) -> str:
        found = _REASON.match(failure.message)
        said = f"\n{found[1][:BODY_LIMIT]}" if found and found[1] else ""
        return f"Schemathesis' check {failure.check}: {failure.title}.{said}"

    def _exchange(self, step: Step, expected: str) -> Exchange:
        return Exchange(
            request=self._clean(request_text(step)),
            response=self._clean(answer_text(step.answer)) if step.answer else "",
            expected=self._clean(expected),
        )

    def _clean(self, text: str, limit: int = BODY_LIMIT * 2) -> str:
        text = visible(self.redactor.text(text))
        return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _nested(pattern: str) -> bool:
    return _NESTED.search(pattern[:2000]) is not None
