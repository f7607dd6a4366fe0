"""Turns failures into findings: titles a stranger understands, bounded and redacted requests, commands that reproduce."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from harness.evidence import Exchange, Finding, Place, Redactor, Severity
from harness.fuzz.events import NO_ANSWER, TOO_MUCH, Answer, EngineError, Failure, Step

__all__ = ["Teller"]

_BODY_LIMIT = 4000
_BRIEF_LIMIT = 90
_CURL_BODY_LIMIT = 2000
_CURL_LIMIT = 3000
_OPERATIONS_SHOWN = 50
_PATTERNS_SHOWN = 20
_UNKNOWN = "nobody knows why, also when it was tried alone"
#: A repetition of what holds a repetition, or an alternative: the usual shape of one that backtracks for ever.
_NESTED = re.compile(r"[+*}|][^()]{0,50}\)[+*{]")
_REASON = re.compile(r"^(.*?)(?:\n\s*Reproduce with.*)?$", re.DOTALL)

#: check -> title; `{with_}` is the odd input, `{status}` the answer's status, `{why}` the first line of the message.
_TITLES = {
    "not_a_server_error": "{service} answered {status} to {operation}{with_}",
    "status_code_conformance": "{service} answered {status} to {operation}, which its OpenAPI document does not declare",
    "content_type_conformance": "{service} answered {operation} with a content type its OpenAPI document does not declare",
    "response_headers_conformance": "{service} answered {operation} without headers, or with other headers, than declared",
    "response_schema_conformance": "{service} answered {operation} with a body that breaks its own schema: {why}",
    "negative_data_rejection": "{service} answered {status} to a request for {operation} that its document forbids{with_}",
    "positive_data_acceptance": "{service} answered {status} to a request for {operation} that its document allows{with_}",
    "missing_required_header": "{service} answered {status} to {operation} without a header it declares as required",
    "unsupported_method": "{service} answered {status}, not 405, to {sent}, a method it does not declare",
    "allow_header_conformance": "{service} names other methods in Allow than it declares, at {sent}",
    "use_after_free": "{service} still answered {status} to {sent} after the resource was deleted",
    "ensure_resource_availability": "{service} answered {status} to {sent} right after it had created that resource",
    "ignored_auth": "{service} answered {status} to {operation} without valid credentials",
    "object_level_authorization": "{service} gave {operation} to somebody who does not own the resource",
    NO_ANSWER: "{service} gave no answer to {operation}{with_}",
    TOO_MUCH: "{service} answered {operation} with too much: {why}",
}


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
        title, rule, severity = self._title(failure), f"fuzz.{failure.check}", Severity.ERROR
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
            detail += ["The requests that led there:", *(f"  {n}. {_line(s)}" for n, s in enumerate(failure.steps, 1))]
        detail += [f"By hand (the address is the one of that run; `harness up` prints a fresh one):\n  {_curl(step)}"]
        return Finding(
            rule=rule,
            severity=severity,
            title=self._clean(title, _BRIEF_LIMIT * 3),
            detail=self._clean("\n".join(detail)),
            place=Place(service=self.service, operation=failure.operation),
            exchange=self._exchange(step, _expected(failure)),
            reproduce=self.rerun,
            trace_id=_trace_id(step),
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
            title = f"{self.service} died of {culprit.operation}{_with(culprit)}"
            said = "It was started again, was sent this request alone, and died again."
        else:
            title = f"{self.service} died while it was fuzzed"
            said = "It was started again and sent its last requests one by one, and lived."
            if not revived:
                said = "It did not come back: a service that the harness has not started it cannot start again."
                title = f"{self.service} takes no connections any more" + (
                    f" since {unanswered.operation}{_with(unanswered)}" if unanswered else ""
                )
        culprit = culprit or (unanswered if not revived else None)
        lines = [said, "Its last requests, newest last:", *(f"  {_line(s)}" for s in recent)]
        lines += ["The end of its log:", log_tail] if log_tail else []
        lines += [f"By hand:\n  {_curl(culprit)}"] if culprit else []
        return Finding(
            rule="fuzz.crash",
            severity=Severity.ERROR,
            title=self._clean(title, _BRIEF_LIMIT * 3),
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
            title=self._clean(f"{self.service} cannot be fuzzed: its OpenAPI document {problem}", _BRIEF_LIMIT * 3),
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
            title=self._clean(f"Schemathesis could not test {self.service}{about}: {first}", _BRIEF_LIMIT * 3),
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
            title=self._clean(
                f"{operation} of {self.service} received no request: {why or _UNKNOWN}", _BRIEF_LIMIT * 3
            ),
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
                _BRIEF_LIMIT * 5,
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
        blamed = f" (pattern {_brief(suspect)})" if suspect else ""
        return Finding(
            rule="fuzz.ended_early",
            severity=Severity.ERROR,
            title=self._clean(
                f"Schemathesis ended before its time on {self.service}{about}{blamed}: {why}", _BRIEF_LIMIT * 4
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
            detail=f"Answers seen: {seen}. {_remedy(set(statuses), self.service, authenticated=authenticated)}",
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

    def _title(self, failure: Failure) -> str:
        step = failure.last
        template = _TITLES.get(failure.check)
        if template is None:
            return f"{self.service}: {failure.title} at {failure.operation}"
        return template.format(
            service=self.service,
            operation=failure.operation,
            status=step.answer.status if step.answer else "nothing",
            with_=_with(step),
            sent=f"{step.method} {unquote(urlsplit(step.url).path)}",
            why=(failure.message.splitlines() or [""])[0],
        )

    def _message(self, failure: Failure) -> str:
        found = _REASON.match(failure.message)
        said = f"\n{found[1][:_BODY_LIMIT]}" if found and found[1] else ""
        return f"Schemathesis' check {failure.check}: {failure.title}.{said}"

    def _exchange(self, step: Step, expected: str) -> Exchange:
        return Exchange(
            request=self._clean(_request_text(step)),
            response=self._clean(_answer_text(step.answer)) if step.answer else "",
            expected=self._clean(expected),
        )

    def _clean(self, text: str, limit: int = _BODY_LIMIT * 2) -> str:
        text = _visible(self.redactor.text(text))
        return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _nested(pattern: str) -> bool:
    return _NESTED.search(pattern[:2000]) is not None


def _remedy(statuses: set[int], service: str, *, authenticated: bool) -> str:
    """What to set so that requests are let in."""
    if statuses & {401, 403}:
        had = "the credentials of" if authenticated else "no credentials are set: see"
        return f"It lets nobody in with what was sent; {had} services.{service}.auth in harness.toml."
    if statuses & {404, 405}:
        return (
            "Perhaps nothing is where the document says it is: look at its servers, at its paths, and at "
            f"services.{service}.url (with the path below which the service is)."
        )
    if all(300 <= status < 400 for status in statuses):
        return f"It sends everybody somewhere else, perhaps to log in: see services.{service}.auth and its address."
    return "Examples or links in the OpenAPI document, or credentials, help to get further than its refusals."


def _visible(text: str) -> str:
    """Control characters as escapes: a payload must not steer a terminal, nor break an XML report."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def _text(body: bytes) -> str:
    return body.decode(errors="backslashreplace")


