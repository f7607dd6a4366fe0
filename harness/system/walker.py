"""A child that walks journeys when it is told to, as often and as many at once as it is told; `drive` walks by a schedule."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import anyio
import anyio.abc

from harness.errors import InfrastructureError, UsageError
from harness.evidence.wire import from_json, to_json
from harness.guard import INCIDENTS_FILE, enter
from harness.system.channel import Channel
from harness.system.children import end_group, log_tail, python_module, read_lines, start_child
from harness.system.drive import DriveSpec, Sample, walk_once
from harness.system.journeys import Journey, load_journeys
from harness.system.sending import connections
from harness.system.telling import tell_what_is_sent

if TYPE_CHECKING:
    from harness.guard.transport import GuardedTransport

__all__ = ["Known", "Walker", "walker"]

_AT_ONCE = 64
_START_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A journey of the project, without its code.

    Args:
        entry: the service its paths belong to; empty for the system's entry.
    """

    name: str
    weight: int
    entry: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """Walk a journey once for each seed, all at once; with no journey: tell which there are."""

    file: str
    ticket: int = 0
    journey: str = ""
    seeds: tuple[int, ...] = ()
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """One walk of an order, the journeys of a file, or why there are none."""

    ticket: int
    sample: Sample | None = None
    known: tuple[Known, ...] | None = None
    problem: str = ""


@dataclass(slots=True)
class _Open:
    """An order that is not complete yet."""

    wanted: int
    samples: list[Sample] = field(default_factory=list)
    known: tuple[Known, ...] | None = None
    problem: str = ""
    done: anyio.Event = field(default_factory=anyio.Event)

    @property
    def complete(self) -> bool:
        """Whether all has come that was asked for."""
        return self.known is not None or len(self.samples) == self.wanted


@dataclass(slots=True)
class Walker:
    """Talks to the child; made by `walker`."""

    log: Path
    _process: anyio.abc.Process
    _channel: Channel
    _open: dict[int, _Open] = field(default_factory=dict)
    _tickets: int = 0
    _ended: bool = False

    @property
    def pid(self) -> int:
        """The child, which leads its session."""
        return self._process.pid

    async def known(self, file: Path) -> tuple[Known, ...]:
        """The journeys a file registers, in the order written.

        Raises:
            UsageError: when the file cannot be used.
            InfrastructureError: when the child is gone.
        """
        return (await self._ask(_Order(file=str(file)), 1, _START_S)).known or ()

    async def walk(self, file: Path, journey: str, seeds: Sequence[int], *, timeout_s: float = 10.0) -> list[Sample]:
        """Walk a journey once for each seed, all at once, and wait until all have ended.

        Args:
            timeout_s: the longest one request may take, in seconds.

        Raises:
            UsageError: when the file cannot be used or has no such journey.
            InfrastructureError: when the child is gone, or a journey does not end.
        """
        order = _Order(file=str(file), journey=journey, seeds=tuple(seeds), timeout_s=timeout_s)
        # A journey makes several requests and may wait in between; one that never ends must not hold up everything.
        return (await self._ask(order, len(seeds), timeout_s * 10 + _START_S)).samples

    async def _ask(self, order: _Order, wanted: int, limit_s: float) -> _Open:
        self._tickets += 1
        order = replace(order, ticket=self._tickets)
        waiting = self._open[order.ticket] = _Open(wanted)
        try:
            await self._send(order)
            # What is written to a child that has just ended can still be taken by the pipe; nobody would answer it.
            if not self._ended:
                with anyio.move_on_after(limit_s):
                    await waiting.done.wait()
        finally:
            del self._open[order.ticket]
        if waiting.problem:
            raise UsageError(waiting.problem)
        if not waiting.complete:
            what = f"has ended before {order.journey or order.file} had" if self._ended else f"took over {limit_s:g} s"
            raise InfrastructureError(f"the journeys' process {what}:\n{log_tail(self.log)}")
        return waiting

    async def _send(self, order: _Order) -> None:
        assert self._process.stdin is not None
        try:
            await self._process.stdin.send(f"{to_json(order)}\n".encode())
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise InfrastructureError(f"the journeys' process has ended:\n{log_tail(self.log)}") from None

    def _take(self, line: str) -> None:
        self._channel.take()  # first: a walk may tell what it has sent
        answer = from_json(_Answer, line)
        waiting = self._open.get(answer.ticket)
        if waiting is None:
            return
        if answer.sample is not None:
            waiting.samples.append(answer.sample)
        waiting.known, waiting.problem = answer.known, answer.problem
        if waiting.complete or waiting.problem:
            waiting.done.set()

    async def _listen(self) -> None:
        await read_lines(self._process, self._take)
        self._ended = True
        for waiting in self._open.values():
            waiting.done.set()


