"""Runs `st run` as a child and follows its NDJSON report as it is written, through a named pipe: nothing secret is stored."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from harness.errors import InfrastructureError, UsageError
from harness.evidence import Redactor
from harness.evidence.sweep import sweep_file
from harness.fuzz.events import AT_WORK_VARIABLE, Report
from harness.fuzz.floor import Floor
from harness.fuzz.pipe import Pipe
from harness.guard import INCIDENTS_FILE, Guarded, Incident, Invitation, Kind, guarded_module, read_incidents
from harness.system.children import ChildResult, log_tail, run_child

__all__ = ["Ending", "SchemathesisRun", "warm_up"]

#: Beyond its own time limit: start-up on a busy machine, and the last request's time-out.
_GRACE_S = 45.0
#: Beyond its own time limit once it is at work, and without a sign of life: the last request's time-out, and a slow machine.
_STUCK_S = 20.0
_MEMORY_B = 1_000_000_000
#: `st run` ends with 1 when it has found something.
_FOUND = 1
#: Set in the environment they would send it elsewhere, or be at odds with what it is told.
_NOT_INHERITED = ("SCHEMATHESIS_BASE_URL", "SCHEMATHESIS_ORIGIN", "SCHEMATHESIS_WAIT_FOR_SCHEMA")


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


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended.

    Args:
        cut_short: why it may not have done all that it was started for; empty when it has, or its time was up.
        busy_with: the operations it was at then.
        in_time: whether it did at least as much as it always should, see `Floor`.
        log: its own words.
    """

    cut_short: str
    busy_with: tuple[str, ...]
    in_time: bool
    log: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemathesisRun:
    """One invocation of `st run` against one service.

    Args:
        location: file of the document. base_url: where the service is.
        invitation: where its requests, and those of the project's hooks, may go.
        headers: let the caller in.
        phases: of examples, coverage, fuzzing, stateful.
        seconds: its time budget once it has done the least it should.
        hard_s: when it ends without that.
        examples: the least it should do, see `Floor`.
        config: the project's `schemathesis.toml`, None when there is none.
        directory: where its log goes; it leaves nothing anywhere else.
        cache: folder for Hypothesis' tables of Unicode, slow to build and the same for everybody.
    """

    location: str
    base_url: str
    invitation: Invitation
    headers: Mapping[str, str]
    phases: Sequence[str]
    seconds: float
    hard_s: float
    examples: int
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
    only_operations: Sequence[str] = ()
    redactor: Redactor = field(default_factory=Redactor)

    def command(self, report: Path) -> list[str]:
        """The command line; whoever reads it can type it."""
        # Without one it would look for one in all the folders above.
        words = ["--no-color", "--config-file", str(self.config or self._empty_config())]
        words += ["run", self.location, "--url" if _has_path(self.base_url) else "--origin", self.base_url]
        words += ["--phases", ",".join(self.phases), "--max-time", str(max(1, math.ceil(self.seconds)))]
        words += ["--seed", str(self.seed), "--continue-on-failure", "--generation-database", "none"]
        # Nobody invited us where a redirect may lead.
        words += ["--max-redirects", "0"]
        # Health checks speak of slow generation, which is this machine's business, not the service's.
        words += ["--suppress-health-check", "all", "--output-sanitize", "false", "--report-ndjson-path", str(report)]
        for operation in self.skip_operations:
            words += ["--exclude-name", operation]
        for operation in self.only_operations:
            words += ["--include-name", operation]
        words += ["--max-examples", str(self.max_examples)] if self.max_examples else []
        words += ["--checks", ",".join(self.checks)] if self.checks else []
        words += ["--exclude-checks", ",".join(self.exclude_checks)] if self.exclude_checks else []
        return guarded_module("schemathesis.cli", *words, first=["harness.fuzz.hooks"])

    def _empty_config(self) -> Path:
        file = self.directory / "schemathesis.toml"
        file.touch()
        return file

    async def follow(self, report: Report, tick: Callable[[], None]) -> Ending:
        """Run to the end; `report` is fed as events come, `tick` called after each batch.

        Raises:
            UsageError: when Schemathesis refuses its configuration.
            InfrastructureError: when it does not even start.
        """
        log = self.directory / f"{self.label}.log"
        # Schemathesis keeps failing requests, secrets included, in a folder of its own where it is started.
        scratch = self.directory / f"{self.label}.tmp"
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        pipe = scratch / "events"
        os.mkfifo(pipe, 0o600)
        said: deque[str] = deque(maxlen=400)
        before = set(self._broken())
        report.begin()
        child: ChildResult | None = None
        try:
            async with Pipe(pipe) as source, anyio.create_task_group() as tasks:
                tasks.start_soon(source.pump, report, tick)
                with anyio.CancelScope() as at_work:
                    tasks.start_soon(self._end_when_stuck, report, at_work)
                    child = await run_child(
                        self.command(pipe),
                        cwd=scratch,
                        log=log,
                        time_limit_s=self.hard_s + _GRACE_S,
                        env=self._environment(),
                        on_line=said.append,
                    )
                tasks.cancel_scope.cancel()
                source.drain(report)
            busy_with, in_time = self._busy_with(), not self._given_up.exists()
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            self._keep(log, said)
        broken = [i.text for i in self._broken() if i not in before]
        self._check_started(child, report, said, log)
        return Ending(self._why_cut_short(child, report, broken), busy_with, in_time, log)

    async def _end_when_stuck(self, report: Report, at_work: anyio.CancelScope) -> None:
        """End it when it does not end by itself: code that holds Python's lock cannot see that its time is up."""
        while not report.started:  # noqa: ASYNC110 - it is told by a child; it sets no event of ours
            await anyio.sleep(0.1)
        await anyio.sleep(self.seconds + _STUCK_S)
        while self._silent_s < _STUCK_S:  # noqa: ASYNC110 - as above
            await anyio.sleep(0.5)
        at_work.cancel()

    def _broken(self) -> list[Incident]:
        return [i for i in read_incidents(self.directory) if i.kind is Kind.BROKE]

    @property
    def _at_work(self) -> Path:
        return self.directory / f"{self.label}.tmp" / "at-work"

    @property
    def _given_up(self) -> Path:
        return self.directory / f"{self.label}.tmp" / "given-up"

    @property
    def _silent_s(self) -> float:
        try:
            return time.time() - self._at_work.stat().st_mtime
        except OSError:
            return math.inf

    def _busy_with(self) -> tuple[str, ...]:
        try:
            return tuple(json.loads(self._at_work.read_bytes()))
        except (OSError, ValueError):
            return ()

    def _environment(self) -> dict[str, str | None]:
        # Hooks named in schemathesis.toml are modules of the project.
        paths = [str(self.root), os.environ.get("PYTHONPATH", "")]
        return {
            **dict.fromkeys(_NOT_INHERITED),
            AT_WORK_VARIABLE: str(self._at_work),
            **Floor(self.examples, max(self.hard_s, self.seconds), str(self._given_up)).environment(),
            **self._guarded().environment(),
            "PYTHONPATH": os.pathsep.join(p for p in paths if p),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(self.cache),
            "PYTHONHASHSEED": str(self.seed % 2**32),
        }

    def _guarded(self) -> Guarded:
        let_in = tuple(word for name, value in self.headers.items() for word in ("-H", f"{name}: {value}"))
        return Guarded(self.invitation, self.directory / INCIDENTS_FILE, _MEMORY_B, confidential=let_in)

    def _keep(self, log: Path, said: Sequence[str]) -> None:
        """Leave the console text, which nobody parses, without the secrets it shows."""
        with suppress(OSError):
            errors = log.read_text(errors="replace") if log.exists() else ""
            log.write_text("\n".join((*said, errors)), encoding="utf-8", errors="replace")
            sweep_file(log, self.redactor)

    def _check_started(self, child: ChildResult | None, report: Report, said: Sequence[str], log: Path) -> None:
        if report.started:
            return
        told = self.redactor.text("\n".join(line for line in list(said)[-12:] if line.strip()))
        if child is not None and child.returncode == 2:
            file = self.config.name if self.config else "command line"
            # Below its banner Schemathesis says first that, then why.
            lines = [line.strip() for line in told.splitlines() if line[:1].isalpha() and "Schemathesis v" not in line]
            first = "; ".join(lines[:2]) or f"exit code {child.returncode}"
            raise UsageError(f"Schemathesis refuses its configuration ({file}): {first}\n{told}")
        code = f" (exit code {child.returncode})" if child is not None and not child.timed_out else ""
        raise InfrastructureError(f"Schemathesis did not start{code}; see {log}:\n{told or log_tail(log)}")

    def _why_cut_short(self, child: ChildResult | None, report: Report, broken: Sequence[str]) -> str:
        if child is None or child.timed_out:
            return f"it was still busy long after its {self.seconds:.0f} s and was ended"
        if not report.finished:
            return f"its report stops in the middle (exit code {child.returncode})"
        if broken:
            return broken[0]
        if report.stop_reason not in {"completed", "max_time", "server_unavailable"}:
            return f'it stopped for the reason "{report.stop_reason}"'
        explained = (
            report.said_this_run or report.server_gone or (child.returncode == _FOUND and report.failed_this_run)
        )
        if child.returncode and not explained:
            return f"it ended with exit code {child.returncode}, and its report does not say why"
        return ""


def _has_path(url: str) -> bool:
    from urllib.parse import urlsplit

    return urlsplit(url).path.strip("/") != ""
