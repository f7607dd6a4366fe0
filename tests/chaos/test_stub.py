"""The places of toxics in a link: whatever changes while bytes are under way, none is lost, doubled or overtaken."""

from __future__ import annotations

import asyncio
import random
from typing import cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.chaos.faults import FAULTS
from harness.chaos.server.connection import Endpoint
from harness.chaos.server.link import Direction, Ending, Link, Toxic


class Written:
    """The end bytes are written to, and the one they come from."""

    def __init__(self) -> None:
        self.data = b""
        self.done = asyncio.Event()

    def write(self, data: bytes) -> None:
        assert not self.done.is_set(), "bytes came after the end"
        self.data += data

    def write_end(self) -> None:
        self.done.set()

    close = write_end

    def read(self, on: bool) -> None:
        pass


def toxic(name: str, latency: int, jitter: int, toxicity: float) -> Toxic:
    fault = FAULTS["latency"](latency=latency, jitter=jitter)  # type: ignore[call-arg]
    return Toxic(name, "latency", "downstream", toxicity, Direction.DOWNSTREAM, fault)


def slicer(name: str) -> Toxic:
    fault = FAULTS["slicer"](average_size=2, size_variation=1, delay=100)  # type: ignore[call-arg]
    return Toxic(name, "slicer", "downstream", 1.0, Direction.DOWNSTREAM, fault)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("feed"), st.integers(1, 9)),
        st.tuples(st.just("wait"), st.integers(0, 4)),
        st.tuples(st.just("add"), st.integers(0, 5)),
        st.tuples(st.just("slice"), st.just(0)),
        st.tuples(st.just("change"), st.integers(0, 5)),
        st.tuples(st.just("remove"), st.integers(0, 5)),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.integers(0, 1000))
def test_no_byte_is_lost_doubled_or_overtaken_whatever_changes_meanwhile(steps, seed: int) -> None:
    async def run() -> None:
        end = Written()
        both = cast(Endpoint, end)
        link = Link(Direction.DOWNSTREAM, both, both, lambda _, n: random.Random(f"{seed}{n}"), lambda *_: None)
        toxics: list[Toxic] = []
        sent = b""
        for number, (what, size) in enumerate(steps):
            if what == "feed":
                data = bytes((len(sent) + i) % 256 for i in range(size))
                sent += data
                link.feed(data)
            elif what == "wait":
                await asyncio.sleep(size / 1000)
            elif what in {"add", "slice"}:
                one = (
                    slicer(f"t{number}")
                    if what == "slice"
                    else toxic(f"t{number}", size, number % 3 // 2 * size // 2, 0.8)
                )
                toxics.append(one)
                link.append(one)
            elif toxics and what == "change":
                one = toxics[size % len(toxics)]
                if one.type == "latency":
                    one.fault = toxic("", number % 4, number % 2, 1.0).fault
                link.changed(one)
            elif toxics:
                await link.remove(toxics.pop(size % len(toxics)))
        link.feed_end(Ending.END)
        async with asyncio.timeout(5):
            await end.done.wait()
        assert end.data == sent
        link.abandon()

    asyncio.run(run())
