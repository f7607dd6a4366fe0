"""Whose fault it is when a replayed test fails: the consumer's code, or a test that looks at more than it should."""

from __future__ import annotations

import re
import subprocess
import sysconfig
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from _pytest.outcomes import OutcomeException, Skipped

from harness.testing.replay.edits import TOKEN, Edit, Kind
from harness.testing.replay.rerun import TooSlowError

if TYPE_CHECKING:
    import pytest

    from harness.testing.replay.rerun import Replay

__all__ = ["Blame", "Failure", "judge"]

_STANDARD = sysconfig.get_path("stdlib")
_PACKAGES = frozenset({"site-packages", "dist-packages"})  # also those of another environment on the path
_OURS = str(Path(__file__).parents[1])  # the pact fixture stands between pact and a message handler
_SHOWN = ("charset=utf-8", "x-harness-extra", TOKEN)
_TEXT_CHARS = 4000
#: How programs of most languages begin the line that says what went wrong.
_COMPLAINT = re.compile(
    r"(?:Uncaught |Unhandled |Exception in thread .*|[\w.$:]*(?:Error|Exception)\b|panic:|fatal)", re.I
)


class Blame(StrEnum):
    """Who cannot live with the answer."""

    CONSUMER = "consumer"
    UNCLEAR = "unclear"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Failure:
    """One judged failure.

    Args:
        said: type and text of the exception, one line.
        file: where it was raised, as far as that is not in a library; absolute.
        line: starts at 1.
        detail: the traceback.
    """

    blame: Blame
    said: str
    file: str = ""
    line: int = 0
    detail: str = ""


def judge(item: pytest.Function, replay: Replay, error: BaseException, suite: Path | None) -> Failure:
    """Judge what a replay raised.

    Args:
        suite: folder of consumer tests, where known; what lies there is test, not consumer.
    """
    error = _innermost(error)
    frames = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    asserted = isinstance(error, AssertionError | OutcomeException)
    blame = _of_assertion(error, frames, replay.edits) if asserted else _of_exception(item, frames, suite)
    if isinstance(error, TooSlowError):
        blame = Blame.CONSUMER
    if asserted and frames and _is_project(frames[-1][0]) and not _is_test(_file(frames[-1][0]), item, suite):
        blame = Blame.CONSUMER  # an assert in the consumer's own code
    if isinstance(error, Skipped) or replay.disturbed:
        blame = Blame.NOBODY
    file, line = _place(frames)
    said = (_of_child(error) or str(error).strip() or "no message").splitlines()[0][:300]
    return Failure(blame, f"{type(error).__name__}: {said}", file, line, _story(error))


def _of_child(error: BaseException) -> str:
    """What a consumer in another language said before it ended; the exception itself only knows its exit code."""
    lines = [line.strip() for line in _stderr(error).splitlines() if line.strip()]
    complaint = next((line for line in lines if _COMPLAINT.match(line)), lines[-1] if lines else "")
    if not complaint or not isinstance(error, subprocess.CalledProcessError):
        return ""
    return f"{Path(_program(error.cmd)).name} ended with {error.returncode}: {complaint}"


def _program(command: object) -> str:
    words = command.split() if isinstance(command, str) else command
    return str(words[0]) if isinstance(words, list | tuple) and words else "a process"


def _stderr(error: BaseException) -> str:
    said = getattr(error, "stderr", None)
    return said.decode(errors="replace") if isinstance(said, bytes) else said if isinstance(said, str) else ""


def _story(error: BaseException) -> str:
    """The traceback from the project's own code on, and what a child process said; pytest's way there tells nothing."""
    start = error.__traceback__
    while start is not None and not _is_project(start.tb_frame):
        start = start.tb_next
    text = "".join(traceback.format_exception(type(error), error, start or error.__traceback__))[-_TEXT_CHARS:]
    child = _stderr(error).strip()[-_TEXT_CHARS:]
    return f"{text}\nstandard error of the process:\n{child}\n" if child else text


def _innermost(error: BaseException) -> BaseException:
    """What really happened, where groups or pact's own errors are wrapped around it."""
    while True:
        if isinstance(error, BaseExceptionGroup) and error.exceptions:
            error = error.exceptions[0]
        elif type(error).__name__ == "PactVerificationError" and error.__cause__ is not None:
            error = error.__cause__  # what the message handler raised
        else:
            return error


def _of_exception(item: pytest.Function, frames: Sequence[tuple[FrameType, int]], suite: Path | None) -> Blame:
    """Where it was raised tells: beyond the tests' own code is the consumer, with every library it uses.

    Straight in a helper of the tests it may be either: a consumer written for the test, or a check of it.
    """
    if _in_consumer(item, frames, suite):
        return Blame.CONSUMER
    own = frames[-1][0].f_code.co_name if frames else ""
    return Blame.NOBODY if own == item.originalname else Blame.UNCLEAR


def _in_consumer(item: pytest.Function, frames: Sequence[tuple[FrameType, int]], suite: Path | None) -> bool:
    tests = [n for n, (frame, _) in enumerate(frames) if _is_test(_file(frame), item, suite)]
    beyond = frames[tests[-1] + 1 if tests else 0 :]
    # pytest's own frames are all there is when a fixture or an outcome is raised outside any test code.
    return any("_pytest" not in _file(frame).parts for frame, _ in beyond)


def _file(frame: FrameType) -> Path:
    return Path(frame.f_code.co_filename)


def _is_project(frame: FrameType) -> bool:
    """Whether a frame is neither of the standard library nor of an installed package nor ours."""
    name = frame.f_code.co_filename
    return not name.startswith(("<", _STANDARD, _OURS)) and _PACKAGES.isdisjoint(_file(frame).parts)


def _is_test(file: Path, item: pytest.Function, suite: Path | None) -> bool:
    if file == item.path or file.name == "conftest.py" or file.match("test_*.py") or file.match("*_test.py"):
        return True
    return suite is not None and file.is_relative_to(suite)


def _of_assertion(error: BaseException, frames: Sequence[tuple[FrameType, int]], edits: Sequence[Edit]) -> Blame:
    """A wrong result is the consumer's fault, unless the test only looks at what was passed through on purpose."""
    kinds = {edit.kind for edit in edits}
    if Kind.LONGER in kinds or kinds <= {Kind.SPACE}:
        return Blame.NOBODY  # no value changes by white space, and a longer list is another result
    said = str(error).lower()
    if any(token in said for token in _SHOWN) or ('{"' in said and Kind.ORDER in kinds):
        return Blame.NOBODY
    if any(TOKEN in _text(value) for frame, _ in frames for value in list(frame.f_locals.values())):
        return Blame.NOBODY
    return Blame.CONSUMER


def _text(value: object) -> str:
    try:
        return repr(value)
    except Exception:
        return ""


def _place(frames: Sequence[tuple[FrameType, int]]) -> tuple[str, int]:
    """The innermost line of the project's own code."""
    own = [(frame.f_code.co_filename, line) for frame, line in frames if _is_project(frame)]
    return own[-1] if own else ("", 0)