@asynccontextmanager
async def walker(
    *, base_urls: Mapping[str, str], entry: str, root: Path, log: Path, allowed: Sequence[str] = ()
) -> AsyncIterator[Walker]:
    """Give a walker, and end its process afterwards.

    Args:
        base_urls: base URL of each service.
        entry: the service users come in through, for journeys that name none.
        root: folder the journeys run in (and import from).
        log: what the journeys print goes there; what a guard had to step in for goes beside it.
        allowed: hosts, or `host:port`, beyond the services that journeys may ask.
    """
    spec = DriveSpec(journeys_file="", base_urls=base_urls, entry=entry, allowed=tuple(allowed))
    argv = python_module("harness.system.walker", to_json(spec))
    guard = spec.guarded(log.with_name(INCIDENTS_FILE)).environment()
    with Channel() as channel:
        process = await start_child(
            argv, cwd=root, log=log, env=guard, pipe_stdin=True, pipe_stdout=True, channel=channel
        )
        made = Walker(log, process, channel)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(made._listen)
                yield made
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await end_group(process, grace_s=0.5)


@dataclass(slots=True)
class _Child:
    """The other side: takes orders from standard input until it ends, also when whoever gives them has died."""

    spec: DriveSpec
    out: TextIO
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _files: dict[str, tuple[Journey, ...]] = field(default_factory=dict)

    def serve(self, orders: TextIO) -> None:
        with connections(_AT_ONCE) as shared, ThreadPoolExecutor(_AT_ONCE) as pool:
            for line in orders:
                self._carry_out(from_json(_Order, line), shared, pool)

    def _carry_out(self, order: _Order, shared: GuardedTransport, pool: ThreadPoolExecutor) -> None:
        try:
            journeys = self._journeys(order)
        except UsageError as error:
            self._say(_Answer(ticket=order.ticket, problem=str(error)))
            return
        if not order.journey:
            known = tuple(Known(name=j.name, weight=j.weight, entry=j.entry) for j in journeys)
            self._say(_Answer(ticket=order.ticket, known=known))
            return
        [journey] = [j for j in journeys if j.name == order.journey]
        for seed in order.seeds:
            pool.submit(self._walk, order, journey, shared, seed)

    def _journeys(self, order: _Order) -> tuple[Journey, ...]:
        found = self._files.get(order.file)
        if found is None:
            found = self._files[order.file] = load_journeys(Path(order.file))
        if order.journey and all(j.name != order.journey for j in found):
            load_journeys(Path(order.file), [order.journey])  # says what is wrong with the name
        return found

    def _walk(self, order: _Order, journey: Journey, shared: GuardedTransport, seed: int) -> None:
        spec = DriveSpec(
            journeys_file="", base_urls=self.spec.base_urls, entry=self.spec.entry, timeout_s=order.timeout_s
        )
        self._say(_Answer(ticket=order.ticket, sample=walk_once(journey, spec, shared, seed, time.time())))

    def _say(self, answer: _Answer) -> None:
        with self._lock:
            self.out.write(to_json(answer) + "\n")
            self.out.flush()


def main() -> None:
    """Body of the child: answers on the real standard output; what journeys print goes to the log."""
    import os

    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    enter()
    tell_what_is_sent()
    sys.path.insert(0, str(Path.cwd()))
    _Child(from_json(DriveSpec, sys.argv[1]), out).serve(sys.stdin)


if __name__ == "__main__":
    main()
