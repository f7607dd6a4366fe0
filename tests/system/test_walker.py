"""Journeys walked on command, by a real child: many at once, from several files, and whatever can go wrong."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import anyio
import psutil
import pytest

from harness.errors import InfrastructureError, UsageError
from harness.system import walker as module
from harness.system.walker import Known, Walker, walker

T = TypeVar("T")

JOURNEYS = """
import threading
from harness.system import User, journey

together = threading.Barrier(8)

@journey(weight=3)
def count(user: User) -> None:
    print("told to the log")
    user.check(user.rng.random() < 2, "never")

@journey(entry="other")
def meet(user: User) -> None:
    together.wait(20)

@journey
def fail(user: User) -> None:
    user.check(False, "this is wrong")

@journey
def never_end(user: User) -> None:
    threading.Event().wait()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "journeys.py"
    path.write_text(JOURNEYS)
    return path


async def _with(root: Path, body: Callable[[Walker], Awaitable[T]]) -> T:
    async with walker(base_urls={"shop": "http://127.0.0.1:9"}, entry="shop", root=root, log=root / "log") as walks:
        with anyio.fail_after(50):
            return await body(walks)


def test_the_journeys_of_a_file_are_told_in_the_order_written(file: Path) -> None:
    async def body(walks: Walker):
        return await walks.known(file)

    assert anyio.run(_with, file.parent, body) == (
        Known(name="count", weight=3),
        Known(name="meet", weight=1, entry="other"),
        Known(name="fail", weight=1),
        Known(name="never_end", weight=1),
    )


def test_as_many_as_are_asked_for_are_walked_at_once(file: Path) -> None:
    async def body(walks: Walker):
        return await walks.walk(file, "meet", range(8))

    samples = anyio.run(_with, file.parent, body)

    assert [s.ok for s in samples] == [True] * 8
    assert len({s.trace_id for s in samples}) == 8


def test_more_than_can_be_walked_at_once_wait_and_none_is_lost(file: Path) -> None:
    async def body(walks: Walker):
        return await walks.walk(file, "count", range(200))

    samples = anyio.run(_with, file.parent, body)

    assert len(samples) == 200
    assert all(s.ok for s in samples)
    assert "told to the log" in (file.parent / "log").read_text()


def test_a_journey_that_fails_is_a_sample_that_says_why(file: Path) -> None:
    async def body(walks: Walker):
        return await walks.walk(file, "fail", [1])

    [sample] = anyio.run(_with, file.parent, body)

    assert (sample.ok, sample.error) == (False, "this is wrong")


def test_one_child_walks_journeys_of_several_files_side_by_side(file: Path) -> None:
    other = file.with_name("others.py")
    other.write_text("from harness.system import User, journey\n@journey\ndef count(user: User) -> None: ...\n")
    found = {}

    async def body(walks: Walker) -> None:
        async def walk(path: Path, times: int) -> None:
            found[path.name] = await walks.walk(path, "count", range(times))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(walk, file, 5)
            tasks.start_soon(walk, other, 3)

    anyio.run(_with, file.parent, body)

    assert {name: len(samples) for name, samples in found.items()} == {"journeys.py": 5, "others.py": 3}


def test_a_journey_there_is_not_is_told_and_the_child_goes_on(file: Path) -> None:
    async def body(walks: Walker):
        with pytest.raises(UsageError, match=r"cuont.*count"):
            await walks.walk(file, "cuont", [1])
        return await walks.walk(file, "count", [1])

    assert len(anyio.run(_with, file.parent, body)) == 1


@pytest.mark.parametrize(
    "text", ["def broken(:\n", "raise RuntimeError('at import')\n", "import there_is_no_such_module\n"]
)
def test_a_file_that_cannot_be_used_is_told_with_its_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(text)

    async def body(walks: Walker) -> None:
        with pytest.raises(UsageError, match=r"wrong\.py"):
            await walks.known(tmp_path / "wrong.py")

    anyio.run(_with, tmp_path, body)


def test_a_child_that_is_killed_is_told_at_once_and_then_again(file: Path) -> None:
    async def body(walks: Walker) -> None:
        async with anyio.create_task_group() as tasks:

            async def kill() -> None:
                await walks.known(file)
                os.kill(walks._process.pid, signal.SIGKILL)

            tasks.start_soon(kill)
            with pytest.raises(InfrastructureError, match=r"has ended before never_end had"):
                await walks.walk(file, "never_end", [1])
        with pytest.raises(InfrastructureError, match=r"the journeys' process has ended"):
            await walks.walk(file, "count", [1])

    began = time.monotonic()
    anyio.run(_with, file.parent, body)
    assert time.monotonic() - began < 15


def test_a_journey_that_never_ends_is_given_up_and_its_process_ends(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_START_S", 3.0)
    pids = []

    async def body(walks: Walker) -> None:
        pids.append(walks._process.pid)
        await walks.known(file)
        with pytest.raises(InfrastructureError, match=r"took over 4 s"):
            await walks.walk(file, "never_end", [1], timeout_s=0.1)
        assert len(await walks.walk(file, "count", [1])) == 1

    anyio.run(_with, file.parent, body)

    assert not psutil.pid_exists(pids[0])
