"""What a run shows while it goes on: plain lines here, the live display in `live`; both end with the same summary."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from harness.evidence import Finding
from harness.pipeline.events import (
    Event,
    EventHandler,
    FindingFound,
    Note,
    RunFinished,
    RunStarted,
    StageFinished,
    StageProgress,
    StageStarted,
)
from harness.report.estimate import time_left
from harness.report.text import duration, line, outcome_text, result_word, write

__all__ = ["PlainTerminal", "terminal_handler"]

#: A stage says how far it is at most this often, so that a log in CI stays readable.
PROGRESS_EVERY_S = 5.0


def terminal_handler(
    stdout: TextIO,
    stderr: TextIO,
    *,
    json: bool = False,
    report: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> EventHandler:
    """Pick how a run is shown: live where there is a terminal to redraw, plain lines in CI, in pipes and in dumb terminals.

    `NO_COLOR` takes colours away, not the live display. With `json`, stdout gets the result as one JSON document.

    Args:
        stdout: takes the summary at the end.
        stderr: takes everything that is said before.
        report: the folder where `report.html` will be, to be named in the summary; the run's directory when None.
        environ: the environment; `os.environ` when None.
    """
    env = os.environ if environ is None else environ
    if stderr.isatty() and env.get("TERM", "dumb") != "dumb" and not env.get("CI"):
        from harness.report.live import LiveTerminal

        return LiveTerminal(stdout, stderr, json=json, report=report)
    return PlainTerminal(stdout, stderr, json=json, report=report)


class PlainTerminal:
    """One line for everything that happens, and no line for what does not.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        stdout: TextIO,
        stderr: TextIO,
        *,
        json: bool = False,
        report: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stdout, self._stderr, self._json, self._report = stdout, stderr, json, report
        self._clock = clock
        self._began = clock()
        self._width = 8
        self._told: dict[str, float] = {}

    def handle(self, event: Event) -> None:
        """Take one event."""
        match event:
            case RunStarted():
                self._start(event)
            case StageStarted(stage=stage):
                self._told[stage] = self._clock()
                self._say(stage, "started")
            case StageProgress():
                self._progress(event)
            case FindingFound(stage=stage, finding=finding):
                self._say(stage, finding_line(finding))
            case Note(stage=stage, text=text):
                self._say(stage, line(text))
            case StageFinished(result=result):
                took = f" in {duration(result.duration_s)}" if result.duration_s else ""
                told = outcome_text(result)
                self._say(result.name, f"{result_word(result.status)}{took}" + (f": {told}" if told else ""))
            case RunFinished():
                self._finish(event)

    def close(self) -> None:
        """Nothing is held."""

    def _start(self, event: RunStarted) -> None:
        self._began = self._clock()
        self._width = max((len(s.name) for s in event.stages), default=8)
        expected = time_left(event.stages, event.expected_s, {})
        last = f" · about {duration(expected)}" if expected else ""
        write(
            self._stderr,
            f"{line(event.system)} · profile {event.profile} · seed {event.seed} · run {event.run_id}{last}\n",
        )

    def _progress(self, event: StageProgress) -> None:
        now = self._clock()
        if now - self._told.get(event.stage, self._began) < PROGRESS_EVERY_S:
            return
        self._told[event.stage] = now
        share = f"{min(event.done / event.total, 1):.0%}" if event.total > 0 else f"{event.done:,.0f}"
        self._say(event.stage, f"{share} {line(event.note)}".rstrip())

    def _say(self, stage: str, text: str) -> None:
        seconds = self._clock() - self._began
        write(self._stderr, f"{seconds:7.1f}s  {line(stage, 40):<{self._width}}  {text}\n")

    def _finish(self, event: RunFinished) -> None:
        from harness.report.closing import print_closing

        print_closing(self._stdout, event, json=self._json, report=self._report)


def finding_line(finding: Finding) -> str:
    """`error: title (place)`, on one line, harmless."""
    place = line(str(finding.place))
    return f"{finding.severity}: {line(finding.title)}" + (f" ({place})" if place else "")
