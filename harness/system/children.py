"""Child processes with a time limit, a process group of their own, captured logs, and a certain end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.abc

from harness.errors import InfrastructureError
from harness.system.confidential import users_umask

if TYPE_CHECKING:
    import psutil

    from harness.system.channel import Channel

__all__ = [
    "ChildResult",
    "child_environment",
    "end_group",
    "is_ending",
    "kill_group",
    "limit_file_size",
    "log_tail",
    "python_module",
    "read_lines",
    "run_child",
    "start_child",
]

_GRACE_S = 3.0
#: How long the rest of its output is waited for once a child has ended, in seconds.
_LAST_WORDS_S = 1.0


@dataclass(frozen=True, slots=True)
class ChildResult:
    """How a child ended.

    Args:
        returncode: exit code; negative for a signal, as in `subprocess`.
        duration_s: wall time in seconds.
        timed_out: whether it was killed at its time limit.
        log: file with its standard error (and standard output, where nobody read that line by line).
    """

    returncode: int
    duration_s: float
    timed_out: bool
    log: Path


def child_environment(extra: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """The environment for a child: this one, with the tools of this Python's folder found first, plus `extra`.

    Args:
        extra: variables to set; None takes one away.
    """
    env = dict(os.environ)
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', '')}"
    env.setdefault("PYTHONUNBUFFERED", "1")
    for name, value in (extra or {}).items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value
    return env


def python_module(module: str, *arguments: str) -> list[str]:
    """Command line that runs a module of ours with this very Python."""
    return [sys.executable, "-m", module, *arguments]


async def start_child(
    argv: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    env: Mapping[str, str | None] | None = None,
    pipe_stdin: bool = False,
    pipe_stdout: bool = False,
    private: bool = False,
    channel: Channel | None = None,
) -> anyio.abc.Process:
    """Start a child in its own session; its output goes to `log`, or standard output to a pipe.

    Args:
        private: whether what it writes is for this user only, as what this process writes is; a program of the user's
            makes its files as it always does.
        channel: by which it tells what it sends in confidence.

    Raises:
        InfrastructureError: when it cannot be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        try:
            return await anyio.open_process(
                list(argv),
                cwd=cwd,
                env=child_environment({**(env or {}), **(channel.environment if channel else {})}),
                stdin=subprocess.PIPE if pipe_stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe_stdout else sink,
                stderr=sink,
                start_new_session=True,
                umask=-1 if private else users_umask(),
                pass_fds=channel.handles if channel else (),
            )
        except (OSError, ValueError) as error:  # ValueError: text that this machine's encoding does not have
            why = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise InfrastructureError(f"cannot start {argv[0]!r}: {why}") from None


async def run_child(
    argv: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    time_limit_s: float,
    env: Mapping[str, str | None] | None = None,
    on_line: Callable[[str], None] | None = None,
    grace_s: float = _GRACE_S,
    private: bool = False,
    channel: Channel | None = None,
) -> ChildResult:
    """Run a child to its end; at its time limit, or when the caller is cancelled, its whole group is ended.

    Args:
        on_line: takes each line of standard output as it comes; without it standard output goes to `log` too.
        grace_s: how long it may take to end by itself when it is asked to, in seconds.
        private, channel: see `start_child`.
    """
    begun = time.monotonic()
    process = await start_child(
        argv, cwd=cwd, log=log, env=env, pipe_stdout=on_line is not None, private=private, channel=channel
    )
    timed_out = False
    lines = _Lines(process, on_line) if on_line is not None else None
    try:
        with anyio.move_on_after(time_limit_s) as scope:
            if lines is not None:
                await lines.read()
            await process.wait()
        timed_out = scope.cancelled_caught
    finally:
        with anyio.CancelScope(shield=True):
            # What it says while it ends counts: what it has learnt to be secret, what it has found.
            async with anyio.create_task_group() as tasks:
                if lines is not None:
                    tasks.start_soon(lines.read)
                await _end(process, grace_s)
                # What it has started may hold the pipe open for longer.
                tasks.cancel_scope.deadline = anyio.current_time() + _LAST_WORDS_S
            await _close(process)
    return ChildResult(process.returncode or 0, time.monotonic() - begun, timed_out, log)


async def read_lines(process: anyio.abc.Process, on_line: Callable[[str], None]) -> None:
    """Hand on each line of a child's piped standard output as it comes, until it ends."""
    await _Lines(process, on_line).read()


class _Lines:
    """Lines of a child's piped standard output; whoever stops reading in the middle of one may go on later."""

    def __init__(self, process: anyio.abc.Process, on_line: Callable[[str], None]) -> None:
        assert process.stdout is not None
        self._stream, self._on_line, self._rest = process.stdout, on_line, b""

    async def read(self) -> None:
        async for chunk in self._stream:
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                self._on_line(line.decode(errors="replace"))
        rest, self._rest = self._rest, b""
        if rest:
            self._on_line(rest.decode(errors="replace"))


async def end_group(process: anyio.abc.Process, grace_s: float | None = _GRACE_S) -> None:
    """Ask a child's group to end, then kill it; returns when the child is gone.

    Args:
        grace_s: how long it may take to end by itself, in seconds; None kills it at once.
    """
    await _end(process, grace_s)
    await _close(process)


async def _end(process: anyio.abc.Process, grace_s: float | None) -> None:
    if process.returncode is None and grace_s is not None:
        kill_group(process.pid, signal.SIGTERM)
        with anyio.move_on_after(grace_s):
            await process.wait()
    # Also when the child ended by itself: what it left in its group goes with it.
    kill_group(process.pid, signal.SIGKILL)
    await process.wait()


async def _close(process: anyio.abc.Process) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            await stream.aclose()


def kill_group(pid: int, sig: signal.Signals) -> None:
    """Signal a whole process group; one that is gone is fine."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, sig)


def is_ending(pid: int) -> bool:
    """Whether a process is gone or on its way out: its memory is given back before its connections are closed."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() == psutil.STATUS_ZOMBIE or process.memory_info().rss == 0
    except psutil.Error:
        return True


def limit_file_size(pid: int, size: int | None) -> None:
    """Set the soft RLIMIT_FSIZE of every process of a child's session, see setrlimit(2).

    Args:
        pid: the child, which leads its session.
        size: bytes; None: as much as the hard limit allows.

    Raises:
        InfrastructureError: when this machine has no such limit, or does not let it be set.
    """
    import psutil

    if not hasattr(psutil, "RLIMIT_FSIZE"):
        raise InfrastructureError("the size of files a running process may write can only be limited on Linux")
    for process in _session(pid):
        with suppress(psutil.NoSuchProcess):
            try:
                _, hard = process.rlimit(psutil.RLIMIT_FSIZE)
                process.rlimit(psutil.RLIMIT_FSIZE, (hard if size is None else size, hard))
            except (psutil.AccessDenied, OSError) as error:
                raise InfrastructureError(
                    f"cannot limit the size of files process {process.pid} may write: {error}"
                ) from None


def _session(pid: int) -> list[psutil.Process]:
    import psutil

    found = []
    for process in psutil.process_iter():
        with suppress(OSError):
            if os.getsid(process.pid) == pid:
                found.append(process)
    return found


def log_tail(log: Path, lines: int = 12) -> str:
    """Last lines of a log; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 64 * 1024))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(deque(text.splitlines(), maxlen=lines))
