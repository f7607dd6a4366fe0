"""Runs `st run` as a child and follows its NDJSON report as it is written, through a named pipe: nothing secret is stored."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from harness.errors import InfrastructureError, UsageError
from harness.evidence import Redactor
from harness.fuzz.events import Report
from harness.system.children import ChildResult, run_child

__all__ = ["SchemathesisRun", "warm_up"]

#: Beyond its own time limit: start-up on a busy machine, and the last request's time-out.
_GRACE_S = 45.0
_CHUNK_B = 1 << 20
#: Exit codes of `st run`: 0 nothing found, 1 failures, 2 it could not do its job.
_TOLD_IN_REPORT = (0, 1)


#: Makes Hypothesis build its tables of Unicode; takes seconds, which would come out of the first operation's share.
_BUILD_TABLES = """
from hypothesis import find, settings, strategies
find(strategies.text(strategies.characters(codec="utf-8")), lambda _: True, settings=settings(database=None))
"""


async def warm_up(cache: Path, log: Path) -> None:
    """Have the tables built once for all, if they are not there; without them everything works, only slower."""
    if not _is_warm(cache):
        await run_child(
            [sys.executable, "-c", _BUILD_TABLES],
            cwd=log.parent,
            log=log,
            time_limit_s=_GRACE_S,
            env={"HYPOTHESIS_STORAGE_DIRECTORY": str(cache)},
        )


def _is_warm(cache: Path) -> bool:
    return any(cache.glob("unicode_data/*/codec*"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemathesisRun:
    """One invocation of `st run` against one service.

    Args:
        location: URL or file of the document. base_url: where the service is.
        headers: let the caller in.
        phases: of examples, coverage, fuzzing, stateful.
        seconds: its time budget; Schemathesis splits it over phases and operations.
        config: the project's `schemathesis.toml`, None when there is none.
        directory: where its log goes; it leaves nothing anywhere else.
        cache: folder for Hypothesis' tables of Unicode, slow to build and the same for everybody.
    """

    location: str
    base_url: str
    headers: Mapping[str, str]
    phases: Sequence[str]
    seconds: float
    seed: int
    config: Path | None
    root: Path
    directory: Path
    cache: Path
    label: str
    max_examples: int | None = None
    checks: Sequence[str] = ()
    exclude_checks: Sequence[str] = ()
    skip_operations: Sequence[str] = ()
    redactor: Redactor = field(default_factory=Redactor)

    def command(self, report: Path) -> list[str]:
        """The command line; whoever reads it can type it."""
        words = [sys.executable, "-m", "schemathesis.cli", "--no-color"]
        if self.config is not None:
            words += ["--config-file", str(self.config)]
        words += ["run", self.location, "--url" if _has_path(self.base_url) else "--origin", self.base_url]
        words += ["--phases", ",".join(self.phases), "--max-time", str(max(1, math.ceil(self.seconds)))]
        words += ["--seed", str(self.seed), "--continue-on-failure", "--generation-database", "none"]
        # Nobody invited us where a redirect may lead.
        words += ["--max-redirects", "0"]
        # Health checks speak of slow generation, which is this machine's business, not the service's.
        words += ["--suppress-health-check", "all", "--output-sanitize", "false", "--report-ndjson-path", str(report)]
        for name, value in self.headers.items():
            words += ["-H", f"{name}: {value}"]
        for operation in self.skip_operations:
            words += ["--exclude-name", operation]
        words += ["--max-examples", str(self.max_examples)] if self.max_examples else []
        words += ["--checks", ",".join(self.checks)] if self.checks else []
        words += ["--exclude-checks", ",".join(self.exclude_checks)] if self.exclude_checks else []
        return words

    async def follow(self, report: Report, tick: Callable[[], None]) -> ChildResult:
        """Run to the end; `report` is fed as events come, `tick` called after each batch.

        Raises:
            UsageError: when Schemathesis refuses its configuration.
            InfrastructureError: when it broke, or was still busy long after its time.
        """
        log = self.directory / f"{self.label}.log"
        # Schemathesis keeps failing requests, secrets included, in a folder of its own where it is started.
        scratch = self.directory / f"{self.label}.tmp"
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        pipe = scratch / "events"
        os.mkfifo(pipe, 0o600)
        said: deque[str] = deque(maxlen=400)
        report.begin()
        try:
            async with _Pipe(pipe) as source, anyio.create_task_group() as tasks:
                tasks.start_soon(source.pump, report, tick)
                child = await run_child(
                    self.command(pipe),
                    cwd=scratch,
                    log=log,
                    time_limit_s=self.seconds + _GRACE_S,
                    env=self._environment(),
                    on_line=said.append,
                )
                tasks.cancel_scope.cancel()
                source.drain(report)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            self._keep(log, said)
        self._check(child, report, said)
        return child

    def _environment(self) -> dict[str, str]:
        # Hooks named in schemathesis.toml are modules of the project.
        paths = [str(self.root), os.environ.get("PYTHONPATH", "")]
        return {
            "PYTHONPATH": os.pathsep.join(p for p in paths if p),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(self.cache),
            "PYTHONHASHSEED": str(self.seed % 2**32),
        }

    def _keep(self, log: Path, said: Sequence[str]) -> None:
        """Leave the console text, which nobody parses, without the secrets it shows."""
        with suppress(OSError):
            errors = log.read_text(errors="replace") if log.exists() else ""
            log.write_text(self.redactor.text("\n".join((*said, errors))), encoding="utf-8", errors="replace")

    def _check(self, child: ChildResult, report: Report, said: Sequence[str]) -> None:
        if child.timed_out:
            raise InfrastructureError(
                f"Schemathesis was still busy {_GRACE_S:g} s after its {self.seconds:.0f} s and was ended; see {child.log}"
            )
        if report.finished or any(e.fatal for e in report.errors):
            return
        told = self.redactor.text("\n".join(line for line in list(said)[-12:] if line.strip()))
        if child.returncode == 2 and not report.started:
            file = self.config.name if self.config else "command line"
            # Below its banner Schemathesis says first that, then why.
            lines = [line.strip() for line in told.splitlines() if line[:1].isalpha() and "Schemathesis v" not in line]
            first = "; ".join(lines[:2]) or f"exit code {child.returncode}"
            raise UsageError(f"Schemathesis refuses its configuration ({file}): {first}\n{told}")
        if child.returncode not in _TOLD_IN_REPORT or not report.finished:
            raise InfrastructureError(f"Schemathesis ended with exit code {child.returncode} in the middle:\n{told}")


def _has_path(url: str) -> bool:
    from urllib.parse import urlsplit

    return urlsplit(url).path.strip("/") != ""


class _Pipe:
    """The reading end of a named pipe, split into lines; it outlives writers that close and open again."""

    def __init__(self, path: Path) -> None:
        self._rest = bytearray()
        self._read = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        # A writing end of our own: without it the pipe ends whenever Schemathesis closes the file, which it does twice.
        self._write = os.open(path, os.O_WRONLY)

    async def __aenter__(self) -> _Pipe:
        return self

    async def __aexit__(self, *_: object) -> None:
        os.close(self._read)
        os.close(self._write)

    async def pump(self, report: Report, tick: Callable[[], None]) -> None:
        """Feed lines until cancelled."""
        while True:
            await anyio.wait_readable(self._read)
            if self._take(report):
                tick()

    def drain(self, report: Report) -> None:
        """Feed what is left once the child is gone."""
        while self._take(report):
            pass
        if self._rest:
            report.feed(bytes(self._rest))

    def _take(self, report: Report) -> bool:
        try:
            chunk = os.read(self._read, _CHUNK_B)
        except BlockingIOError:
            return False
        if b"\n" not in chunk:
            self._rest += chunk
            return bool(chunk)
        *lines, rest = (bytes(self._rest) + chunk).split(b"\n")
        self._rest = bytearray(rest)
        for line in lines:
            if line.strip():
                report.feed(line)
        return True
