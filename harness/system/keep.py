"""Keeps a system running in the foreground until a signal asks to stop, or one of its services ends."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence

import anyio

from harness.errors import HarnessError, StartError, UsageError, did_you_mean
from harness.system.children import log_tail
from harness.system.config import Project
from harness.system.guardian import Guardian
from harness.system.runtime import ProcessRuntime
from harness.system.scratch import private_folder

__all__ = ["keep_running"]


def keep_running(project: Project, services: Sequence[str], ready: Callable[[dict[str, str]], None]) -> None:
    """Start services (all when none is named), call `ready` with their addresses, return when asked to stop.

    Raises:
        UsageError: unknown service.
        ConfigError: a start command does not exist, or a fixed port is taken.
        StartError: a service does not start, or ends while running.
    """
    known = project.system.services
    for name in services:
        if name not in known:
            raise UsageError(
                f'there is no service "{name}".{did_you_mean(name, known)} Known services: {", ".join(known)}.'
            )
    system = project.system.only(services) if services else project.system
    with private_folder("harness-up-") as folder, Guardian():
        runtime = ProcessRuntime(system, root=project.root, directory=folder)
        anyio.run(_serve, runtime, ready)


async def _serve(runtime: ProcessRuntime, ready: Callable[[dict[str, str]], None]) -> None:
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
                async for _ in signals:
                    tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        problem: HarnessError | None = None
        try:
            async with runtime.running():
                ready(runtime.addresses)
                while not (dead := runtime.died()):  # noqa: ASYNC110 - a process has no event to wait for here
                    await anyio.sleep(0.5)
                problem = StartError(
                    dead[0], f"service {dead[0]} ended; its last words:\n{log_tail(runtime.logs[dead[0]])}"
                )
        except HarnessError as error:
            problem = error
        tasks.cancel_scope.cancel()
    if problem:
        raise problem
