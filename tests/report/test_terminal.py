"""What a run shows while it goes on."""

from __future__ import annotations

import errno
import io
import json
import os
import pty
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from harness.evidence import RunResult, Status
from harness.pipeline.events import FindingFound, Note, RunFinished, StageProgress
from harness.report.terminal import PlainTerminal, terminal_handler
from tests.report.fakes import HOSTILE, fake_plan, fake_result
from tests.report.play import events, play

ROOT = Path(__file__).parents[2]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def until(self, at: float) -> None:
        self.now = at


def plain_run(result: RunResult, **options: bool) -> tuple[str, str]:
    clock, out, err = Clock(), io.StringIO(), io.StringIO()
    play(PlainTerminal(out, err, clock=clock, **options), result, clock.until)
    return out.getvalue(), err.getvalue()


def test_plain_lines_tell_the_run(snapshot: SnapshotAssertion) -> None:
    assert plain_run(fake_result())[1] == snapshot


def test_the_summary_tells_stages_findings_and_verdict(snapshot: SnapshotAssertion) -> None:
    assert plain_run(fake_result())[0] == snapshot


def test_a_passing_run_ends_in_few_words(snapshot: SnapshotAssertion) -> None:
    assert plain_run(fake_result(passing=True))[0] == snapshot


def test_progress_does_not_flood_a_log() -> None:
    clock, err = Clock(), io.StringIO()
    handler = PlainTerminal(io.StringIO(), err, clock=clock)
    for i in range(1000):
        clock.now = i * 0.02
        handler.handle(StageProgress(stage="fuzz", done=i, total=1000, note="cases"))
    assert err.getvalue().count("\n") == 3  # 20 seconds, one line each five


def test_with_json_stdout_is_the_result_and_nothing_else() -> None:
    out, err = plain_run(fake_result(), json=True)
    assert json.loads(out)["verdict"] == "fail"
    assert "started" in err


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_services_cannot_drive_the_terminal(text: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    handler = PlainTerminal(out, err)
    result = fake_result()
    poisoned = replace(
        result.stages[0].findings[0],
        title=text,
        reproduce=text,
        place=replace(result.stages[0].findings[0].place, file=text),
    )
    stage = replace(result.stages[0], findings=(poisoned,), reason=text)
    handler.handle(Note(stage=text, text=text))
    handler.handle(FindingFound(stage="fuzz", finding=poisoned))
    handler.handle(RunFinished(result=replace(result, stages=(stage,), reason=text), directory="runs"))
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e\ud800-\udfff]", out.getvalue() + err.getvalue()
    )


def test_the_log_and_the_hint_of_a_service_that_did_not_start_are_told_once() -> None:
    result = fake_result()
    said = "service pay did not start: waited 30 s at http://127.0.0.1:{}.\nlast lines of its log:\n  no licence\nhint: try it"
    stages = tuple(
        replace(s, status=Status.INCONCLUSIVE, reason=said.format(n)) for n, s in enumerate(result.stages[:2], 1)
    )
    out = plain_run(replace(result, stages=stages))[0]
    assert out.count("no licence") == 1
    assert "hint: try it" in out


def test_square_brackets_are_shown_not_obeyed() -> None:
    result = fake_result()
    finding = replace(result.stages[0].findings[0], title="[bold red]odd[/] [/nothing]")
    stage = replace(result.stages[0], findings=(finding,))
    out = plain_run(replace(result, stages=(stage,)))[0]
    assert "[bold red]odd[/] [/nothing]" in out


def test_many_findings_are_counted_not_listed() -> None:
    result = fake_result()
    one = result.stages[3].findings[0]
    many = tuple(replace(one, key=str(i)) for i in range(500))
    out = plain_run(replace(result, stages=(replace(result.stages[3], findings=many),)))[0]
    assert out.count(one.title) == 3
    assert "497 more findings in the report" in out


def test_commands_are_never_broken_into_lines() -> None:
    command = "curl " + "x" * 400
    result = fake_result()
    finding = replace(result.stages[0].findings[0], reproduce=command)
    out = plain_run(replace(result, stages=(replace(result.stages[0], findings=(finding,)),)))[0]
    assert command in out


def test_a_small_encoding_does_not_end_a_run() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    play(PlainTerminal(stream, stream), fake_result(), lambda _: None)
    assert b"FAIL" in raw.getvalue()


def test_a_reader_that_has_gone_does_not_end_a_run() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(errno.EPIPE, "gone")

    play(PlainTerminal(Gone(), Gone()), fake_result(), lambda _: None)


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {}, {"TERM": "xterm", "CI": "true"}])
def test_plain_lines_where_nothing_can_be_redrawn(environ: dict[str, str]) -> None:
    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(terminal_handler(io.StringIO(), Tty(), environ=environ), PlainTerminal)
    assert isinstance(terminal_handler(io.StringIO(), io.StringIO(), environ={"TERM": "xterm"}), PlainTerminal)


def in_a_terminal(*arguments: str, **environ: str) -> str:
    """Play a run on a pseudo terminal of 100 columns; returns every byte it was sent."""
    import fcntl
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    env = (
        {k: v for k, v in os.environ.items() if k not in {"CI", "NO_COLOR", "COLUMNS"}}
        | {"TERM": "xterm-256color"}
        | environ
    )
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.report.play", *arguments], cwd=ROOT, env=env, stdout=follower, stderr=follower
    )
    os.close(follower)
    seen = bytearray()

    def read() -> None:
        try:
            while chunk := os.read(leader, 65536):
                seen.extend(chunk)
        except OSError:
            return  # Linux says EIO when the other side is closed

    reader = threading.Thread(target=read)
    reader.start()
    assert child.wait(timeout=60) == 0
    reader.join(timeout=10)
    os.close(leader)
    return seen.decode("utf-8", "replace")


def test_a_terminal_sees_progress_and_time_left_and_then_the_summary() -> None:
    seen = in_a_terminal("1.5")
    assert re.search(r"\d of 8 stages", seen)
    assert "left" in seen
    assert "━" in seen
    assert re.sub(r"\x1b\[[0-9;]*m", "", seen).rstrip().endswith("report.html")
    assert seen.count("\x1b[?25l") == seen.count("\x1b[?25h") == 1  # the cursor was hidden, and came back
    assert "\x1b[31m" in seen or "\x1b[1;31m" in seen


def test_no_color_takes_colours_away_and_keeps_the_display() -> None:
    seen = in_a_terminal("0.8", NO_COLOR="1")
    assert not re.search(r"\x1b\[(\d+;)*3[0-7]m", seen)
    assert re.search(r"\d of 8 stages", seen)


def test_hostile_text_in_a_live_terminal_stays_text() -> None:
    seen = in_a_terminal("0.5", "hostile")
    assert "\x07" not in seen
    assert "␛[31mred" in seen


def test_played_events_are_in_order() -> None:
    times = [at for at, _ in events(fake_result(), fake_plan())]
    assert times == sorted(times)
