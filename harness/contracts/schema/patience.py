"""Ends a check that a pattern of a document holds up, and says which pattern it was. What is checked is in `checks`."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from harness.documents.nodes import escape
from harness.documents.reading import DocumentError

__all__ = ["UnfinishedError", "may_backtrack", "within"]

#: A pattern as JSON or YAML writes it; what stands for more is looked at more closely by nobody, so rather one too many.
_PATTERN = re.compile(
    rb'pattern(?:Properties)?["\']?\s*:\s*(?:\{\s*)?("(?:[^"\\]|\\.){0,4096}+|[^\n]{0,4096})', re.DOTALL
)
_REPEATS = re.compile(rb"[*+]|\{\d")
_SHOWN = 200


class UnfinishedError(DocumentError):
    """A document's check did not end in time; the text is a predicate that names the pattern it was at, if it was at one."""


class _LateError(BaseException):
    """Time is over; no Exception, so that no validator swallows it."""


def may_backtrack(raw: bytes) -> bool:
    """Whether a document may hold a pattern that a matcher never comes to an end with: one that repeats in two places.

    While a pattern is matched no other thread of the process runs, so such a document is checked in one of its own.
    """
    return b"default" in raw and any(len(_REPEATS.findall(found[1])) > 1 for found in _PATTERN.finditer(raw))


@contextmanager
def within(limit_s: float, content: Mapping[str, Any]) -> Iterator[None]:
    """Interrupt the block when its time is over; only where this is a process's main thread, and nothing elsewhere.

    Args:
        limit_s: processor time of this process, in seconds: a busy machine accuses nobody.
        content: the document, to find a pattern's place in; may be filled in the block.

    Raises:
        UnfinishedError: when it was interrupted.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def late(_number: int, _frame: FrameType | None) -> None:
        raise _LateError

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, limit_s)
    try:
        yield
    except _LateError as error:
        raise _told(error.__traceback__, content, limit_s) from None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _told(trace: TracebackType | None, content: Mapping[str, Any], limit_s: float) -> UnfinishedError:
    pattern = _matched(trace)
    if pattern is None:
        return UnfinishedError(f"was not checked to the end within {limit_s:g} s of processor time")
    shown = pattern if len(pattern) <= _SHOWN else f"{pattern[:_SHOWN]}…"
    return UnfinishedError(
        f"was not checked to the end: matching the pattern {shown!r}{_place_of(content, pattern)} does not end within "
        f"{limit_s:g} s of processor time"
    )


def _matched(trace: TracebackType | None) -> str | None:
    """The pattern that jsonschema was at: an argument of its `pattern`, a variable of what goes through several."""
    found = None
    while trace is not None:
        here = trace.tb_frame.f_locals
        for name in ("patrn", "pattern"):
            if isinstance(here.get(name), str):
                found = here[name]
        trace = trace.tb_next
    return found


def _place_of(content: Mapping[str, Any], pattern: str) -> str:
    todo: list[tuple[str, object]] = [("", content)]
    while todo:
        pointer, value = todo.pop()
        if isinstance(value, Mapping):
            if value.get("pattern") == pattern or pattern in value:
                return f" ({pointer}/{'pattern' if value.get('pattern') == pattern else escape(pattern)[:_SHOWN]})"
            todo += [(f"{pointer}/{escape(str(key))}", item) for key, item in value.items()]
        elif isinstance(value, list):
            todo += [(f"{pointer}/{number}", item) for number, item in enumerate(value)]
    return ""
