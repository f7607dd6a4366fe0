"""Reads Schemathesis' NDJSON report, one event a line, into what the other modules need. Starts and judges nothing."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.fuzz.failures import NO_ANSWER, TOO_MUCH, Answer, Failure, Step

__all__ = [
    "AT_WORK_VARIABLE",
    "EngineError",
    "OperationTally",
    "Report",
]

#: Names the file in which the process keeps the operations that it is at, see `hooks`.
AT_WORK_VARIABLE = "HARNESS_FUZZ_AT_WORK"
#: Errors of the network: the request without an answer is in the recording, and is told from there.
_NETWORK = re.compile(
    r"Connection|AnswerTooLarge|Timeout|ChunkedEncoding|ServerUnavailable|ContentDecoding|RemoteDisconnected"
)
#: Checks that look into a body, which is not there where it was not taken.
_ABOUT_BODIES = frozenset({"response_schema_conformance", "content_type_conformance"})
#: More of a text or a body is no use to anybody, and a hostile one would fill the memory.
_LONGEST_TEXT, _LONGEST_BODY = 20_000, 200_000


@dataclass(frozen=True, slots=True)
class EngineError:
    """Something Schemathesis itself could not do; `fatal` ended the run."""

    kind: str
    message: str
    label: str
    fatal: bool


@dataclass(slots=True)
class OperationTally:
    """What one operation received: cases by phase, answers by status (0: no answer), and how often a check looked at one."""

    checks: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def cases(self) -> int:
        """All cases."""
        return self.phases.total()

    @property
    def unchecked(self) -> bool:
        """Whether it was answered, and no check looked at an answer."""
        return not self.checks and any(self.statuses[s] for s in self.statuses if s)

    @property
    def accepted(self) -> bool:
        """Whether it was answered 2xx at least once."""
        return any(200 <= status < 300 for status in self.statuses)


@dataclass(slots=True)
class Report:
    """Everything seen so far of one service; feed it line by line, over as many runs as there are.

    Args:
        recent_limit: how many of the latest requests to remember, newest last.
        skipped: why Schemathesis did not test an operation, in its own words.
        said_this_run: whether the present run told of an error.
        failed_this_run: whether a check failed in the present run.
    """

    recent_limit: int = 20
    failures: dict[tuple[str, str, str], Failure] = field(default_factory=dict)
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    errors: list[EngineError] = field(default_factory=list)
    operations: dict[str, OperationTally] = field(default_factory=dict)
    recent: list[Step] = field(default_factory=list)
    phase: str = ""
    started: bool = False
    finished: bool = False
    stop_reason: str = ""
    server_gone: bool = False
    skipped: dict[str, str] = field(default_factory=dict)
    said_this_run: bool = False
    failed_this_run: bool = False

    @property
    def cases(self) -> int:
        """Requests sent."""
        return sum(t.cases for t in self.operations.values())

    def begin(self) -> None:
        """Forget how the run before ended; what it found stays."""
        self.started = self.finished = self.server_gone = False
        self.said_this_run = self.failed_this_run = False
        self.stop_reason = self.phase = ""

    def feed(self, line: bytes | str) -> None:
        """Take one line of the report; one that is not an event is an error of the engine."""
        try:
            ((kind, event),) = json.loads(line).items()
            self._event(kind, event)
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
            said = bytes(line[:200]) if isinstance(line, bytes) else line[:200]
            self._add_error(EngineError("Report", f"a line that is no event: {said!r}", "", fatal=True))

    def _event(self, kind: str, event: dict[str, Any]) -> None:
        match kind:
            case "Initialize":
                self.started = True
            case "PhaseStarted":
                self.phase = event["phase"]["name"]
            case "ScenarioFinished":
                self._scenario(event)
            case "NonFatalError":
                self._error(event)
            case "FatalError":
                self._add_error(_engine_error(event.get("exception", {}), "", fatal=True))
            case "EngineFinished":
                self.finished, self.stop_reason = True, event.get("stop_reason", "")

    def _add_error(self, error: EngineError) -> None:
        self.said_this_run = True
        self.errors.append(error)

    def _error(self, event: dict[str, Any]) -> None:
        value = event.get("value", {})
        self.said_this_run = True
        if value.get("type") == "ServerUnavailable":
            self.server_gone = True
        elif not _NETWORK.search(str(value.get("type", ""))):
            self._add_error(_engine_error(value, event.get("label", ""), fatal=False))

    def _scenario(self, event: dict[str, Any]) -> None:
        recorder = event["recorder"]
        if event.get("skip_reason"):
            self.skipped[str(event.get("label") or "")] = str(event["skip_reason"])[:_LONGEST_TEXT]
        steps = dict(_steps(recorder))
        for step in steps.values():
            tally = self.operations.setdefault(step.operation, OperationTally())
            tally.phases[event["phase"]] += 1
            tally.statuses[step.answer.status if step.answer else 0] += 1
            if step.answer is None:
                message = "the connection ended, or the time limit of the request ran out, before a whole answer came"
                self._add(Failure(NO_ANSWER, step.operation, "No answer", message, event["phase"], (step,)))
            elif step.answer.too_much:
                told = step.answer.too_much
                self._add(Failure(TOO_MUCH, step.operation, "Too much", told, event["phase"], (step,)))
        self.recent = [*self.recent, *steps.values()][-self.recent_limit :]
        for case_id, checks in recorder.get("checks", {}).items():
            if case_id in steps:
                self.operations[steps[case_id].operation].checks += len(checks)
            for check in checks:
                if check["status"] == "failure":
                    self._failure(event["phase"], case_id, check, steps)

    def _failure(self, phase: str, case_id: str, check: dict[str, Any], steps: dict[str, Step]) -> None:
        said = check["failure_info"]["failure"]
        step = steps.get(said.get("case_id") or case_id) or steps.get(case_id)
        if step is None:  # never seen; without its request nothing can be shown or replayed
            self._add_error(EngineError(said["type"], _short(said["message"]), said["operation"], fatal=False))
            return
        if step.answer is not None and step.answer.too_much and check["name"] in _ABOUT_BODIES:
            return
        led = tuple(s for s in steps.values() if s.at < step.at) if phase == "stateful" else ()
        self._add(
            Failure(
                check["name"], said["operation"], _short(said["title"]), _short(said["message"]), phase, (*led, step)
            )
        )

    def _add(self, failure: Failure) -> None:
        """Keep the failure that is easiest to follow: fewest steps, then the shortest request."""
        self.failed_this_run = True
        self.counts[failure.key] += 1
        known = self.failures.get(failure.key)
        if known is None or _effort(failure) < _effort(known):
            self.failures[failure.key] = failure


def _effort(failure: Failure) -> tuple[int, int]:
    return len(failure.steps), len(failure.last.url) + len(failure.last.body or b"")


def _engine_error(value: dict[str, Any], label: str, *, fatal: bool) -> EngineError:
    return EngineError(_short(value.get("type", "Error")), _short(value.get("message", "")), label or "", fatal)


def _short(text: Any) -> str:
    return str(text)[:_LONGEST_TEXT]


def _steps(recorder: dict[str, Any]) -> Iterator[tuple[str, Step]]:
    """Recorded requests by case id, in the order they were sent."""
    interactions: dict[str, Any] = recorder.get("interactions", {})
    for case_id, one in sorted(interactions.items(), key=lambda item: item[1].get("timestamp", 0.0)):
        case: dict[str, Any] = recorder.get("cases", {}).get(case_id, {}).get("value", {})
        request = one["request"]
        parameter, why = _oddity(case.get("meta", {}))
        yield (
            case_id,
            Step(
                method=request["method"],
                url=request["uri"],
                path=case.get("path", ""),
                headers=_headers(request.get("headers", {})),
                body=_bytes(request["body"]) if "body" in request else None,
                at=one.get("timestamp", 0.0),
                answer=_answer(one["response"]) if "response" in one else None,
                parameter=parameter,
                why=why,
            ),
        )


def _answer(response: dict[str, Any]) -> Answer:
    headers = {name.lower(): value for name, value in _headers(response.get("headers", {})).items()}
    return Answer(response["status_code"], headers, _bytes(response.get("content", ""))[:_LONGEST_BODY])


def _headers(headers: dict[str, Any]) -> dict[str, str]:
    joined = {n: ", ".join(map(str, v)) if isinstance(v, list) else str(v) for n, v in headers.items()}
    return {name: value[:_LONGEST_TEXT] for name, value in joined.items()}


def _bytes(value: Any) -> bytes:
    if isinstance(value, dict) and "$base64" in value:
        return base64.b64decode(value["$base64"])
    return str(value).encode("utf-8", errors="surrogatepass")


def _oddity(meta: dict[str, Any]) -> tuple[str, str]:
    """Which parameter was made odd, and how, from the coverage and negative data that say so."""
    data = meta.get("phase", {}).get("data", {})
    if meta.get("generation", {}).get("mode") != "negative":
        return "", ""
    pointer = str(data.get("location") or "")
    inner = re.match(r"/properties/([^/]+)", pointer)
    name = inner[1] if inner else ("" if data.get("parameter_location") == "body" else data.get("parameter") or "")
    return str(name), str(data.get("description") or "")
