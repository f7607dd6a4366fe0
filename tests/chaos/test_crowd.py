"""As many copies are at work as the machine feeds."""

from __future__ import annotations

from typing import cast

import anyio
import pytest

from harness.chaos import crowd as module
from harness.chaos.crowd import Crowd, wanted
from harness.system.machine import Machine


class Waiting:
    """A machine on which processes wait so long in each second."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def added_s(self, start: float, end: float) -> float:
        return self.seconds * (end - start)


@pytest.mark.parametrize(
    ("now", "waiting", "then"),
    [(1, 0.0, 2), (4, 0.0, 4), (2, 2.0, 2), (3, 3.1, 2), (1, 99.0, 1), (4, 99.0, 3), (2, 1.4, 3)],
)
def test_there_is_one_more_where_there_is_room_and_one_less_where_there_is_none(
    now: int, waiting: float, then: int
) -> None:
    assert wanted(now, 4, waiting, processors=2) == then


def numbers_at_work(machine: Waiting | None, seconds: float = 0.3) -> set[int]:
    """Which of four copies were let in within a time."""
    crowd, found = Crowd(4, cast("Machine | None", machine)), set()

    async def copy(number: int) -> None:
        if await crowd.has_room(number, lambda: False):
            found.add(number)

    async def run() -> None:
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(crowd.watch)
                for number in range(4):
                    tasks.start_soon(copy, number)

    anyio.run(run)
    return found


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PERIOD_S", 0.02)


def test_on_a_machine_that_has_room_all_come_in_time() -> None:
    assert numbers_at_work(Waiting(0.0)) == {0, 1, 2, 3}


def test_on_a_machine_that_has_none_one_goes_on_alone() -> None:
    assert numbers_at_work(Waiting(1000.0)) == {0}


def test_where_nobody_watches_all_are_at_work_at_once() -> None:
    assert numbers_at_work(None, 0.05) == {0, 1, 2, 3}


def test_whoever_rests_goes_home_when_nothing_is_left() -> None:
    async def run() -> bool:
        with anyio.fail_after(5):
            return await Crowd(4, cast("Machine", Waiting(0.0))).has_room(3, lambda: True)

    assert anyio.run(run) is False
