"""Runs a test that has already ended once more, with other answers; its outcome is counted nowhere in pytest."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from _pytest.outcomes import Exit
from _pytest.tmpdir import tmppath_result_key

from harness.testing.replay.edits import Answer, Edit, perturbed

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["REPLAY", "Replay", "TooSlowError", "collect_remains", "collecting_what_is_new", "leave", "rerun"]

_AGAIN_S = 1.0
_GRACE_S = 5.0


class TooSlowError(BaseException):
    """A replay did not end in time; no Exception, so that the code under test cannot swallow it."""


class Replay:
    """What one replay changes, and what it saw.

    Args:
        edits: applied to every answer they are about; without any, the test sees what it saw before.

    Attributes:
        seen: the answers as they were before the edits, in the order of their arrival.
        late: whether its time is over; from then on answers are as the contract has them, which ends many a loop.
        disturbed: whether something came between that is no fault of the answers: a request the contract does not
            have, or a mock server that did not answer.
    """

    def __init__(self, edits: Sequence[Edit] = ()) -> None:
        self.edits = tuple(edits)
        self.seen: list[Answer] = []
        self.late = False
        self.disturbed = False
        self._lock = threading.Lock()

    def shown(self, answer: Answer) -> Answer:
        """Take down an answer and return what the consumer gets instead."""
        with self._lock:
            self.seen.append(answer)
            if any(n.lower() == "x-pact" and v == "Unexpected-Request" for n, v in answer.headers):
                self.disturbed = True
        return answer if self.late else perturbed(answer, self.edits)


#: Where a test that is being replayed finds its replay.
REPLAY = pytest.StashKey[Replay]()


def rerun(item: pytest.Function, replay: Replay, limit_s: float) -> BaseException | None:
    """Run a test from set-up to teardown and return what it raised.

    Args:
        limit_s: seconds after which it is interrupted (where the platform and the thread allow it), again and again
            while it goes on; when that is of no use, the process is ended.
    """
    item.stash[REPLAY] = replay
    _forget_earlier_run(item)
    try:
        with warnings.catch_warnings(record=True), _quiet(), _ending_with(item, 2 * limit_s + _GRACE_S):
            error = _phases(item, replay, limit_s)
    finally:
        del item.stash[REPLAY]
    return TooSlowError(f"the replay did not end within {limit_s:.0f} s") if replay.late else error


def leave(item: pytest.Function, nextitem: pytest.Item | None) -> None:
    """Tear down what replays set up again and the next test does not use."""
    state = item.session._setupstate
    _call("teardown", lambda: state.teardown_exact(nextitem))


def _forget_earlier_run(item: pytest.Function) -> None:
    item.stash[tmppath_result_key] = {}  # left by a report, which a replay does not make; tmp_path's end wants it
    item._initrequest()  # as pytest itself does for an item that runs again
    if item.cls is not None:
        for name in ("_instance", "_obj"):  # each run of a method has an object of its own
            item.__dict__.pop(name, None)


def _phases(item: pytest.Function, replay: Replay, limit_s: float) -> BaseException | None:
    hook = item.ihook
    error: BaseException | None = None
    with contextlib.suppress(TooSlowError), _within(replay, limit_s):
        error = _call("setup", lambda: hook.pytest_runtest_setup(item=item))
        if error is None:
            error = _call("call", lambda: hook.pytest_runtest_call(item=item))
    late: BaseException | None = None
    with contextlib.suppress(TooSlowError), _within(replay, limit_s):
        # The module's own fixtures stay for the next replay: only the test itself is torn down.
        late = _call("teardown", lambda: hook.pytest_runtest_teardown(item=item, nextitem=item.parent))
    item._request = False  # type: ignore[assignment]  # as pytest leaves it
    item.funcargs = None  # type: ignore[assignment]
    return error or late


def _call(when: Any, phase: Callable[[], object]) -> BaseException | None:
    info = pytest.CallInfo.from_call(phase, when, reraise=(Exit, KeyboardInterrupt, TooSlowError))
    return info.excinfo.value if info.excinfo else None


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """What a broken-off replay leaves unclosed must not be told at the expense of the next test."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        yield
    finally:
        sys.unraisablehook = hook


@contextlib.contextmanager
def collecting_what_is_new() -> Generator[None]:
    """Leave what was there before out of collections: with a large program each of them takes longer than ten replays."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def collect_remains() -> None:
    """Free what failed replays left behind, silently."""
    with warnings.catch_warnings(record=True), _quiet():
        gc.collect()


@contextlib.contextmanager
def _within(replay: Replay, limit_s: float) -> Generator[None]:
    """Interrupt what runs longer; code that swallows that is interrupted once more a second later."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def late(_number: int, _frame: FrameType | None) -> None:
        replay.late = True
        raise TooSlowError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, limit_s, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _ending_with(item: pytest.Function, limit_s: float) -> Generator[None]:
    """End the process, with a traceback, where code neither returns nor can be interrupted."""
    said = item.config.stash.get(fault_handler_stderr_fd_key, 2)  # pytest's own copy: the tests' is captured
    faulthandler.dump_traceback_later(limit_s, exit=True, file=said)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
