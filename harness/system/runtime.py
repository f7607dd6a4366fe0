"""Brings a system up and takes it down. The process runtime starts commands; services with a `url` run already."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import anyio
import anyio.abc

from harness.errors import ConfigError, InfrastructureError, StartError, first_of
from harness.system.children import child_environment, end_group, kill_group, limit_file_size, log_tail, start_child
from harness.system.config import CONFIG_FILE
from harness.system.model import Edge, EdgeKind, RuntimeKind, Service, System
from harness.system.ports import free_port, is_free, listening
from harness.system.readiness import wait_until
from harness.system.values import fill

__all__ = ["Beside", "ProcessRuntime", "Runtime", "check_startable"]


class Runtime(Protocol):
    """What brings a system up: processes today, containers next.

    `addresses`: base URL of each service, known before anything runs. `logs`: log file of each service.
    """

    addresses: Mapping[str, str]
    logs: Mapping[str, Path]

    def wire(self, edge: str, url: str) -> None:
        """Point the edge `caller:callee` at `url` (a proxy, a stub); takes effect at the caller's next start."""

    async def start(self) -> None:
        """Start everything and wait until it is ready."""

    async def stop(self) -> None:
        """End everything; safe to call twice, and after a start that failed."""

    def died(self) -> tuple[str, ...]:
        """Services that were started and are gone."""


def check_startable(system: System, root: Path) -> None:
    """Make sure that every service the process runtime would start can be: before anything runs.

    Raises:
        ConfigError: naming the service's key.
    """
    if system.runtime.kind is RuntimeKind.PROCESS:
        _check_commands(system.services.values(), root)


def _check_commands(services: Iterable[Service], root: Path) -> None:
    """Make sure that every start command and folder exists and every fixed port is free.

    Raises:
        ConfigError: naming the service's key.
    """
    path = child_environment()["PATH"]
    for service in services:
        if not service.command:
            continue
        key = f"services.{service.name}"
        cwd = root / service.cwd
        if not cwd.is_dir():
            raise ConfigError(CONFIG_FILE, f"{key}.cwd", f'there is no folder "{service.cwd}" below {root}.')
        word = service.command[0]
        if "{" not in word and not shutil.which(cwd / word if "/" in word else word, path=path):
            problem = (
                f'"{word}" in {cwd} is not an executable file.'
                if "/" in word and (cwd / word).exists()
                else f'there is no command "{word}" (looked in {cwd if "/" in word else "PATH"}).'
            )
            raise ConfigError(CONFIG_FILE, f"{key}.command", problem)
        if service.port and not is_free(service.port):
            raise ConfigError(
                CONFIG_FILE,
                f"{key}.port",
                f"port {service.port} on 127.0.0.1 is taken by another process.",
                "a free port, or none at all to have one picked",
            )


@dataclass(frozen=True, slots=True)
class Beside:
    """A second process of a service.

    Args:
        address: its base URL.
    """

    address: str
    process: anyio.abc.Process

    @property
    def exit_code(self) -> int | None:
        """How it ended by itself, negative for a signal; None while it runs."""
        return self.process.returncode


