"""Faults of a service's own process: killed, paused, restarted, slow to start, out of disk; each is undone by `lift`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Protocol

import anyio

from harness.errors import ConfigError, did_you_mean
from harness.system.model import RuntimeKind, System
from harness.system.runtime import ProcessRuntime

__all__ = ["Note", "ProcessAction", "ProcessFault", "ProcessFaults", "check_process_fault"]


class Note(Protocol):
    """Takes down what was done; the journal of a run is behind it."""

    def __call__(self, what: str, **facts: object) -> None:
        """Take down what was done, at this moment."""


class ProcessAction(StrEnum):
    """What is done to a service's process.

    `kill`: SIGKILL; started again when the fault is lifted. `pause`: SIGSTOP; it keeps its connections and answers nothing,
    until SIGCONT. `restart`: asked to end and started again at once. `slow_start`: the same, but started only after a delay.
    `full_disk`: every write to a file fails (RLIMIT_FSIZE 0: EFBIG where a full disk says ENOSPC).
    """

    KILL = "kill"
    PAUSE = "pause"
    RESTART = "restart"
    SLOW_START = "slow_start"
    FULL_DISK = "full_disk"

    @property
    def lasts(self) -> bool:
        """Whether it is in force until it is lifted; the others are over when the service is ready again."""
        return self in {ProcessAction.KILL, ProcessAction.PAUSE, ProcessAction.FULL_DISK}

    @property
    def ends(self) -> bool:
        """Whether nobody listens meanwhile, so that connections are refused."""
        return self in {ProcessAction.KILL, ProcessAction.RESTART, ProcessAction.SLOW_START}


@dataclass(frozen=True, slots=True)
class ProcessFault:
    """What is done to which service.

    Args:
        delay_s: how long the service stays away, in seconds; for `slow_start` only.
    """

    service: str
    action: ProcessAction
    delay_s: float = 0.0


def check_process_fault(fault: ProcessFault, key: str, file: str, system: System) -> None:
    """Make sure that this can be done to this system.

    Args:
        key: where it stands, for messages. file: as the user would type it.

    Raises:
        ConfigError: when it cannot.
    """
    name = fault.service
    if name not in system.services:
        known = ", ".join(system.services)
        if name in system.resources:
            problem = f'"{name}" is a resource; the harness does not start it, so it cannot stop it.'
        else:
            problem = f'there is no service "{name}".{did_you_mean(name, system.services)}'
        raise ConfigError(file, f"{key}.service", problem, known)
    if system.runtime.kind is not RuntimeKind.PROCESS or not system.services[name].command:
        raise ConfigError(
            file,
            f"{key}.service",
            f"{name} is not started by the harness (services.{name}.command in harness.toml), so it cannot be stopped by it.",
        )
    if fault.action is ProcessAction.SLOW_START and fault.delay_s <= 0:
        raise ConfigError(file, f"{key}.delay", "is missing or 0, so the start would not be slow.")
    if fault.action is not ProcessAction.SLOW_START and fault.delay_s:
        raise ConfigError(file, f"{key}.delay", f"{fault.action} takes none; slow_start does.")


class ProcessFaults:
    """Does it to the services of a runtime, and remembers how each is undone."""

    def __init__(self, runtime: ProcessRuntime) -> None:
        self._runtime = runtime
        self._undo: list[Callable[[Note], Awaitable[None]]] = []

    async def inject(self, fault: ProcessFault, note: Note) -> None:
        """Do it; returns when the service is ready again, where the fault does not last.

        Raises:
            StartError: when the service does not start again.
            InfrastructureError: when the machine does not allow it.
        """
        runtime, name = self._runtime, fault.service
        # Remembered first: whatever happens next, it will be undone.
        match fault.action:
            case ProcessAction.KILL:
                self._undo.append(partial(self._start, name))
                await runtime.kill(name)
                note("service killed", service=name)
            case ProcessAction.PAUSE:
                self._undo.append(partial(self._resume, name))
                runtime.pause(name)
                note("service paused", service=name)
            case ProcessAction.RESTART | ProcessAction.SLOW_START:
                self._undo.append(partial(self._start, name))
                await runtime.end(name)
                note("service stopped", service=name)
                await anyio.sleep(fault.delay_s)
                await self._start(name, note)
            case ProcessAction.FULL_DISK:
                self._undo.append(partial(self._free_disk, name))
                runtime.limit_files(name, 0)
                note("writes to files fail", service=name)

    async def lift(self, note: Note) -> None:
        """Undo everything, the last first; safe to call when nothing is in force.

        Raises:
            StartError: when a service does not start again; the others are undone all the same.
        """
        problem: Exception | None = None
        while self._undo:
            try:
                await self._undo.pop()(note)
            except Exception as error:  # the rest has to be undone first
                problem = problem or error
        if problem is not None:
            raise problem

    async def _start(self, name: str, note: Note) -> None:
        if not self._runtime.is_running(name):
            await self._runtime.restart(name)
            note("service started", service=name)

    async def _resume(self, name: str, note: Note) -> None:
        self._runtime.resume(name)
        note("service resumed", service=name)

    async def _free_disk(self, name: str, note: Note) -> None:
        self._runtime.limit_files(name, None)
        note("writes to files succeed", service=name)