def _brief(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _BRIEF_LIMIT else f"{flat[:_BRIEF_LIMIT]}…"


def _with(step: Step) -> str:
    """` with quantity = -1`, or what else was sent, briefly."""
    if step.parameter and (value := _value(step)) is not None:
        return f" with {step.parameter} = {_brief(value)}"
    parts = urlsplit(step.url)
    if step.body:
        return f" with {_brief(_text(step.body))}"
    if parts.query:
        return f" with ?{_brief(unquote(parts.query))}"
    return f" with {_brief(unquote(parts.path))}" if "{" in step.path else ""


def _value(step: Step) -> str | None:
    """The value of the parameter that was made odd, where it can be found again."""
    from urllib.parse import parse_qs

    try:
        body = json.loads(step.body or b"")
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict) and step.parameter in body:
        return json.dumps(body[step.parameter], ensure_ascii=False)
    query = parse_qs(urlsplit(step.url).query, keep_blank_values=True)
    return ", ".join(query[step.parameter]) if step.parameter in query else None


def _line(step: Step) -> str:
    parts = urlsplit(step.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    body = f" {_brief(_text(step.body))}" if step.body else ""
    return f"{step.method} {target[:300]}{body} -> {step.answer.status if step.answer else 'no answer'}"


def _request_text(step: Step) -> str:
    parts = urlsplit(step.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{step.method} {target[:_BODY_LIMIT]} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value[:500]}" for name, value in step.headers.items()]
    return "\n".join(lines) + _body_text(step.body)


def _answer_text(answer: Answer) -> str:
    lines = [f"HTTP/1.1 {answer.status}", *(f"{name}: {value[:500]}" for name, value in answer.headers.items())]
    return "\n".join(lines) + _body_text(answer.body)


def _body_text(body: bytes | None) -> str:
    if not body:
        return "\n"
    rest = f"\n… {len(body) - _BODY_LIMIT} bytes more" if len(body) > _BODY_LIMIT else ""
    return f"\n\n{_text(body[:_BODY_LIMIT])}{rest}"


def _curl(step: Step) -> str:
    words = ["curl", "-i", "-X", step.method, "--path-as-is", "-g"]
    for name, value in step.headers.items():
        words += ["-H", f"{name}: {value}" if value.strip() else f"{name};"]  # curl drops a header written with nothing
    before = ""
    if step.body is not None and len(step.body) > _CURL_BODY_LIMIT:
        words += ["--data-binary", "@body"]
        before = f"(put the {len(step.body)} bytes of the body into a file named body) "
    elif step.body is not None:
        try:
            words += ["--data-raw", step.body.decode()]
        except UnicodeDecodeError:
            octal = "".join(f"\\{byte:03o}" for byte in step.body)
            before, words = f"printf {shlex.quote(octal)} | ", [*words, "--data-binary", "@-"]
    line = before + shlex.join([*words, step.url])
    return line if len(line) <= _CURL_LIMIT else "(the request is too long for a command line)"


def _expected(failure: Failure) -> str:
    if failure.check == NO_ANSWER:
        return "an answer"
    lines = failure.message.splitlines()
    return next((line for line in lines if line.startswith(("Documented", "Expected"))), "")


def _trace_id(step: Step) -> str:
    headers = step.answer.headers if step.answer else {}
    parts = headers.get("traceparent", "").split("-")
    return parts[1] if len(parts) >= 3 and len(parts[1]) == 32 else ""
