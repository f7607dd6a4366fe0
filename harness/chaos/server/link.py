"""One direction of one connection: from the socket that is read, through a chain of stubs, to the socket that is written."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from harness.chaos.faults import Chunk, Fault, Interrupted

if TYPE_CHECKING:
    from harness.chaos.server.connection import Endpoint

__all__ = ["Direction", "Ending", "Link", "LiveStub", "Toxic"]


class Direction(IntEnum):
    """Which way bytes flow; the order is the one toxics are listed in."""

    UPSTREAM = 0
    DOWNSTREAM = 1


class Ending(IntEnum):
    """How a direction ends; a later one is stronger.

    `END`: the sender had no more to say, the other direction lives on. `CUT`: both directions close, after what was sent.
    """

    END = 0
    CUT = 1


@dataclass(slots=True)
class Toxic:
    """A fault as set on a proxy; `stream` is kept as the client wrote it."""

    name: str
    type: str
    stream: str
    toxicity: float
    direction: Direction
    fault: Fault


class LiveStub:
    """A toxic's place in one link; implements `harness.chaos.faults.Stub`.

    Whether the toxic applies is drawn when it starts, and again whenever it is changed or its successor changes; when it does
    not apply, bytes pass straight through.
    """

    def __init__(self, link: Link, toxic: Toxic, rng: random.Random) -> None:
        self.link, self.toxic, self.rng = link, toxic, rng
        self.passed = 0
        self.following: LiveStub | None = None
        self._queue: deque[Chunk | None] = deque()
        self._loop = asyncio.get_running_loop()
        self._arrival: asyncio.Future[None] | None = None
        self._timer: asyncio.Future[None] | None = None
        self._interrupted = self._passing = self._leaving = False
        self.closed = False
        self._task = self._loop.create_task(self._run())

    def push(self, chunk: Chunk | None) -> None:
        """Take a chunk, or the end of the stream, from whoever is before."""
        if self.closed:
            return
        if self._passing:
            self._forward(chunk)
            return
        self._queue.append(chunk)
        self.link.account(len(chunk.data) if chunk else 0)
        _wake(self._arrival)

    def now(self) -> float:
        """See `Stub.now`."""
        return self._loop.time()

    async def receive(self, within: float | None = None) -> Chunk | None:
        """See `Stub.receive`."""
        timer = None
        expired = False

        def expire() -> None:
            nonlocal expired
            expired = True
            _wake(self._arrival)

        if within is not None:
            timer = self._loop.call_later(within, expire)
        try:
            while not self._interrupted:
                if self._queue:
                    chunk = self._queue.popleft()
                    self.link.account(-len(chunk.data) if chunk else 0)
                    return chunk
                if expired:
                    raise TimeoutError
                self._arrival = self._loop.create_future()
                await self._arrival
        finally:
            self._arrival = None
            if timer is not None:
                timer.cancel()
        raise Interrupted

    async def pause(self, seconds: float) -> None:
        """See `Stub.pause`."""
        if self._interrupted:
            raise Interrupted
        if seconds <= 0:
            return
        self._timer = self._loop.create_future()
        # An endless pause (bandwidth 0) has no timer: only an interruption ends it.
        handle = self._loop.call_later(seconds, _wake, self._timer) if seconds < float("inf") else None
        try:
            await self._timer
        finally:
            self._timer = None
            if handle is not None:
                handle.cancel()
        if self._interrupted:
            raise Interrupted

    def send(self, data: bytes) -> None:
        """See `Stub.send`."""
        if data and not self.closed:
            self._forward(Chunk(data, self._loop.time()))

    def hand_back(self, chunk: Chunk | None) -> None:
        """See `Stub.hand_back`."""
        self._queue.appendleft(chunk)
        self.link.account(len(chunk.data) if chunk else 0)

    def end(self) -> None:
        """See `Stub.end`."""
        self._forward(None)

    def cut(self) -> None:
        """See `Stub.cut`."""
        self.link.ending = Ending.CUT
        self._forward(None)

    def reset(self) -> None:
        """See `Stub.reset`."""
        self.closed = True
        self.link.reset()

    def restart(self) -> None:
        """Run the toxic as it is now, with a new draw."""
        self._interrupt()

    async def leave(self) -> None:
        """Stop for good; what is held goes on to the next, in order."""
        self._leaving = True
        self._interrupt()
        await self._task
        if not self.closed:
            self._passing = False
            self.toxic.fault.removed(self)
        while self._queue and not self.closed:
            chunk = self._queue.popleft()
            self.link.account(-len(chunk.data) if chunk else 0)
            self._forward(chunk)

    def abandon(self) -> None:
        """Drop everything: the connection is gone."""
        self.closed = True
        self._queue.clear()
        self._task.cancel()

    def _forward(self, chunk: Chunk | None) -> None:
        if chunk is None:
            self.closed = True
        self.link.deliver(self.following, chunk)

    def _interrupt(self) -> None:
        self._interrupted = True
        self._passing = False
        _wake(self._arrival)
        _wake(self._timer)

    async def _run(self) -> None:
        while not self.closed and not self._leaving:
            self._interrupted = False
            try:
                if self.rng.random() < self.toxic.toxicity:
                    await self.toxic.fault.pipe(self)
                else:
                    await self._let_pass()
            except Interrupted:
                continue
        self.link.stub_ended()

    async def _let_pass(self) -> None:
        while self._queue and not self._interrupted:
            chunk = self._queue.popleft()
            self.link.account(-len(chunk.data) if chunk else 0)
            self._forward(chunk)
        self._passing = not self._interrupted and not self.closed
        await self.pause(float("inf"))


class Link:
    """Carries one direction; without stubs bytes go from socket to socket with nothing in between.

    Args:
        source, dest: the two ends.
        toxics: what to put in between, in order.
        rng_for: makes the randomness of a toxic's place from its name.
        count: called with the sizes of what was (received, sent).
    """

    def __init__(
        self,
        direction: Direction,
        source: Endpoint,
        dest: Endpoint,
        rng_for: Callable[[Direction, str], random.Random],
        count: Callable[[Direction, int, int], None],
    ) -> None:
        self.direction, self.source, self.dest = direction, source, dest
        self.ending = Ending.END
        self.stubs: list[LiveStub] = []
        self.finished = False
        self._rng_for, self._count = rng_for, count
        self._loop = asyncio.get_running_loop()
        self._ended_in = False
        self._held = 0
        self._limit = 0
        self._holding = False
        self._dest_full = False

    def append(self, toxic: Toxic) -> None:
        """Put a toxic at the end of the chain."""
        if self.finished:
            return
        stub = LiveStub(self, toxic, self._rng_for(self.direction, toxic.name))
        if self.stubs:
            self.stubs[-1].following = stub
            self.stubs[-1].restart()
        self.stubs.append(stub)
        self._limit = max(self._limit, toxic.fault.holds)
        if self._ended_in and len(self.stubs) == 1:
            # The end of the stream has passed already; nothing will come for this toxic to act on.
            stub.closed = True

    def changed(self, toxic: Toxic) -> None:
        """Run a toxic of this chain as it is now."""
        for stub in self.stubs:
            if stub.toxic is toxic:
                stub.restart()

    async def remove(self, toxic: Toxic) -> None:
        """Take a toxic out of the chain; what it holds goes on."""
        index = next((i for i, s in enumerate(self.stubs) if s.toxic is toxic), None)
        if index is None:
            return
        stub = self.stubs[index]
        await stub.leave()
        self.stubs.remove(stub)
        before = self.stubs[index - 1] if index else None
        if before is not None:
            before.following = stub.following
            before.restart()

    def feed(self, data: bytes) -> None:
        """Take bytes from the source."""
        self._count(self.direction, len(data), 0)
        if self.stubs:
            self.stubs[0].push(Chunk(data, self._loop.time()))
        elif not self.finished:
            self._count(self.direction, 0, len(data))
            self.dest.write(data)

    def feed_end(self, ending: Ending) -> None:
        """Take the end of the stream from the source, or learn that the source is gone."""
        self.ending = max(self.ending, ending)
        if self.finished:
            if self.ending is Ending.CUT:
                self.dest.close()
            return
        if self._ended_in:
            return
        self._ended_in = True
        self.deliver(self.stubs[0] if self.stubs else None, None)

    def deliver(self, stub: LiveStub | None, chunk: Chunk | None) -> None:
        """Hand a chunk or the end to a stub, or, after the last, to the destination."""
        if stub is not None:
            stub.push(chunk)
        elif chunk is None:
            self._finish()
        elif not self.finished:
            self._count(self.direction, 0, len(chunk.data))
            self.dest.write(chunk.data)

    def _finish(self) -> None:
        if self.finished:
            return
        self.finished = True
        if self.ending is Ending.CUT:
            self.dest.close()
        else:
            self.dest.write_end()

    def reset(self) -> None:
        """Break both sides off with RST."""
        self.finished = True
        self.dest.reset()
        self.source.reset()

    def stub_ended(self) -> None:
        """A stub has stopped; what waits before it will never be taken."""
        self.account(0)

    def account(self, change: int) -> None:
        """Count bytes held in the chain and slow the sender down when there are too many."""
        self._held += change
        holding = self._held > (self._limit // 2 if self._holding else self._limit)
        if holding is not self._holding:
            self._holding = holding
            self._throttle()

    def dest_full(self, full: bool) -> None:
        """The destination's send buffer is full, or no longer."""
        self._dest_full = full
        self._throttle()

    def _throttle(self) -> None:
        self.source.read(not (self._holding or self._dest_full))

    def abandon(self) -> None:
        """The connection is gone."""
        self.finished = True
        for stub in self.stubs:
            stub.abandon()
        self.stubs.clear()


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
