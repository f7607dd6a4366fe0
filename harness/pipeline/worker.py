"""The process a stage runs in: reads a request, runs the stage, writes events one a line. Nothing here schedules."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from harness.errors import ExitCode, HarnessError, first_of
from harness.evidence import Redactor, StageResult, Status, from_json, masked, to_json
from harness.evidence.secrets import listen
from harness.guard import INCIDENTS_FILE, Invitation, place_of
from harness.guard.child import PROXY_VARIABLES
from harness.guard.incidents import report_to
from harness.guard.sockets import watch_sockets
from harness.pipeline.events import Event, SecretLearned, StageFinished
from harness.pipeline.registry import load_stage
from harness.pipeline.stage import Stage, StageContext
from harness.system.confidential import remember_system
from harness.system.config import load_project

__all__ = ["WorkRequest", "inconclusive", "run_stage"]

#: No mistake of ours: a disk that is full, broken or read-only, no memory or handles left.
_MACHINE_TROUBLE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRequest:
    """What a worker is asked to do; see `StageContext` for the fields.

    Args:
        addresses: of the services that were started. Those that run already are in the file, with what lets us in.
        elsewhere: names of the latter.
    """

    config: str
    stage: str
    profile: str
    seed: int
    run_directory: str
    addresses: Mapping[str, str] = field(default_factory=dict)
    elsewhere: tuple[str, ...] = ()
    service_logs: Mapping[str, str] = field(default_factory=dict)
    jobs: int = 1
    only: Mapping[str, str] = field(default_factory=dict)


def inconclusive(stage: str, reason: str, *, usage: bool = False, started: float = 0.0) -> StageResult:
    """Build the result of a stage that could not say anything."""
    duration = time.time() - started if started else 0.0
    return StageResult(
        name=stage,
        status=Status.INCONCLUSIVE,
        reason=reason,
        usage_error=usage,
        started=started or time.time(),
        duration_s=duration,
    )


async def run_stage(stage: Stage, context: StageContext) -> StageResult:
    """Run a stage in this process; whatever it raises becomes an inconclusive result that keeps the findings so far."""
    started = time.time()
    try:
        result = await stage.run(context)
    except* HarnessError as group:
        error = first_of(group)
        usage = isinstance(error, HarnessError) and error.exit_code is ExitCode.USAGE
        context.tell_incidents()
        result = inconclusive(context.name, str(error), usage=usage)
        result = replace(result, findings=context.findings)
    except* Exception as group:
        with suppress(OSError):  # the log may be what cannot be written
            traceback.print_exception(group)
        with suppress(OSError):
            context.tell_incidents()
        result = replace(
            inconclusive(context.name, _unexpected(first_of(group), context.directory)), findings=context.findings
        )
    return replace(result, started=started, duration_s=time.time() - started)


def _unexpected(error: BaseException, directory: Path) -> str:
    if isinstance(error, OSError) and error.errno in _MACHINE_TROUBLE:
        return f"the machine is in the way: {error}"
    log = directory / "stage.log"
    return f"internal error: {type(error).__name__}: {error} (traceback in {log}; please report it)"


def make_context(request: WorkRequest, stage: Stage, send: Callable[[Event], None]) -> StageContext:
    """Build what the stage is given from what the worker was asked."""
    project = load_project(Path(request.config))
    remember_system(project.system)
    directory = Path(request.run_directory) / request.stage
    directory.mkdir(parents=True, exist_ok=True)
    return StageContext(
        name=request.stage,
        root=project.root,
        system=project.system,
        stage_settings=project.settings(request.stage, stage.settings, request.profile),
        profile=request.profile,
        seed=request.seed,
        run_directory=Path(request.run_directory),
        directory=directory,
        addresses={**request.addresses, **{n: project.system.services[n].url for n in request.elsewhere}},
        service_logs={n: Path(p) for n, p in request.service_logs.items()},
        jobs=request.jobs,
        send=send,
        redactor=Redactor(),
        only=request.only,
    )


def _guard(context: StageContext) -> None:
    """Hold this process to what the project's files and the environment name; see `harness.guard.sockets`.

    Where each single request may go is seen to more closely by who sends it: this is the last line.
    """
    system, env = context.system, os.environ
    named = [u for s in system.services.values() for u in (s.url, s.openapi, s.asyncapi)]
    named += [*system.contracts.sources, system.contracts.broker.url]
    named += [env.get("PACT_BROKER_BASE_URL", ""), env.get("TOXIPROXY_URL", "")]
    named += [value for name, value in env.items() if name.lower() in PROXY_VARIABLES]
    # A variable that holds no address is told by whoever asks there.
    urls = [u for u in named if u.startswith(("http://", "https://")) and _leads_somewhere(u)]
    report_to(context.directory / INCIDENTS_FILE)
    watch_sockets(Invitation.to(urls, system.runtime.allow_targets, loopback=True))


def _leads_somewhere(url: str) -> bool:
    with suppress(ValueError):
        return bool(place_of(url))
    return False


async def _serve(request: WorkRequest, send: Callable[[Event], None]) -> None:
    stage = load_stage(request.stage)
    context = make_context(request, stage, send)
    _guard(context)
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for _ in signals:
                    tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        result = await run_stage(stage, context)
        send(StageFinished(result=result))
        tasks.cancel_scope.cancel()


def main() -> None:
    """Body of the worker process: `python -m harness.pipeline.worker REQUEST.json`."""
    # Events own the real standard output; whatever a tool prints in this process goes to the log.
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    request = from_json(WorkRequest, Path(sys.argv[1]).read_bytes())
    sys.path.insert(0, str(Path(request.config).parent))

    one_at_a_time = threading.Lock()  # credentials are learned in threads

    def send(event: Event | SecretLearned) -> None:
        text = to_json(event if isinstance(event, SecretLearned) else masked(event))
        with one_at_a_time:
            out.write(text + "\n")

    listen(lambda value: send(SecretLearned(value=value)))
    anyio.run(_serve, request, send)
    out.flush()


if __name__ == "__main__":
    main()
