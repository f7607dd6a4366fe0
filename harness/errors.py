"""Every error the harness raises on purpose, and the exit code each one means.

HarnessError
├── UsageError               exit 2: something the user can mend
│   └── ConfigError          ... in a file: names file, key, what was found, what is accepted
├── StartError               exit 2: a service of the system did not start or did not become ready
└── InfrastructureError      exit 3: the machine or a tool failed, nothing can be said about the system
    └── WaitTimeoutError     ... a bounded wait ran out
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum

__all__ = [
    "ConfigError",
    "ExitCode",
    "HarnessError",
    "InfrastructureError",
    "StartError",
    "UsageError",
    "WaitTimeoutError",
    "did_you_mean",
    "first_of",
]


_LONGEST_WORD = 200


class ExitCode(IntEnum):
    """What the process exit code of every command means."""

    OK = 0
    FAIL = 1
    USAGE = 2
    INCONCLUSIVE = 3
    INTERRUPTED = 130


def did_you_mean(found: str, accepted: Iterable[str]) -> str:
    """Say which accepted word was probably meant.

    Returns:
        `' Did you mean "x"?'`, or an empty string when nothing is close.
    """
    if len(found) > _LONGEST_WORD:  # nobody's typing error, and comparing takes time with the square of it
        return ""
    close = difflib.get_close_matches(found, [a for a in accepted if len(a) <= _LONGEST_WORD], n=1, cutoff=0.6)
    return f' Did you mean "{close[0]}"?' if close else ""


def first_of(error: BaseException) -> BaseException:
    """The first exception inside groups of groups; an exception that is no group as it is."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _plain(text: str, longest: int) -> str:
    """Text out of a file as one paragraph of bearable length that every terminal can show."""
    if len(text) > longest:
        text = f"{text[:longest]}…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class HarnessError(Exception):
    """Base of all expected errors; its text is complete enough to be shown alone."""

    exit_code: ExitCode = ExitCode.INCONCLUSIVE


class UsageError(HarnessError):
    """Something the user asked for or wrote cannot be done as it stands."""

    exit_code = ExitCode.USAGE


class ConfigError(UsageError):
    """A mistake in a file of the user's.

    Args:
        file: the file's path as the user would type it.
        key: dotted key, e.g. `services.orders.uses.payments.budget`; empty for the file as a whole.
        problem: what is wrong, including the value found.
        accepted: what is accepted instead, if that can be said.
    """

    def __init__(self, file: str, key: str, problem: str, accepted: str = "") -> None:
        file, key, problem = _plain(file, 300), _plain(key, 300), _plain(problem, 3000)
        self.file, self.key, self.problem, self.accepted = file, key, problem, accepted
        where = f"{file}: {key}" if key else file
        super().__init__(f"{where}: {problem}" + (f" Accepted: {accepted}." if accepted else ""))


class StartError(HarnessError):
    """A service of the system under test did not start, or did not become ready in time."""

    exit_code = ExitCode.USAGE

    def __init__(self, service: str, message: str) -> None:
        self.service = service
        super().__init__(message)


class InfrastructureError(HarnessError):
    """The machine or a tool failed; nothing can be said about the system under test."""


class WaitTimeoutError(InfrastructureError):
    """A bounded wait ran out.

    Args:
        awaited: what was awaited, e.g. "orders to answer /health/ready with 2xx".
        limit_s: the limit in seconds.
        last_state: the last state seen.
        log_tail: recent log lines, newest last.
        hint: what to look at next.
    """

    def __init__(self, awaited: str, limit_s: float, last_state: str, log_tail: str = "", hint: str = "") -> None:
        self.awaited, self.limit_s, self.last_state = awaited, limit_s, last_state
        text = f"waited {limit_s:g} s for {awaited}; last seen: {last_state}"
        if log_tail:
            text += f"\nlast log lines:\n{log_tail}"
        if hint:
            text += f"\nhint: {hint}"
        super().__init__(text)
