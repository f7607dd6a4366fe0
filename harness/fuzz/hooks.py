"""Prepares the process that Schemathesis runs in, before anything of it is imported (`--first`); of no use anywhere else."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

import requests.adapters
import requests.sessions

from harness.fuzz.events import AT_WORK_VARIABLE
from harness.fuzz.exchange import LimitedAdapter
from harness.fuzz.floor import Floor, stand_on

#: How much of a body goes into the report: enough to show, and to find identifiers in it for a replay.
_KEPT_BYTES, _KEPT_LATER = 64_000, 2_000
_KEPT_WHOLE = 200
_MESSAGE = 20_000


def _limit_answers() -> None:
    """Whatever sends with requests, here and in a project's hooks, does so within limits."""
    requests.adapters.HTTPAdapter = LimitedAdapter  # type: ignore[misc]  # every session made from now on has it
    requests.sessions.HTTPAdapter = LimitedAdapter  # imported from there by name


def _limit_report() -> None:
    """One scenario is one line of the report, with all its answers in it."""
    from schemathesis.engine.recorder import ScenarioRecorder

    record_response, record_failure = ScenarioRecorder.record_response, ScenarioRecorder.record_check_failure

    def response_in_part(self: Any, *, case_id: str, response: Any) -> None:
        limit = _KEPT_BYTES if len(self.interactions) < _KEPT_WHOLE else _KEPT_LATER
        short = response if len(response.content or b"") <= limit else response.truncated(limit)
        record_response(self, case_id=case_id, response=short)

    def failure_in_part(self: Any, *, failure: Any, **named: Any) -> None:
        if len(failure.message) > _MESSAGE:
            failure.message = failure.message[:_MESSAGE]
        record_failure(self, failure=failure, **named)

    ScenarioRecorder.record_response = response_in_part  # type: ignore[method-assign]  # it, and less of it
    ScenarioRecorder.record_check_failure = failure_in_part  # type: ignore[method-assign]  # the same


def _tell_what_is_at_work(file: Path) -> None:
    """Write down at once which operations are at work: the report tells of it from a thread, which may get no turn any more."""
    from schemathesis.engine.events import ScenarioFinished, ScenarioStarted
    from schemathesis.engine.recorder import ScenarioRecorder

    at_work: dict[Any, str] = {}
    lock = Lock()
    start, finish, record_case = ScenarioStarted.__init__, ScenarioFinished.__init__, ScenarioRecorder.record_case

    def note() -> None:
        file.write_text(json.dumps(list(at_work.values())), encoding="utf-8")

    def started(self: Any, **named: Any) -> None:
        start(self, **named)
        with lock:
            at_work[self.id] = self.label or ""
            note()

    def finished(self: Any, **named: Any) -> None:
        finish(self, **named)
        with lock:
            at_work.pop(self.id, None)
            note()

    def alive(self: Any, **named: Any) -> None:
        record_case(self, **named)
        with suppress(OSError):
            os.utime(file)

    ScenarioRecorder.record_case = alive  # type: ignore[method-assign]  # it, and a sign that work goes on
    ScenarioStarted.__init__ = started  # type: ignore[method-assign]  # it, and a word about it
    ScenarioFinished.__init__ = finished  # type: ignore[method-assign]  # the same


_limit_answers()
_limit_report()
if AT_WORK_VARIABLE in os.environ:
    _tell_what_is_at_work(Path(os.environ[AT_WORK_VARIABLE]))
if (floor := Floor.given()) is not None:
    stand_on(floor)