class ProcessRuntime:
    """Services as child processes on free ports, wired to each other through environment variables.

    Args:
        system: what to start; a service with a `url` (or any, when the runtime is external) is taken as running.
        root: folder of `harness.toml`.
        directory: logs and data of this start go here; made when missing.
        env: service -> further environment variables.

    `starts_s`: how long each service took until it was ready, in seconds, when all were started.
    """

    def __init__(
        self, system: System, *, root: Path, directory: Path, env: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        self.system, self.root, self.directory = system, root, directory
        self._env = env or {}
        self._wires: dict[str, str] = {}
        self._processes: dict[str, anyio.abc.Process] = {}
        external = system.runtime.kind is RuntimeKind.EXTERNAL
        self._started = [n for n, s in system.services.items() if not external and s.command]
        self._ports = {n: system.services[n].port or free_port() for n in self._started}
        self.addresses: dict[str, str] = {
            n: f"http://127.0.0.1:{self._ports[n]}" if n in self._ports else s.url for n, s in system.services.items()
        }
        self.logs: dict[str, Path] = {n: directory / f"{n}.log" for n in self._started}
        self.starts_s: dict[str, float] = {}

    def wire(self, edge: str, url: str) -> None:
        """Point the edge `caller:callee` at `url`; see `Runtime.wire`.

        Raises:
            KeyError: when there is no such edge.
        """
        found = self.system.edge(edge)
        if found is None:
            raise KeyError(edge)
        self._wires[found.key] = url

    @property
    def data(self) -> Path:
        """Folder that `{data}` stands for."""
        return self.directory / "data"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ProcessRuntime]:
        """Start, and stop whatever happens."""
        try:
            await self.start()
            yield self
        finally:
            with anyio.CancelScope(shield=True):
                await self.stop()

    async def start(self) -> None:
        """Start every service as soon as those it uses are ready, and wait until all are.

        Raises:
            ConfigError: when a command or a folder does not exist, or a fixed port is taken.
            StartError: when a service cannot be started, ends at once or does not become ready in time.
        """
        _check_commands((self.system.services[n] for n in self._started), self.root)
        self.directory.mkdir(parents=True, exist_ok=True)
        ready = {n: anyio.Event() for n in self.system.services}
        try:
            async with anyio.create_task_group() as tasks:
                for name in self.system.services:
                    tasks.start_soon(self._bring_up, name, ready)
        except ExceptionGroup as group:  # one service in the way is enough to be told, and a caller expects no group
            raise first_of(group) from None

    async def _bring_up(self, name: str, ready: Mapping[str, anyio.Event]) -> None:
        for neighbour in self._waits_for(name):
            await ready[neighbour].wait()
        service = self.system.services[name]
        begun = time.monotonic()
        if name in self._ports:
            await self._launch(service)
        await self._wait_ready(service)
        self.starts_s[name] = time.monotonic() - begun
        ready[name].set()

    def _waits_for(self, name: str) -> list[str]:
        """Neighbours to start first: all it uses, except where they use it in turn, directly or through others."""
        uses = {
            n: {e.callee for e in self.system.edges_from(n)} & self.system.services.keys() for n in self.system.services
        }

        def reaches(start: str) -> set[str]:
            seen: set[str] = set()
            todo = [start]
            while todo:
                for nxt in uses[todo.pop()] - seen:
                    seen.add(nxt)
                    todo.append(nxt)
            return seen

        return [n for n in uses[name] if name not in reaches(n)]

    async def _launch(self, service: Service) -> None:
        self._processes[service.name] = await self._spawn(
            service, self._ports[service.name], self.logs[service.name], {}
        )

    async def _spawn(self, service: Service, port: int, log: Path, env: Mapping[str, str]) -> anyio.abc.Process:
        words = [self._fill(word, port) for word in service.command]
        if words[0] in {"python", "python3"}:
            words[0] = sys.executable
        try:
            return await start_child(
                words, cwd=self.root / service.cwd, log=log, env=self._environment(service, port) | dict(env)
            )
        except InfrastructureError as error:
            raise StartError(
                service.name,
                f"service {service.name} did not start: {error}; see services.{service.name}.command in {CONFIG_FILE}.",
            ) from None

    async def _wait_ready(self, service: Service) -> None:
        process = self._processes.get(service.name)

        def gave_up() -> str:
            return (
                f"its process ended with exit code {process.returncode}"
                if process and process.returncode is not None
                else ""
            )

        seen = await wait_until(
            self.addresses[service.name], service.ready, limit_s=service.start_timeout_s, gave_up=gave_up
        )
        if seen:
            raise StartError(service.name, self._start_problem(service, seen, ended=bool(gave_up())))

    def _start_problem(self, service: Service, seen: str, *, ended: bool) -> str:
        what = f"{service.ready} to answer 2xx" if service.ready else "its port to accept connections"
        address = self.addresses[service.name]
        text = f"service {service.name} did not start: "
        if ended:
            text += f"{seen} before it was ready."
        elif service.name in self._ports:
            text += f"waited {service.start_timeout_s:g} s for {what} at {address}; last seen: {seen}."
            text += self._elsewhere(service)
        else:
            text += f"it should run already at {address}; waited {service.start_timeout_s:g} s for {what}; last seen: {seen}."
        tail = log_tail(self.logs[service.name]) if service.name in self.logs else ""
        if tail:
            text += "\nlast lines of its log:\n" + "\n".join(f"  {line}" for line in tail.splitlines())
        if service.name in self._ports:
            command = " ".join(service.command)
            text += (
                f"\nhint: try `{command}` by hand with {service.port_env}={self._ports[service.name]}; "
                f"see services.{service.name}.command, .ready, .port_env and .start_timeout in {CONFIG_FILE}"
            )
        return text

    def _elsewhere(self, service: Service) -> str:
        """The commonest mistake of a first run: the service listens, but has not been told where."""
        port, process = self._ports[service.name], self._processes.get(service.name)
        others = [p for p in listening(process.pid) if p != port] if process else []
        if not others:
            return ""
        return (
            f" It listens on port {', '.join(map(str, others))} instead of {port}: name the variable that tells it its port "
            f"(services.{service.name}.port_env), or put {{port}} into its command."
        )

    def _environment(self, service: Service, port: int) -> dict[str, str]:
        env = {service.port_env: str(port)}
        for edge in self.system.edges_from(service.name):
            if edge.env:
                env[edge.env] = self._edge_value(edge, port)
        extra = {**service.env, **self._env.get(service.name, {})}
        return env | {k: self._fill(v, port) for k, v in extra.items()}

    def _edge_value(self, edge: Edge, port: int) -> str:
        if edge.kind is EdgeKind.RESOURCE:
            return self._wires.get(edge.key) or self._fill(edge.template, port)
        # A neighbour nobody started: a port where nothing listens, so calls are refused at once.
        target = self._wires.get(edge.key) or self.addresses.get(edge.callee) or "http://127.0.0.1:9"
        if not edge.url:
            return target
        # Many services are told "host:port", without a scheme.
        return self._fill(edge.url, port, {"url": target, "address": urlsplit(target).netloc})

    def _fill(self, text: str, port: int, more: Mapping[str, str] | None = None) -> str:
        if "{" not in text:
            return text
        self.data.mkdir(parents=True, exist_ok=True)
        known = {"port": str(port), "data": str(self.data), "root": str(self.root)}
        known |= {f"services.{n}.url": url for n, url in self.addresses.items()}
        return fill(text, known | dict(more or {}))

    def died(self) -> tuple[str, ...]:
        """Services whose process has ended although nobody stopped it."""
        return tuple(n for n, p in self._processes.items() if p.returncode is not None)

    def pids(self) -> dict[str, int]:
        """Process ids of the started services."""
        return {n: p.pid for n, p in self._processes.items()}

    async def kill(self, name: str) -> None:
        """End a service at once with SIGKILL; it counts as stopped, not as died. `restart` starts it again."""
        process = self._processes.pop(name, None)
        if process is not None:
            await end_group(process, grace_s=None)

    async def end(self, name: str) -> None:
        """Ask a service to end and wait until it has; it counts as stopped, not as died. `restart` starts it again."""
        process = self._processes.pop(name, None)
        if process is not None:
            await end_group(process)

    def is_running(self, name: str) -> bool:
        """Whether a service was started here and has not been stopped; one that has died counts as running."""
        return name in self._processes

    def pause(self, name: str) -> None:
        """Stop a service's processes where they are (SIGSTOP): it keeps its connections and answers nothing."""
        if name in self._processes:
            kill_group(self._processes[name].pid, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a paused service go on (SIGCONT); one that was not paused is not disturbed."""
        if name in self._processes:
            kill_group(self._processes[name].pid, signal.SIGCONT)

    def limit_files(self, name: str, size: int | None) -> None:
        """Let a service write no file beyond a size, or as far as before.

        Writes beyond it fail with EFBIG, and the process is sent SIGXFSZ. Sockets and pipes are not files.

        Args:
            size: bytes; None takes the limit away.

        Raises:
            InfrastructureError: when this machine has no such limit (it takes Linux), or does not let it be set.
        """
        if name in self._processes:
            limit_file_size(self._processes[name].pid, size)

    @asynccontextmanager
    async def beside(self, name: str, env: Mapping[str, str]) -> AsyncIterator[Beside]:
        """Run a second process of a service on a port of its own, and end it; whether it becomes ready is not waited for.

        Args:
            env: variables it is told otherwise than the first.

        Raises:
            StartError: when it cannot be started at all.
        """
        port = free_port()
        log = self.directory / f"{name}-beside.log"
        process = await self._spawn(self.system.services[name], port, log, env)
        try:
            yield Beside(f"http://127.0.0.1:{port}", process)
        finally:
            with anyio.CancelScope(shield=True):
                await end_group(process)

    async def restart(self, name: str) -> None:
        """Start a service again that was stopped or has died, and wait until it is ready.

        Raises:
            StartError: as `start`.
        """
        await self.end(name)
        service = self.system.services[name]
        await self._launch(service)
        await self._wait_ready(service)

    async def stop(self) -> None:
        """End every service this runtime started, all at once."""
        processes = list(self._processes.values())
        for name in self._processes:
            self.resume(name)  # one that is paused cannot hear that it is to end
        self._processes.clear()
        async with anyio.create_task_group() as tasks:
            for process in processes:
                tasks.start_soon(end_group, process)
