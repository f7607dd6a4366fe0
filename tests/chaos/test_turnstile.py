"""Copies are at work at once; whoever repeats what seemed slow is alone meanwhile, and nobody waits for ever."""

from __future__ import annotations

from functools import partial

import anyio
import pytest

from harness.chaos.turnstile import Turnstile


class Crowd:
    """Who is at work, and how many there were at once."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.seen: dict[str, set[int]] = {}

    async def work(self, name: str, turnstile: Turnstile, *, alone: bool = False) -> None:
        async with turnstile.alone() if alone else turnstile.among_others():
            self.inside.append(name)
            for _ in range(3):
                for one in self.inside:
                    self.seen.setdefault(one, set()).add(len(self.inside))
                await anyio.sleep(0.002)
            self.inside.remove(name)


def test_many_are_at_work_at_once_and_one_who_wants_to_be_alone_is() -> None:
    crowd = Crowd()

    async def run() -> None:
        turnstile = Turnstile()
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                for n in range(4):
                    tasks.start_soon(crowd.work, f"first {n}", turnstile)
                tasks.start_soon(partial(crowd.work, "alone", turnstile, alone=True))
                for n in range(4):
                    tasks.start_soon(crowd.work, f"later {n}", turnstile)
                tasks.start_soon(partial(crowd.work, "alone too", turnstile, alone=True))

    anyio.run(run)
    assert len(crowd.seen) == 10
    assert max(crowd.seen["first 0"]) > 1
    assert crowd.seen["alone"] == crowd.seen["alone too"] == {1}


@pytest.mark.parametrize("alone", [False, True])
def test_one_who_is_cancelled_keeps_nobody_out(alone: bool) -> None:
    crowd = Crowd()

    async def run() -> None:
        turnstile = Turnstile()
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(partial(crowd.work, "gone", turnstile, alone=alone))
                tasks.start_soon(partial(crowd.work, "gone before it was in", turnstile, alone=True))
                await anyio.sleep(0.001)
                tasks.cancel_scope.cancel()
            await crowd.work("last", turnstile, alone=True)

    anyio.run(run)
    assert "last" in crowd.seen
