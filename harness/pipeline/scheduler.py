"""Runs a plan: which stage may start when, the shared system they use, their processes and their end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import cast

import anyio
import anyio.abc

from harness.errors import ExitCode, HarnessError, StartError
from harness.evidence import Finding, GateOutcome, Place, Severity, StageResult, Status, from_json, masked, to_json
from harness.evidence.secrets import remember
from harness.evidence.sweep import sweep
from harness.pipeline.cutshort import BROKE
from harness.pipeline.events import (
    Event,
    FindingFound,
    Note,
    PlannedStage,
    SecretLearned,
    StageEvent,
    StageFinished,
    StageStarted,
    WireEvent,
)
from harness.pipeline.gates import History, apply_gates
from harness.pipeline.plan import Plan
from harness.pipeline.registry import load_stage, stage_names
from harness.pipeline.stage import ChecksTargets, Environment
from harness.pipeline.worker import WorkRequest, inconclusive
from harness.system.children import log_tail, python_module, run_child
from harness.system.config import Project
from harness.system.guardian import STAGE_VARIABLE, kill_marked
from harness.system.runtime import ProcessRuntime

__all__ = ["Scheduler", "hands_on"]

_WORKER_GRACE_S = 8.0
_SYSTEM = "system"


class _SharedSystem:
    """The one running system that stages of `Environment.SYSTEM` share; started when first wanted."""

    def __init__(self, project: Project, directory: Path, emit: Callable[[Event], None]) -> None:
        self._project, self._directory, self._emit = project, directory, emit
        self._runtime: ProcessRuntime | None = None
        self._failed: HarnessError | None = None
        self._lock = anyio.Lock()

    async def up(self) -> ProcessRuntime:
        """Return the running system.

        Raises:
            HarnessError: when it does not start; the same one for every stage that asks.
        """
        async with self._lock:
            if self._failed:
                raise self._failed
            if self._runtime is None:
                await self._start()
            assert self._runtime is not None
            return self._runtime

    async def _start(self) -> None:
        begun = time.monotonic()
        runtime = ProcessRuntime(self._project.system, root=self._project.root, directory=self._directory)
        try:
            await runtime.start()
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await runtime.stop()
            self._failed = error if isinstance(error, HarnessError) else None
            raise
        self._runtime = runtime
        count = len(runtime.addresses)
        self._emit(Note(stage=_SYSTEM, text=f"{count} services ready in {time.monotonic() - begun:.1f} s"))

    async def deaths(self) -> list[Finding]:
        """Look for services that died; tell of each, and start it again for the stages to come."""
        runtime = self._runtime
        found = []
        for name in runtime.died() if runtime else ():
            assert runtime is not None
            found.append(_death(name, log_tail(runtime.logs[name])))
            with suppress(StartError, OSError):  # what it is missing for shows in the stages to come
                await runtime.restart(name)
        return found

    async def down(self) -> None:
        if self._runtime is not None:
            await self._runtime.stop()
            self._runtime = None


def _death(service: str, tail: str) -> Finding:
    return Finding(
        rule="system.service_died",
        severity=Severity.ERROR,
        title=f"The process of {service} ended in the middle of the stage",
        detail=f"Last lines of its log:\n{tail}",
        place=Place(service=service),
        reproduce="harness up",
    )


@dataclass
class Scheduler:
    """Runs the stages of a plan, each in a process of its own.

    Args:
        emit: takes every event, in order.
        history: values of a measure in the last passing runs, for gates with a baseline.
        jobs: processors that stages may keep busy; also how many stages run side by side.
        only: narrowing from the command line, handed to the stages.
    """

    project: Project
    plan: Plan
    run_id: str
    run_directory: Path
    profile: str
    seed: int
    jobs: int
    emit: Callable[[Event], None]
    history: History
    only: Mapping[str, str] = field(default_factory=dict)
    results: dict[str, StageResult] = field(default_factory=dict)
    gates: list[GateOutcome] = field(default_factory=list)
    _running: set[str] = field(default_factory=set)
    _found: dict[str, list[Finding]] = field(default_factory=dict)

    async def run(self) -> None:
        """Run to the end; when cancelled, every stage that has not ended is told as interrupted."""
        self._shared = _SharedSystem(self.project, self.run_directory / _SYSTEM, self.emit)
        self._changed = anyio.Event()
        for stage in self.plan.stages:
            if stage.skip:
                self._finish(StageResult(name=stage.name, status=Status.SKIPPED, reason=stage.skip))
        why = "interrupted"
        try:
            async with anyio.create_task_group() as tasks:
                while self._pending():
                    for stage in self._startable():
                        self._running.add(stage.name)
                        tasks.start_soon(self._run_one, stage)
                    await self._changed.wait()
                    self._changed = anyio.Event()
        except Exception:
            why = BROKE
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await self._shared.down()
                await self._sweep(_SYSTEM, *(s.name for s in self._pending()))
                await self._sweep(*(f"{s.name}/{part}" for s in self.plan.active for part in hands_on(s.name)))
            for stage in self.plan.active:
                if stage.name not in self.results:
                    self._finish(self._cut_short(stage.name, why))

    def _pending(self) -> list[PlannedStage]:
        return [s for s in self.plan.active if s.name not in self.results]

    def _startable(self) -> list[PlannedStage]:
        chosen: list[PlannedStage] = []
        running = [s for s in self.plan.active if s.name in self._running]
        for stage in self._pending():
            busy = [*running, *chosen]
            if stage.name in self._running:
                continue
            if any(a not in self.results for a in stage.after if self._is_active(a)):
                continue
            if stage.exclusive:
                # Earlier stages first, so that a gap between two of them does not let the long, lonely ones in.
                if not busy and self._pending()[0] is stage:
                    return [stage]
                continue
            if len(busy) < self.jobs and not any(s.exclusive for s in busy):
                chosen.append(stage)
        return chosen

    def _is_active(self, name: str) -> bool:
        return any(s.name == name for s in self.plan.active)

    async def _run_one(self, stage: PlannedStage) -> None:
        started = time.time()
        self.emit(StageStarted(stage=stage.name, at=started))
        try:
            result = await self._outcome(stage, started)
        finally:
            self._running.discard(stage.name)
        await self._sweep(stage.name)
        result, outcomes = apply_gates(result, self.project.gates, self.history)
        self.gates.extend(outcomes)
        self._finish(result, outcomes)
        self._changed.set()

    async def _outcome(self, stage: PlannedStage, started: float) -> StageResult:
        blocked = self._blocked_by(stage)
        if blocked:
            return inconclusive(stage.name, blocked, started=started)
        shares = self.plan.environments[stage.name] is Environment.SYSTEM
        try:
            door = load_stage(stage.name)
            if isinstance(door, ChecksTargets):  # before anything is asked there, readiness included
                door.check_targets(self.project.system)
            runtime = await self._shared.up() if shares else None
            result = await self._in_worker(stage, runtime, started)
        except HarnessError as error:
            return inconclusive(stage.name, str(error), usage=error.exit_code is ExitCode.USAGE, started=started)
        except OSError as error:  # a full disk, above all: this stage cannot go on, what others found is kept
            return inconclusive(stage.name, f"the machine is in the way: {error}", started=started)
        deaths = await self._shared.deaths() if shares and not self._others_share(stage.name) else []
        if deaths:
            for finding in deaths:
                self.emit(FindingFound(stage=stage.name, finding=finding))
            result = replace(result, status=Status.FAIL, reason=deaths[0].title, findings=(*result.findings, *deaths))
        return replace(result, started=started, duration_s=time.time() - started)

    def _others_share(self, name: str) -> bool:
        return any(self.plan.environments[n] is Environment.SYSTEM for n in self._running if n != name)

    def _blocked_by(self, stage: PlannedStage) -> str:
        for name in stage.requires:
            result = self.results.get(name)
            if result is not None and result.status in {Status.FAIL, Status.INCONCLUSIVE}:
                verb = "failed" if result.status is Status.FAIL else "was inconclusive"
                return f"not run, because {name} {verb}"
        return ""

    async def _in_worker(self, stage: PlannedStage, runtime: ProcessRuntime | None, started: float) -> StageResult:
        directory = self.run_directory / stage.name
        directory.mkdir(parents=True, exist_ok=True)
        request = directory / "request.json"
        request.write_text(to_json(self._request(stage, runtime)), encoding="utf-8")
        token = f"{self.run_id}:{stage.name}"
        result: list[StageResult] = []

        def take(line: str) -> None:
            event = _read_event(line)
            if isinstance(event, SecretLearned):
                remember(event.value)
            elif isinstance(event, StageFinished):
                result.append(event.result)
            elif event is not None:
                if isinstance(event, FindingFound):
                    self._found.setdefault(stage.name, []).append(event.finding)
                self.emit(event)

        done = await run_child(
            python_module("harness.pipeline.worker", str(request)),
            cwd=self.project.root,
            log=directory / "stage.log",
            time_limit_s=stage.time_limit_s,
            env={STAGE_VARIABLE: token},
            on_line=take,
            grace_s=_WORKER_GRACE_S,
            private=True,
        )
        if not result or done.timed_out:
            await anyio.to_thread.run_sync(kill_marked, token, STAGE_VARIABLE)
        if done.timed_out:
            return self._cut_short(
                stage.name, f"did not end within its time limit of {stage.time_limit_s:g} s", started=started
            )
        if not result:
            log = directory / "stage.log"
            said = log_tail(log, 5).splitlines()
            told = f"{said[-1]} ({log})" if said else f"{log} is empty"
            return self._cut_short(
                stage.name, f"its process ended with {done.returncode} and no result; log: {told}", started=started
            )
        return result[0]

    def _cut_short(self, stage: str, reason: str, *, started: float = 0.0) -> StageResult:
        """A stage that did not come to its end; what it had found until then counts."""
        return replace(inconclusive(stage, reason, started=started), findings=tuple(self._found.get(stage, ())))

    def _request(self, stage: PlannedStage, runtime: ProcessRuntime | None) -> WorkRequest:
        addresses, started = (runtime.addresses, runtime.logs) if runtime else ({}, {})
        return WorkRequest(
            config=str(self.project.file),
            stage=stage.name,
            profile=self.profile,
            seed=self.seed,
            run_directory=str(self.run_directory),
            addresses={n: url for n, url in addresses.items() if n in started},
            elsewhere=tuple(n for n in addresses if n not in started),
            service_logs={n: str(p) for n, p in runtime.logs.items()} if runtime else {},
            jobs=self.jobs,
            only=self.only,
        )

    async def _sweep(self, *folders: str) -> None:
        """Take secrets out of the files that stages, or the services they used, left; aside, as it may take a moment."""
        for name in folders:
            look = partial(sweep, self.run_directory / name, leave=hands_on(name))
            for problem in await anyio.to_thread.run_sync(look):
                self.emit(Note(stage=name, text=problem))

    def _finish(self, result: StageResult, gates: tuple[GateOutcome, ...] = ()) -> None:
        result = masked(result)
        self.results[result.name] = result
        self.emit(StageFinished(result=result, gates=gates))


def hands_on(stage: str) -> tuple[str, ...]:
    """Names in a stage's folder that later stages read; empty for what is no stage."""
    return getattr(load_stage(stage), "hands_on", ()) if stage in stage_names() else ()


def _read_event(line: str) -> StageEvent | None:
    """Read one line of a worker; a line that is no event (a tool that got hold of the real standard output) is dropped."""
    try:
        event: StageEvent = from_json(cast("type[StageEvent]", WireEvent), line)
    except ValueError:  # pydantic's ValidationError is one
        return None
    return event
