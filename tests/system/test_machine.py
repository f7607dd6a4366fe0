"""What the machine adds: real processes that wait for a processor, and clocks that do what they like."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from harness.system import machine as module
from harness.system.machine import Machine, nothing_added, watched

BUSY = "import time\nend = time.time() + 30\nwhile time.time() < end: pass"
on_linux = pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="nobody says how long threads waited")


class Clocks:
    """Both clocks, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.steady = 1_000_000.0, 50.0
        monkeypatch.setattr(module.time, "time", lambda: self.wall)
        monkeypatch.setattr(module.time, "monotonic", lambda: self.steady)

    def go(self, seconds: float, *, jump: float = 0.0) -> None:
        self.wall += seconds + jump
        self.steady += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


@contextmanager
def started(*argv: str) -> Iterator[int]:
    process = subprocess.Popen(argv, start_new_session=True)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


@on_linux
def test_processes_that_share_a_processor_are_seen_to_wait_for_it() -> None:
    """Two that both want the same processor all the time get half of it each: together they wait one second a second."""
    busy = ("taskset", "-c", "0", sys.executable, "-c", BUSY)

    async def watch(*pids: int) -> float:
        async with watched(lambda: pids) as machine:
            await anyio.sleep(1.0)
            began = time.time()
            await anyio.sleep(1.0)
            return machine.added_s(began, time.time())

    with started(*busy) as one, started(*busy) as other:
        assert anyio.run(watch, one, other) > 0.5


@on_linux
def test_what_a_session_waited_is_told_apart_from_what_others_did() -> None:
    busy = ("taskset", "-c", "0", sys.executable, "-c", BUSY)
    idle = (sys.executable, "-c", "import time; time.sleep(30)")
    with started(*busy) as one, started(*busy) as other, started(*idle) as idler:
        machine = Machine(lambda: (one, other, idler))
        machine.look()
        time.sleep(1.0)
        began = time.time()
        machine.look()
        time.sleep(1.0)
        ended = time.time()

        both = machine.added_s(began, ended, {one, other})
        assert both > 0.5
        assert machine.added_s(began, ended, {idler}) < both / 2
        assert machine.added_s(began, ended, ()) < both / 2


@on_linux
def test_one_that_sleeps_waits_for_nothing() -> None:
    with started(sys.executable, "-c", "import time; time.sleep(30)") as sleeper:
        time.sleep(1.0)
        machine = Machine(lambda: [sleeper])
        machine.look()
        time.sleep(0.5)

        assert sum(machine._waited_since().values()) < 0.05


def test_what_went_on_between_two_looks_counts_whole(clocks: Clocks) -> None:
    machine = Machine(list)
    for seconds in (0.0, 0.1, 1.1, 0.1):  # one look came a second late
        clocks.go(seconds)
        machine.look()
    end = clocks.wall

    assert machine.added_s(end - 1.2, end) == pytest.approx(1.0)
    assert machine.added_s(end - 0.8, end - 0.4) == pytest.approx(1.0)
    assert machine.added_s(end - 0.05, end) == pytest.approx(0)
    assert machine.added_s(end, end - 5) == 0


@pytest.mark.parametrize("jump", [-3600.0, -0.5, 0.5, 86_400.0])
def test_a_clock_that_jumps_leaves_whatever_it_touches_in_doubt(clocks: Clocks, jump: float) -> None:
    machine = Machine(list)
    machine.look()
    began = clocks.wall
    clocks.go(0.1, jump=jump)
    machine.look()
    ended = clocks.wall
    for _ in range(3):
        clocks.go(0.1)
        machine.look()

    assert machine.added_s(min(began, ended), max(began, ended)) >= abs(jump) - 0.2
    after = max(began, ended) + 10
    clocks.wall = max(clocks.wall, after)
    machine.look()
    assert machine.added_s(after + 1, after + 2) == 0


def test_a_machine_that_was_suspended_excuses_what_went_on_meanwhile(clocks: Clocks) -> None:
    machine = Machine(list)
    machine.look()
    began = clocks.wall
    clocks.go(0.1, jump=300.0)  # the steady clock stands still meanwhile
    machine.look()

    assert machine.added_s(began, clocks.wall) >= 299


def test_processes_that_are_gone_are_no_problem() -> None:
    machine = Machine(lambda: [2**22 + 1])
    machine.look()
    machine.look()

    assert machine.added_s(0, time.time()) >= 0


def test_before_anything_was_seen_nothing_was_added() -> None:
    assert Machine(list).added_s(0, 1) == 0
    assert nothing_added(0, 1e9) == 0
