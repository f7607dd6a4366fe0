"""The live display: what runs, how far, how long still, findings as they come; redrawn on stderr while the run goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TextIO

from harness.evidence import StageResult
from harness.pipeline.events import (
    Event,
    FindingFound,
    Note,
    PlannedStage,
    RunFinished,
    RunStarted,
    StageFinished,
    StageProgress,
    StageStarted,
)
from harness.report.closing import SEVERITY_STYLE, STATUS_STYLE, print_closing
from harness.report.estimate import StageClock, time_left
from harness.report.text import count, duration, line, outcome_text, result_word

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

__all__ = ["LiveTerminal"]

_REDRAWS_PER_S = 8
_BAR = 24


class _Row:
    """What the display knows of one stage."""

    __slots__ = ("began", "done", "note", "planned", "result", "total")

    def __init__(self, planned: PlannedStage) -> None:
        self.planned = planned
        self.began: float | None = None
        self.done, self.total, self.note = 0.0, 0.0, ""
        self.result: StageResult | None = None

    def clock(self, now: float) -> StageClock:
        elapsed = None if self.began is None else now - self.began
        return StageClock(elapsed, self.done / self.total if self.total > 0 else 0.0, self.result is not None)


class LiveTerminal:
    """Redraws a few lines at the foot of the terminal; findings and finished stages scroll by above them.

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
        from rich.console import Console
        from rich.live import Live

        self._stdout, self._json, self._report, self._clock = stdout, json, report, clock
        self._console = Console(file=stderr, stderr=True, highlight=False, emoji=False, markup=False)
        self._rows: dict[str, _Row] = {}
        self._lock = Lock()
        self._started: RunStarted | None = None
        self._began = clock()
        self._live = Live(
            self,
            console=self._console,
            refresh_per_second=_REDRAWS_PER_S,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def handle(self, event: Event) -> None:
        """Take one event."""
        with self._lock:
            self._take(event)
        match event:
            case RunStarted():
                self._print_start(event)
                self._live.start()
            case FindingFound(stage=stage, finding=finding):
                self._print(stage, (str(finding.severity), SEVERITY_STYLE[finding.severity]), line(finding.title))
                if place := line(str(finding.place)):
                    self._print("", (place, "dim"))
            case Note(stage=stage, text=text):
                self._print(stage, (line(text), "dim"))
            case StageFinished(result=result):
                self._print_finished(result)
            case RunFinished():
                self.close()
                print_closing(self._stdout, event, json=self._json, report=self._report)

    def close(self) -> None:
        """Give the terminal back: the live lines vanish, the cursor returns."""
        self._live.stop()

    def _take(self, event: Event) -> None:
        match event:
            case RunStarted(stages=stages):
                self._started, self._began = event, self._clock()
                self._rows = {s.name: _Row(s) for s in stages}
            case StageStarted(stage=stage):
                self._row(stage).began = self._clock()
            case StageProgress(stage=stage):
                row = self._row(stage)
                row.done, row.total, row.note = event.done, event.total, event.note
            case StageFinished(result=result):
                self._row(result.name).result = result

    def _row(self, stage: str) -> _Row:
        return self._rows.setdefault(stage, _Row(PlannedStage(stage, stage)))

    def _print_start(self, event: RunStarted) -> None:
        from rich.text import Text

        facts = f"  {event.profile} profile · seed {event.seed} · run {event.run_id}"
        self._console.print(Text.assemble((line(event.system), "bold"), (facts, "dim")), soft_wrap=True)
        self._console.print()

    def _print_finished(self, result: StageResult) -> None:
        took = f" in {duration(result.duration_s)}" if result.duration_s else ""
        status = result_word(result.status) + took
        self._print(result.name, (status, STATUS_STYLE[result.status]), (f" {outcome_text(result)}", "dim"))

    def _print(self, stage: str, *parts: str | tuple[str, str]) -> None:
        from rich.text import Text

        width = max((len(n) for n in self._rows), default=8)
        text = Text(f"{line(stage, 40):<{width}}  ")
        for i, part in enumerate(parts):
            text.append(" " if i else "")
            text.append(*((part,) if isinstance(part, str) else part))
        text.no_wrap, text.overflow = False, "fold"
        self._console.print(text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the foot: a line for the whole run, then a line for each stage that runs."""
        from rich.text import Text

        with self._lock:
            now = self._clock()
            running = [r for r in self._rows.values() if r.began is not None and r.result is None]
            yield Text("")
            for row in running:
                yield self._stage_line(row, now, console.width)
            yield self._run_line(now, console.width)

    def _stage_line(self, row: _Row, now: float, width: int) -> Text:
        from rich.text import Text

        clock = row.clock(now)
        names = max(len(n) for n in self._rows)
        text = Text(f"{line(row.planned.name, 40):<{names}}  ", no_wrap=True, overflow="ellipsis")
        filled = round(min(clock.share, 1.0) * _BAR)
        text.append("━" * filled, "cyan")
        text.append("━" * (_BAR - filled), "bright_black")
        text.append(f" {min(clock.share, 1.0):>4.0%}" if row.total > 0 else "     ")
        text.append(f" {duration(clock.elapsed_s or 0.0):>8}", "dim")
        if row.note:
            text.append(f"  {line(row.note, 120)}", "dim")
        text.truncate(width, overflow="ellipsis")
        return text

    def _run_line(self, now: float, width: int) -> Text:
        from rich.text import Text

        stages = [r.planned for r in self._rows.values()]
        ended = sum(r.result is not None for r in self._rows.values())
        expected = self._started.expected_s if self._started else {}
        left = time_left(stages, expected, {n: r.clock(now) for n, r in self._rows.items()})
        text = Text(no_wrap=True)
        text.append(f"{ended} of {count(len(stages), 'stage')}", "bold")
        text.append(f" · {duration(now - self._began)} elapsed", "dim")
        if left:
            text.append(f" · about {duration(left)} left", "dim")
        waiting = [r.planned.name for r in self._rows.values() if r.began is None and r.result is None]
        if waiting:
            text.append(f" · then {', '.join(line(n, 40) for n in waiting)}", "dim")
        text.truncate(width, overflow="ellipsis")
        return text
