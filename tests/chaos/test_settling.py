"""What seems broken is tried once more, and only what is broken both times is broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import anyio
import pytest

from harness.chaos.explore.judging import Broken, Kind
from harness.chaos.settling import Settler, Tried
from harness.chaos.turnstile import Turnstile
from harness.system.drive import Sample

LATE, ODD = Broken(Kind.BUDGET, "late"), Broken(Kind.ANSWER, "odd", key="shop:500")


@dataclass(frozen=True)
class Seen:
    tried: bool = True
    number: int = 0
    recovery_s: float | None = None
    invariants: Sequence[Sample] = ()


def settled(*tries: tuple[Sequence[Broken], bool]) -> tuple[int, tuple[Broken, ...], tuple[Broken, ...], list[str]]:
    """Settle what comes out like this when tried; with what was done in between."""
    left, done = list(enumerate(tries)), []

    async def attempt() -> tuple[Seen, list[Broken]]:
        number, (broken, hit) = left.pop(0)
        done.append("tried")
        return Seen(hit, number), list(broken)

    async def mend(seen: Tried) -> None:
        assert isinstance(seen, Seen)
        done.append(f"mended {seen.number}")

    async def run() -> tuple[Seen, tuple[Broken, ...], tuple[Broken, ...]]:
        return await Settler(mend).settle(attempt, lambda: done.append("repeated"))

    seen, broken, doubtful = anyio.run(run)
    return seen.number, broken, doubtful, done


def test_what_holds_is_tried_once() -> None:
    assert settled(((), True)) == (0, (), (), ["tried"])


def test_what_is_broken_twice_is_broken_and_what_is_once_is_doubtful() -> None:
    number, broken, doubtful, done = settled(((LATE, ODD), True), ((LATE,), True))

    assert (number, broken, doubtful) == (1, (LATE,), (ODD,))
    assert done == ["tried", "repeated", "mended 0", "tried"]


def test_what_is_seen_only_when_tried_again_is_doubtful_too() -> None:
    _, broken, doubtful, _ = settled(((LATE,), True), ((ODD,), True))

    assert (broken, doubtful) == ((), (LATE, ODD))


def test_two_of_one_kind_are_told_apart_by_their_key() -> None:
    _, broken, doubtful, _ = settled(((ODD,), True), ((Broken(Kind.ANSWER, "odd", key="bank:500"),), True))

    assert broken == ()
    assert len(doubtful) == 2


def test_the_last_try_is_shown_unless_it_met_nobody() -> None:
    assert settled(((LATE,), True), ((), True))[0::2] == (1, (LATE,))
    assert settled(((LATE,), True), ((), False))[0::2] == (0, (LATE,))


def test_what_met_nobody_is_tried_once_more() -> None:
    assert settled(((), False), ((), True)) == (1, (), (), ["tried", "mended 0", "tried"])
    assert settled(((), False), ((), False)) == (1, (), (), ["tried", "mended 0", "tried"])


def test_what_the_last_try_left_behind_is_mended_before_the_next_thing_is_tried() -> None:
    mended = []

    async def mend(seen: Tried) -> None:
        mended.append(seen)

    async def attempt() -> tuple[Seen, list[Broken]]:
        return Seen(), []

    async def run() -> None:
        settler = Settler(mend)
        await settler.settle(attempt, lambda: None)
        assert mended == []
        await settler.settle(attempt, lambda: None)

    anyio.run(run)

    assert mended == [Seen()]


UNSURE = replace(LATE, excused=True)


def test_what_the_machine_excuses_even_alone_is_tried_once_more_and_then_left_open() -> None:
    number, broken, doubtful, done = settled(((UNSURE,), True), ((UNSURE,), True), ((UNSURE,), True))

    assert (number, broken, doubtful) == (2, (), (UNSURE,))
    assert done.count("tried") == 3


def test_what_only_a_crowd_excused_is_broken_when_it_is_so_alone() -> None:
    _, broken, doubtful, done = settled(((UNSURE,), True), ((LATE,), True))

    assert (broken, doubtful, done.count("tried")) == ((LATE,), (), 2)


def test_what_can_be_told_at_the_last_try_is_told() -> None:
    _, broken, doubtful, _ = settled(((LATE,), True), ((UNSURE, ODD), True), ((LATE,), True))

    assert (broken, doubtful) == ((LATE,), ())


@pytest.mark.parametrize(("broken", "crowd"), [(LATE, [True, False]), (ODD, [True, False])])
def test_what_seemed_broken_is_repeated_alone(broken: Broken, crowd: list[bool]) -> None:
    """Whether another copy could begin while each try went on."""
    seen: list[bool] = []

    async def run() -> None:
        turnstile = Turnstile()

        async def attempt() -> tuple[Seen, list[Broken]]:
            with anyio.move_on_after(0.05) as scope:
                async with turnstile.among_others():
                    pass
            seen.append(not scope.cancelled_caught)
            return Seen(), [broken]

        async def mend(_: Tried) -> None:
            pass

        await Settler(mend, turnstile).settle(attempt, lambda: None)

    anyio.run(run)
    assert seen == crowd
