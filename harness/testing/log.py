"""Writes `--harness-report`: each test as it ends, in the controlling process. Its records are in contracts.testlog."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.contracts.consumer.testlog import (
    CollectionProblem,
    Session,
    TestEnded,
    Unpublished,
    append,
    opened_privately,
)

if TYPE_CHECKING:
    from harness.testing.publishing import Outcome

__all__ = ["LogWriter"]

_DETAIL_CHARS = 8000
_MESSAGE_CHARS = 300
_NOT_RUN = 20


class LogWriter:
    """A pytest plugin object that appends one record per finished test.

    Args:
        file: emptied at the start.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._phases: dict[str, list[pytest.TestReport]] = {}
        self._skipped: set[str] = set()
        self._ended = 0
        self._wanted: set[str] = set()
        self._done: set[str] = set()
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "w", opener=opened_privately):
            pass

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember what is to run; with xdist the controlling process collects nothing itself."""
        self._wanted.update(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """The same, as a worker tells it."""
        self._wanted.update(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Wait for the last phase of a test, then write it down."""
        phases = self._phases.setdefault(report.nodeid, [])
        phases.append(report)
        # A worker that crashed sends a single report whose phase is "???".
        if report.when == "teardown" or report.when not in {"setup", "call"}:
            self._ended += 1
            self._done.add(report.nodeid)
            append(self._file, _test_ended(self._phases.pop(report.nodeid)))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Write down a file that could not be collected, or left itself out; each once, whatever number of workers."""
        file = report.nodeid.split("::")[0]
        if report.skipped and file not in self._skipped:
            self._skipped.add(file)
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
            append(
                self._file, CollectionProblem(file=file, message=str(reason).removeprefix("Skipped: "), skipped=True)
            )
        if report.failed:
            detail = report.longreprtext
            append(
                self._file,
                CollectionProblem(file=file, message=_last_error(detail), detail=detail[-_DETAIL_CHARS:]),
            )

    def close(self, exit_code: int, outcome: Outcome) -> None:
        """Write down the end of the run."""
        for published in outcome.published:
            append(self._file, published)
        for pact in outcome.unpublished:
            append(self._file, Unpublished(pact=pact))
        for replayed in outcome.replayed:
            append(self._file, replayed)
        not_run = sorted(self._wanted - self._done)
        append(
            self._file,
            Session(
                exit_code=exit_code,
                collected=self._ended,
                complete=not outcome.why_partial and not outcome.errors,
                why_partial=outcome.why_partial,
                conflicts=outcome.errors,
                stale=outcome.stale,
                not_run=tuple(not_run[:_NOT_RUN]),
                not_run_in_all=len(not_run),
            ),
        )


def _test_ended(phases: list[pytest.TestReport]) -> TestEnded:
    worst = next((p for p in phases if p.failed), None) or next((p for p in phases if p.skipped), phases[-1])
    line = (worst.location[1] or 0) + 1
    file, message, detail = worst.nodeid.split("::")[0], "", ""
    if not worst.passed:
        file, line, message = _where(worst, line)
        detail = worst.longreprtext[-_DETAIL_CHARS:]
    return TestEnded(
        test=worst.nodeid,
        outcome=worst.outcome,
        file=file,
        line=line,
        message=message,
        detail=detail,
        duration_s=sum(p.duration for p in phases),
    )


def _where(report: pytest.TestReport, line: int) -> tuple[str, int, str]:
    """File and line where the test's own code failed, and the assertion in one line."""
    own = report.nodeid.split("::")[0]
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else getattr(report, "wasxfail", "")
        return own, line, str(reason).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    entries = getattr(getattr(report.longrepr, "reprtraceback", None), "reprentries", ())
    places = [e.reprfileloc for e in entries if getattr(e, "reprfileloc", None)]
    # The deepest frame in the test's own file: a failure inside a helper says little about where to look.
    mine = [p for p in places if p.path == own or p.path.endswith("/" + own)]
    at = mine[-1].lineno if mine else line
    message = _one_line(crash.message) if crash and crash.message.strip() else _last_error(report.longreprtext)
    return own, at, message


def _one_line(message: str) -> str:
    """The first line; where it only announces a list, as pact's mismatches do, the whole list on one line."""
    lines = [line.strip() for line in message.strip().splitlines()]
    announced = lines[0].endswith(":") and len(lines) > 1
    return " ".join(lines)[:_MESSAGE_CHARS] if announced else lines[0]


def _last_error(text: str) -> str:
    """The line pytest marks with E, which says what went wrong."""
    marked = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    lines = marked or [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no reason given"
