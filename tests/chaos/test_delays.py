"""A row of constant delays: what is known of a chunk's way through it, and when a chunk may not take it."""

from __future__ import annotations

import asyncio
import random
import time
from typing import cast

import pytest

from harness.chaos.faults import FAULTS
from harness.chaos.server.connection import Endpoint
from harness.chaos.server.delays import Row
from harness.chaos.server.link import Direction, Link, LiveStub, Toxic


class Ends:
    """Both ends of a link; keeps when what was written."""

    def __init__(self) -> None:
        self.came: list[tuple[float, bytes]] = []
        self.all = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.came.append((time.monotonic(), data))
        if data == b"5":
            self.all.set()

    def read(self, on: bool) -> None:
        pass


class Stub:
    def __init__(self, busy_until: float) -> None:
        self.busy_until = busy_until


def row(busy: list[float], delays: list[float]) -> tuple[Row, list[LiveStub]]:
    stubs = cast(list[LiveStub], [Stub(until) for until in busy])
    return Row(stubs, delays), stubs


def test_a_chunk_leaves_each_stub_when_the_delays_up_to_there_are_over() -> None:
    one, stubs = row([0, 0, 0], [1, 0, 4])

    assert one.way(105) == [(101, stubs[0]), (101, stubs[1]), (105, stubs[2])]


def test_stubs_learn_until_when_they_are_busy_and_forget_nothing_later() -> None:
    one, stubs = row([0, 200, 0], [1, 0, 4])
    one.latest = 100

    one.tell()

    assert [stub.busy_until for stub in stubs] == [101, 200, 105]


def test_a_chunk_may_take_the_row_once_it_can_overtake_nobody_in_it() -> None:
    one, _ = row([0, 50, 54], [1, 0, 4])

    assert one.not_before == 49


def latency(name: str, milliseconds: int) -> Toxic:
    fault = FAULTS["latency"](latency=milliseconds)  # type: ignore[call-arg]
    return Toxic(name, "latency", "downstream", 1.0, Direction.DOWNSTREAM, fault)


@pytest.mark.parametrize("kind", ["constant", "one that varies"])
def test_delays_add_up_and_a_shorter_one_lets_nothing_overtake(kind: str) -> None:
    async def run() -> tuple[float, list[bytes]]:
        ends = Ends()
        both = cast(Endpoint, ends)
        link = Link(Direction.DOWNSTREAM, both, both, lambda _, n: random.Random(n), lambda *_: None)
        toxics = [latency(str(number), 10) for number in range(10)]
        if kind != "constant":
            toxics[5].fault = FAULTS["latency"](latency=10, jitter=1)  # type: ignore[call-arg]
        for toxic in toxics:
            link.append(toxic)
        begun = time.monotonic()
        for number in range(5):
            link.feed(b"%d" % number)
        await asyncio.sleep(0.02)
        toxics[9].fault = latency("", 0).fault
        link.changed(toxics[9])
        link.feed(b"5")
        await ends.all.wait()
        return ends.came[0][0] - begun, [data for _, data in ends.came]

    first, order = asyncio.run(asyncio.wait_for(run(), 10))

    assert 0.088 <= first < 0.5
    assert order == [b"0", b"1", b"2", b"3", b"4", b"5"]
