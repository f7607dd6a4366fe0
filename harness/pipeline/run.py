"""One run from plan to verdict: guardian, scheduler, gates, reports' input. Tells handlers what happens, prints nothing."""

from __future__ import annotations

import os
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.abc

from harness.errors import ExitCode, InfrastructureError, UsageError, did_you_mean, first_of
from harness.evidence import GateOutcome, RunResult, StageResult, Status, masked, worst
from harness.pipeline.events import Event, EventHandler, Note, RunFinished, RunStarted
from harness.pipeline.gates import History
from harness.pipeline.plan import Plan
from harness.pipeline.scheduler import Scheduler
from harness.system.config import Project
from harness.system.guardian import Guardian

__all__ = ["RUNS_FOLDER", "RunOptions", "default_seed", "run_folder", "run_pipeline", "verdict_of"]

RUNS_FOLDER = ".harness/runs"
_KEPT_RUNS = 20
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to run.

    Args:
        only: narrowing for stages, e.g. `{"edge": "orders:payments"}`.
        environment: name of the environment the system runs in, for the evidence store.
        command: the command line, for the record.
        expected_s: stage -> seconds it took last time.
        jobs: processors to keep busy; as many stages run side by side.
    """

    profile: str = "quick"
    seed: int = 0
    only: Mapping[str, str] = field(default_factory=dict)
    environment: str = "local"
    command: str = ""
    expected_s: Mapping[str, float] = field(default_factory=dict)
    jobs: int = 2


def default_seed(root: Path) -> int:
    """Seed for a run that names none: drawn from the commit, so one commit is always judged alike and the next explores anew."""
    commit, _ = _git(root)
    return int(commit[:7], 16) if commit else 1


def run_pipeline(
    project: Project,
    plan: Plan,
    options: RunOptions,
    *,
    handlers: Sequence[EventHandler],
    history: History,
    finish: Callable[[RunResult, Path], object],
) -> RunResult:
    """Run a plan to its end, or to an interruption.

    Args:
        finish: writes the reports, before handlers are told that the run has ended; takes the result and the run's folder.
            When it fails for want of space, that is told, and a run that would have ended in 0 ends in 3.

    Returns:
        The result; its exit code is 130 when the run was interrupted.

    Raises:
        InfrastructureError: when the run's folder cannot be written.
    """
    run_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    directory = _make_folder(project.root, run_id)
    started, begun = datetime.now(UTC), time.monotonic()

    def emit(event: Event) -> None:
        event = masked(event)
        for handler in handlers:
            handler.handle(event)

    emit(
        RunStarted(
            run_id=run_id,
            system=project.system.name,
            profile=options.profile,
            seed=options.seed,
            started=started.isoformat(timespec="seconds"),
            stages=plan.stages,
            expected_s=options.expected_s,
        )
    )
    scheduler = Scheduler(
        project=project,
        plan=plan,
        run_id=run_id,
        run_directory=directory,
        profile=options.profile,
        seed=options.seed,
        jobs=options.jobs,
        emit=emit,
        history=history,
        only=options.only,
    )
    try:
        with Guardian():
            interrupted = anyio.run(_until_interrupted, scheduler.run)
    except (OSError, ExceptionGroup) as error:  # a full disk shows up anywhere something is written
        trouble = first_of(error)
        if not isinstance(trouble, OSError):
            raise
        raise InfrastructureError(f"the run stopped: {trouble} (run folder: {directory})") from error
    commit, branch = _git(project.root)
    stages = tuple(scheduler.results[s.name] for s in plan.stages)
    verdict, reason, code = verdict_of(stages, scheduler.gates)
    result = RunResult(
        run_id=run_id,
        system=project.system.name,
        profile=options.profile,
        seed=options.seed,
        verdict=Status.INCONCLUSIVE if interrupted and verdict is not Status.FAIL else verdict,
        reason="interrupted" if interrupted else reason,
        exit_code=ExitCode.INTERRUPTED if interrupted else code,
        started=started.isoformat(timespec="seconds"),
        duration_s=time.monotonic() - begun,
        stages=stages,
        gates=tuple(scheduler.gates),
        commit=commit,
        branch=branch,
        environment=options.environment,
        command=options.command,
        resources=_resources(),
    )
    result = masked(result)
    try:
        with _signals_later():
            finish(result, directory)
    except InfrastructureError as error:  # what was found out is told all the same, but it cannot count as passed
        emit(Note(stage="reports", text=str(error)))
        result = replace(result, exit_code=result.exit_code or ExitCode.INCONCLUSIVE)
    emit(RunFinished(result=result, directory=str(directory)))
    return result


@contextmanager
def _signals_later() -> Iterator[None]:
    """Hold Ctrl-C and its like back for the moment it takes to write reports down."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def verdict_of(stages: Sequence[StageResult], gates: Sequence[GateOutcome]) -> tuple[Status, str, ExitCode]:
    """Combine what stages and gates say.

    Returns:
        The verdict, the reason in one line, and the exit code.
    """
    ran = [s for s in stages if s.status is not Status.SKIPPED]
    verdict = worst([*(s.status for s in ran), *(g.status for g in gates)])
    if not ran:
        return verdict, "no stage ran", ExitCode.INCONCLUSIVE
    if verdict is Status.PASS:
        return verdict, f"{len(ran)} stage{'s' if len(ran) > 1 else ''} passed", ExitCode.OK
    reason = _blame([s for s in ran if s.status is verdict])
    if verdict is Status.WARN:
        return verdict, reason, ExitCode.OK
    if verdict is Status.FAIL:
        return verdict, reason, ExitCode.FAIL
    code = ExitCode.USAGE if any(s.usage_error for s in ran) else ExitCode.INCONCLUSIVE
    return verdict, reason, code


