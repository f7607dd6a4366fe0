"""One run from plan to verdict: guardian, scheduler, gates, reports' input. Tells handlers what happens, prints nothing."""

from __future__ import annotations

import os
import resource
import secrets
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread

from harness.errors import ExitCode, HarnessError, InfrastructureError, first_of
from harness.evidence import GateOutcome, RunResult, StageResult, Status, masked, worst
from harness.pipeline.cutshort import BROKE, result_so_far
from harness.pipeline.events import Event, EventHandler, Note, RunFinished, RunStarted
from harness.pipeline.folders import RunPlace, place_for
from harness.pipeline.gates import History
from harness.pipeline.journal import Journal, ProcessesMarked, Record, RunBegun
from harness.pipeline.plan import Plan
from harness.pipeline.scheduler import Scheduler
from harness.system.config import Project
from harness.system.guardian import Guardian, kill_marked

__all__ = ["RunOptions", "default_seed", "run_pipeline", "verdict_of"]

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
    save: Callable[[RunResult], object] = lambda _result: None,
) -> RunResult:
    """Run a plan to its end, or to an interruption.

    Args:
        finish: writes the reports, before handlers are told that the run has ended; takes the result and the run's folder.
            When it fails for want of space, that is told, and a run that would have ended in 0 ends in 3.
        save: puts the result into the history, after handlers are told. Were the harness killed before, the next start does.

    Returns:
        The result; its exit code is 130 when the run was interrupted. A mistake of ours, or a machine that is in the way
        everywhere, is told in it as well: what had ended counts.

    Raises:
        InfrastructureError: when there is no place at all for the run's evidence.
    """
    begun = masked(_begun(project, plan, options))
    listening: list[EventHandler] = []

    def emit(event: Event) -> None:
        event = masked(event)
        for handler in listening:
            handler.handle(event)

    def note(text: str) -> None:
        emit(Note(stage="run", text=text))

    with place_for(project.root, begun.run_id, lambda folder: Journal(folder, begun, note)) as place:
        # The journal first: nothing is shown that is not kept.
        listening += [*([place.journal] if place.journal else []), *handlers]
        emit(_started(begun, options))
        if place.trouble:
            note(place.trouble)
        result = _work(project, plan, options, begun, place, emit, history)
        try:
            with _signals_later():
                finish(result, place.folder)
        except InfrastructureError as error:  # what was found out is told all the same, but it cannot count as passed
            emit(Note(stage="reports", text=str(error)))
            result = replace(result, exit_code=result.exit_code or ExitCode.INCONCLUSIVE)
        emit(RunFinished(result=result, directory=str(place.folder)))
        with _signals_later():
            save(result)
        if place.journal:
            place.journal.finish()
    return result


def _work(
    project: Project,
    plan: Plan,
    options: RunOptions,
    begun: RunBegun,
    place: RunPlace,
    emit: Callable[[Event], None],
    history: History,
) -> RunResult:
    """Run the stages; whatever comes in between, there is a result."""
    scheduler = Scheduler(
        project=project,
        plan=plan,
        run_id=begun.run_id,
        run_directory=place.folder,
        profile=options.profile,
        seed=options.seed,
        jobs=options.jobs,
        emit=emit,
        history=history,
        only=options.only,
    )
    at, interrupted, broke = time.monotonic(), False, ""
    try:
        with Guardian() as guardian:
            if place.journal:
                place.journal.keep(ProcessesMarked(guardian.token))
            interrupted = anyio.run(_until_interrupted, scheduler.run, partial(kill_marked, guardian.token))
    except Exception as error:
        broke = _broke(error, place.folder)
    record = Record(begun, ended=scheduler.results, gates=scheduler.gates, last=time.time())
    result = result_so_far(record, broke) if broke else _ended(record, interrupted=interrupted)
    return masked(replace(result, duration_s=time.monotonic() - at, resources=_resources()))


def _started(begun: RunBegun, options: RunOptions) -> RunStarted:
    return RunStarted(
        run_id=begun.run_id,
        system=begun.system,
        profile=begun.profile,
        seed=begun.seed,
        started=begun.started,
        stages=begun.stages,
        expected_s=options.expected_s,
    )


def _begun(project: Project, plan: Plan, options: RunOptions) -> RunBegun:
    commit, branch = _git(project.root)
    now = datetime.now(UTC)
    return RunBegun(
        run_id=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
        system=project.system.name,
        profile=options.profile,
        seed=options.seed,
        started=now.isoformat(timespec="seconds"),
        stages=plan.stages,
        commit=commit,
        branch=branch,
        environment=options.environment,
        command=options.command,
    )


def _ended(record: Record, *, interrupted: bool) -> RunResult:
    result = result_so_far(record, "interrupted")
    if interrupted:
        return replace(result, reason="interrupted", exit_code=ExitCode.INTERRUPTED)
    verdict, reason, code = verdict_of([record.ended[s.name] for s in record.begun.stages], record.gates)
    return replace(result, verdict=verdict, reason=reason, exit_code=code)


def _broke(error: Exception, directory: Path) -> str:
    """Why the run stops, in words; the traceback of a mistake of ours goes into the run's folder."""
    first = first_of(error)
    if isinstance(first, OSError | HarnessError):  # a full disk shows up anywhere something is written
        return f"{BROKE}: {first}"
    log = directory / "harness.log"
    with suppress(OSError), log.open("a", encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
    return f"{BROKE}: {type(first).__name__}: {first} (traceback in {log}; please report it)"


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


async def _until_interrupted(work: Callable[[], Awaitable[None]], kill: Callable[[], object]) -> bool:
    """Run `work` until it ends or a signal asks to stop; say whether it was the signal.

    Asked twice it gives nobody time to end well, and still tells what there is, without what was said in confidence. Asked a
    third time it leaves at once, and the guardian clears up.

    Args:
        kill: ends every process of the run.
    """
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:

            async def watch() -> None:
                asked = 0
                with anyio.open_signal_receiver(*_STOP_SIGNALS) as signals:
                    async for _ in signals:
                        asked += 1
                        scope.cancel()
                        if asked == 2:
                            tasks.start_soon(anyio.to_thread.run_sync, kill)
                        elif asked > 2:
                            os._exit(ExitCode.INTERRUPTED)

            # In the outer group: it must outlive the cancellation to hear what else is asked.
            tasks.start_soon(watch)
            await work()
        tasks.cancel_scope.cancel()
    return scope.cancel_called


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
