"""A toxic's place in one link, and the three ways it works there: bytes pass, bytes wait, or the fault's own `pipe` runs."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING

from harness.chaos.faults import Chunk, Interrupted
from harness.chaos.server.delays import Row, Waiting

if TYPE_CHECKING:
    from harness.chaos.server.link import Link, Toxic

__all__ = ["LiveStub"]


class _Mode(Enum):
    """What happens to bytes: `HELD` until the fault runs again, `PASS` straight on, `DELAY` without a task, or `PIPE`."""

    HELD = 0
    PASS = 1
    DELAY = 2
    PIPE = 3


class LiveStub:
    """A toxic's place in one link; implements `harness.chaos.faults.Stub`.

    Whether the toxic applies is drawn when it starts, and again whenever it is changed or its successor changes; when it does
    not apply, bytes pass straight through.

    A fault that only delays needs no task: when a chunk comes, it is known when it leaves, and through all delays that follow.
    So it goes at once to the last of a row of delays and waits there on one timer; where none of them varies, the row is
    remembered. Before anything in the chain changes, `settle` puts every chunk back to where it would be by now.

    `busy_until`: when the latest chunk leaves that came this way; no later one may leave before.
    """

    __slots__ = (
        "_arrival",
        "_expiry",
        "_interrupted",
        "_leaving",
        "_loop",
        "_mode",
        "_queue",
        "_row",
        "_task",
        "_timer",
        "_varies",
        "_waiting",
        "busy_until",
        "closed",
        "following",
        "link",
        "passed",
        "rng",
        "toxic",
    )

    def __init__(self, link: Link, toxic: Toxic, rng: random.Random) -> None:
        self.link, self.toxic, self.rng = link, toxic, rng
        self.passed = 0
        self.following: LiveStub | None = None
        self.closed = False
        self._queue: deque[Chunk | None] = deque()
        self._waiting: deque[Waiting] = deque()
        self.busy_until = 0.0
        self._row: Row | None = None
        self._varies = False
        self._loop = asyncio.get_running_loop()
        self._arrival: asyncio.Future[None] | None = None
        self._timer: asyncio.Future[None] | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._interrupted = self._leaving = False
        self._mode = _Mode.HELD
        self._task: asyncio.Task[None] | None = None
        self._begin()

    def push(self, chunk: Chunk | None) -> None:
        """Take a chunk, or the end of the stream, from whoever is before."""
        if self.closed:
            return
        if self._mode is _Mode.PASS:
            self._forward(chunk)
        elif self._mode is _Mode.DELAY:
            self._delay(chunk)
        else:
            self._queue.append(chunk)
            self.link.account(len(chunk.data) if chunk else 0)
            _wake(self._arrival)

    @property
    def passes(self) -> bool:
        """Whether bytes go straight on to the next."""
        return self._mode is _Mode.PASS and not self.closed

    def now(self) -> float:
        """See `Stub.now`."""
        # The loop's own clock has steps of a millisecond and stands still while callbacks run.
        return time.monotonic()

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
                    return self._take()
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
            self._forward(Chunk(data, time.monotonic()))

    def hand_back(self, chunk: Chunk | None) -> None:
        """See `Stub.hand_back`."""
        self._queue.appendleft(chunk)
        self.link.account(len(chunk.data) if chunk else 0)

    def end(self) -> None:
        """See `Stub.end`."""
        self._forward(None)

    def cut(self) -> None:
        """See `Stub.cut`."""
        self.link.will_cut()
        self._forward(None)

    def reset(self) -> None:
        """See `Stub.reset`."""
        self.closed = True
        self.link.reset()

    def restart(self) -> None:
        """Run the toxic as it is now, with a new draw."""
        self._interrupt()
        if self._task is None and not self.closed:
            self._begin()

    async def leave(self) -> None:
        """Stop for good; what is held goes on to the next, in order."""
        self._leaving = True
        self._interrupt()
        if self._task is not None:
            await self._task
        if not self.closed:
            self.toxic.fault.removed(self)
        while self._queue and not self.closed:
            self._forward(self._take())

    def abandon(self) -> None:
        """Drop everything: the connection is gone."""
        self.closed = True
        self._queue.clear()
        self._waiting.clear()
        self._disarm()
        if self._task is not None:
            self._task.cancel()

    def settle(self) -> None:
        """Put what has run ahead of time back into the delays where it would be by now; order is kept.

        To be called on every stub of a chain, first to last, before the chain or a toxic in it changes.
        """
        self._forget_row()
        self._varies = False
        ahead, self._waiting = self._waiting, deque()
        self._disarm()
        now = time.monotonic()
        touched: set[LiveStub] = set()
        for item in ahead:
            way = item.way()
            here = next((i for i, (due, _) in enumerate(way) if due > now), len(way) - 1)
            for _, stub in way[here + 1 :]:
                stub.busy_until = 0.0
            due, stub = way[here]
            stub._waiting.append(Waiting(item.chunk, due, way[: here + 1]))
            touched.add(stub)
        for stub in touched:
            stub._arm()

    # --- How it works ----------------------------------------------------------------------------------------------

    def _take(self) -> Chunk | None:
        chunk = self._queue.popleft()
        self.link.account(-len(chunk.data) if chunk else 0)
        return chunk

    def _forward(self, chunk: Chunk | None) -> None:
        if chunk is None:
            self.closed = True
        self.link.deliver(self.following, chunk)

    def _begin(self) -> None:
        self._interrupted = False
        if self.rng.random() >= self.toxic.toxicity:
            self._mode = _Mode.PASS
            self._replay()
        elif self.toxic.fault.only_delays:
            self._mode = _Mode.DELAY
            self._replay()
        else:
            self._mode = _Mode.PIPE
            self._task = self._loop.create_task(self._pipe())

    def _replay(self) -> None:
        while self._queue and not self.closed:
            self.push(self._take())

    async def _pipe(self) -> None:
        try:
            await self.toxic.fault.pipe(self)
        except Interrupted:
            pass
        finally:
            self._task = None
        if self.closed:
            # What waits here will never be taken.
            self.link.account(0)
        elif not self._leaving:
            self._begin()

    def _interrupt(self) -> None:
        self._interrupted = True
        delayed = self._mode is _Mode.DELAY
        if self._mode is not _Mode.PIPE:
            self._mode = _Mode.HELD
        if delayed:
            self._let_go_first()
        _wake(self._arrival)
        _wake(self._timer)

    def _let_go_first(self) -> None:
        """What was being waited for goes on at once; what stood behind it waits anew, from when it came."""
        self._disarm()
        waiting, self._waiting = self._waiting, deque()
        self.busy_until = 0.0
        self._queue.extend(item.as_it_came() for item in waiting)
        if waiting:
            first = self._take()
            self._forward(first and Chunk(first.data, time.monotonic()))

    def _delay(self, chunk: Chunk | None) -> None:
        row = self._row or self._new_row()
        if row is None or chunk is None or chunk.arrived < row.not_before:
            self._forget_row()
            self._delay_singly(chunk)
            return
        row.latest = row.not_before = chunk.arrived
        row.last._keep(Waiting(chunk, chunk.arrived + row.total, row))

    def _delay_singly(self, chunk: Chunk | None) -> None:
        due = time.monotonic() if chunk is None else chunk.arrived
        way: list[tuple[float, LiveStub]] = []
        stub = self
        while True:
            if chunk is not None:
                due += stub.toxic.fault.lateness(stub.rng)
            due = stub.busy_until = max(due, stub.busy_until)
            way.append((due, stub))
            passed, following = stub._next_delay()
            # Who waits here physically must reach the next delay first.
            if following is None or stub._waiting:
                break
            following._forget_row()
            way += [(due, one) for one in passed]
            stub = following
        stub._keep(Waiting(chunk, due, way))

    def _next_delay(self) -> tuple[list[LiveStub], LiveStub | None]:
        """The delay that comes next, and what lets bytes pass before it; none when something else comes."""
        passed: list[LiveStub] = []
        following = self.following
        while following is not None and following._mode is _Mode.PASS:
            passed.append(following)
            following = following.following
        return passed, following if following is not None and following._mode is _Mode.DELAY else None

    def _new_row(self) -> Row | None:
        if self._varies:
            return None
        stubs: list[LiveStub] = []
        delays: list[float] = []
        stub: LiveStub | None = self
        while stub is not None:
            stub._forget_row()
            late = stub.toxic.fault.always_late()
            if late is None:
                self._varies = True
                return None
            stubs.append(stub)
            delays.append(late)
            passed, following = stub._next_delay()
            if following is not None:
                if stub._waiting:
                    return None
                stubs += passed
                delays += [0.0] * len(passed)
            stub = following
        self._row = Row(stubs, delays)
        return self._row

    def _forget_row(self) -> None:
        row, self._row = self._row, None
        if row is not None:
            row.tell()

    def _keep(self, item: Waiting) -> None:
        """Let a chunk wait here, its last delay, until it is due."""
        if not self._waiting and item.due <= time.monotonic():
            self._pass_on(item)
            return
        self.link.account(len(item.chunk.data) if item.chunk else 0)
        self._waiting.append(item)
        if self._expiry is None:
            self._arm()

    def _arm(self) -> None:
        if self._waiting and self._expiry is None:
            wait = self._waiting[0].due - time.monotonic()
            self._expiry = self._loop.call_later(max(wait, 0), self._expire)

    def _disarm(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _expire(self) -> None:
        self._expiry = None
        # Timers have steps of a millisecond: whatever is due within half of one goes now.
        limit = time.monotonic() + 0.0005
        while self._waiting and self._waiting[0].due <= limit and not self.closed:
            self._release(self._waiting.popleft())
        self._arm()

    def _release(self, item: Waiting) -> None:
        self.link.account(-len(item.chunk.data) if item.chunk else 0)
        self._pass_on(item)

    def _pass_on(self, item: Waiting) -> None:
        if item.chunk is None:
            for _, stub in item.way():
                stub.closed = True
            self._forward(None)
        else:
            # Not when the timer fired but when it should have: lateness does not add up along a chain.
            self._forward(Chunk(item.chunk.data, item.due))


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