def _blame(stages: Sequence[StageResult]) -> str:
    """Say in one line which stages are to blame and why; those with the same reason together."""
    names: dict[str, list[str]] = {}
    for stage in stages:
        names.setdefault(stage.reason.partition("\n")[0], []).append(stage.name)
    return "; ".join(f"{', '.join(those)}: {why}" if why else ", ".join(those) for why, those in names.items())


async def _until_interrupted(work: Callable[[], Awaitable[None]]) -> bool:
    """Run `work` until it ends or a signal asks to stop; say whether it was the signal."""
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:

            async def watch() -> None:
                with anyio.open_signal_receiver(*_STOP_SIGNALS) as signals:
                    async for _ in signals:
                        if scope.cancel_called:  # asked twice: leave at once, the guardian clears up
                            os._exit(ExitCode.INTERRUPTED)
                        scope.cancel()

            # In the outer group: it must outlive the cancellation to hear the second request.
            tasks.start_soon(watch)
            await work()
        tasks.cancel_scope.cancel()
    return scope.cancel_called


def run_folder(root: Path, run_id: str = "") -> Path:
    """Find the folder of a run that has ended, the latest when none is named.

    Raises:
        UsageError: when there is none.
    """
    runs = root / RUNS_FOLDER
    ended = sorted(p.parent.name for p in runs.glob("*/result.json"))
    if not ended:
        raise UsageError(f"no run has been recorded in {runs}. Start one with `harness run`.")
    if not run_id or run_id == "latest":
        return runs / ended[-1]
    if run_id not in ended:
        raise UsageError(f'there is no run "{run_id}" in {runs}.{did_you_mean(run_id, ended)} Latest: {ended[-1]}.')
    return runs / run_id


def _make_folder(root: Path, run_id: str) -> Path:
    folder = root / RUNS_FOLDER / run_id
    try:
        folder.mkdir(parents=True)
        _forget_old_runs(folder.parent)
    except OSError as error:
        raise InfrastructureError(f"cannot make the run's folder {folder}: {error.strerror}") from error
    return folder


def _forget_old_runs(runs: Path) -> None:
    """Keep the newest runs; the evidence store remembers the results of the others."""
    folders = sorted(p for p in runs.iterdir() if p.is_dir())
    for folder in folders[:-_KEPT_RUNS]:
        if (folder / "result.json").is_file():  # one without a result may still be running
            shutil.rmtree(folder, ignore_errors=True)


def _git(root: Path) -> tuple[str, str]:
    """Commit and branch; empty where there is no repository."""

    def ask(*words: str) -> str:
        try:
            done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, timeout=5, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""

    return ask("rev-parse", "HEAD"), ask("rev-parse", "--abbrev-ref", "HEAD")


def _resources() -> dict[str, float]:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    per_mb = 1024 * 1024 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, kilobytes elsewhere
    return {
        "cpu_s": round(own.ru_utime + own.ru_stime, 3),
        "children_cpu_s": round(children.ru_utime + children.ru_stime, 3),
        "peak_mb": round(own.ru_maxrss / per_mb, 1),
    }
