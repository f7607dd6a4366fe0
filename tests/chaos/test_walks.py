"""The walks in the background of an experiment, with a walker that answers as it is told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from harness.chaos.experiments import Expect, Expectation, Experiment, Injection
from harness.chaos.settings import Timing
from harness.chaos.walks import Walks, fault_s
from harness.errors import UsageError
from harness.system.drive import Sample
from harness.system.walker import Known, Walker

TIMING = Timing(before=0.6, fault=1.2, settle=8.0, rate=6.0, consecutive=3)


class Obedient:
    """Knows `buy` and `look`; a walk takes as long as it is told."""

    def __init__(self, takes_s: float = 0.01) -> None:
        self.takes_s, self.walked = takes_s, []

    async def known(self, _: Path) -> tuple[Known, ...]:
        return (Known(name="buy", weight=0), Known(name="look", weight=3))

    async def walk(self, _: Path, journey: str, seeds: Sequence[int], *, timeout_s: float = 10.0) -> list[Sample]:
        if journey not in {"buy", "look"}:
            raise UsageError(f"no journey {journey}")
        began = time.time()
        self.walked.append((journey, *seeds))
        await anyio.sleep(self.takes_s)
        return [
            Sample(journey=journey, intended=began, started=began, duration_ms=(time.time() - began) * 1000, ok=True)
        ]


def experiment(*journeys: str, **more: Any) -> Experiment:
    during = Expectation(Expect.FULL, (), latency_s=0.2, success=1.0)
    return Experiment("e", "e", "e.toml", None, (Injection("latency"),), journeys, during, **more)


def walks(walker: Obedient, *journeys: str, rate: float = 50.0) -> Walks:
    return Walks(experiment(*(journeys or ("buy",))), cast("Walker", walker), Path("journeys.py"), 7, rate)


def walked(made: Walks, seconds: float) -> None:
    async def run() -> None:
        async with made.going_on():
            await anyio.sleep(seconds)

    anyio.run(run)


def test_arrivals_come_as_they_come_and_all_are_waited_for() -> None:
    """Each walk takes as long as five arrivals: they overlap, and none is lost at the end."""
    made = walks(Obedient(takes_s=0.1))

    walked(made, 0.5)

    assert len(made.samples) == len(made.walker.walked) >= 5
    assert not made.open


def test_all_journeys_named_are_walked_also_those_that_weigh_nothing() -> None:
    made = walks(Obedient(), "buy", "look")

    walked(made, 0.4)

    assert {s.journey for s in made.samples} == {"buy", "look"}


def test_the_same_seed_gives_the_same_walks() -> None:
    first, second = walks(Obedient(), "buy", "look"), walks(Obedient(), "buy", "look")

    walked(first, 0.3)
    walked(second, 0.3)

    assert first.walker.walked[:5] == second.walker.walked[:5]


def test_a_journey_that_there_is_not_is_told() -> None:
    with pytest.raises(UsageError, match="no journey nobody"):
        walked(walks(Obedient(), "nobody"), 0.3)


def test_slower_walks_come_half_as_often_until_nothing_would_be_learnt() -> None:
    made = walks(Obedient(), rate=2.0)

    assert [made.slow_down(), made.rate, made.slow_down(), made.rate, made.slow_down()] == [True, 1.0, True, 0.5, False]


def test_what_hangs_is_taken_for_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Walks, "timeout_s", property(lambda _: -0.9))
    made = walks(Obedient(takes_s=60.0))

    async def run() -> None:
        began = time.time()
        with anyio.move_on_after(5):
            async with made.going_on():
                await anyio.sleep(0.1)
                await made.collect(began, time.time())
                assert made.samples
                assert all(not s.ok and "no answer within" in s.error for s in made.samples)

    anyio.run(run)


def test_a_fault_lasts_longer_than_an_answer_may_take_at_any_rate() -> None:
    for rate in (0.5, 6.0, 100.0):
        assert fault_s(experiment("buy"), TIMING, rate) >= 0.2 + 1.5 / rate
