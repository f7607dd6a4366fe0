"""One direction of one connection: from the socket that is read, through a chain of stubs, to the socket that is written."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from harness.chaos.faults import Chunk, Fault
from harness.chaos.server.stub import LiveStub

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
        self._ended_in = False
        self._held = 0
        self._limit = 0
        self._holding = False
        self._dest_full = False

    def append(self, toxic: Toxic) -> None:
        """Put a toxic at the end of the chain."""
        if self.finished:
            return
        self._settle()
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
        self._settle()
        for stub in self.stubs:
            if stub.toxic is toxic:
                stub.restart()

    async def remove(self, toxic: Toxic) -> None:
        """Take a toxic out of the chain; what it holds goes on."""
        index = next((i for i, s in enumerate(self.stubs) if s.toxic is toxic), None)
        if index is None:
            return
        stub = self.stubs[index]
        self._settle()
        await stub.leave()
        self._settle()
        self.stubs.remove(stub)
        before = self.stubs[index - 1] if index else None
        if before is not None:
            before.following = stub.following
            before.restart()

    def feed(self, data: bytes) -> None:
        """Take bytes from the source."""
        if self.stubs:
            self._count(self.direction, len(data), 0)
            self.deliver(self.stubs[0], Chunk(data, time.monotonic()))
        elif not self.finished:
            self._count(self.direction, len(data), len(data))
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
        # In a loop, not from one stub to the next: a chain may be longer than Python's stack is deep.
        while stub is not None and stub.passes:
            stub.closed = chunk is None
            stub = stub.following
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

    def will_cut(self) -> None:
        """Let the end, once it is through, close both directions."""
        self.ending = Ending.CUT

    def reset(self) -> None:
        """Break both sides off with RST."""
        self.finished = True
        self.dest.reset()
        self.source.reset()

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

    def _settle(self) -> None:
        for stub in self.stubs:
            stub.settle()
