"""The one rule for times: what was promised, what any machine adds, what this one was seen to add."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.chaos.allowance import Taken, all_strained, allowed_s, longest_over, strained
from harness.system.drive import Sample
from harness.system.machine import Added, nothing_added


def adding(seconds: float) -> Added:
    return lambda _start, _end: seconds


def walk(started: float, took_s: float) -> Sample:
    return Sample(journey="j", intended=started, started=started, duration_ms=took_s * 1000, ok=False)


def test_nothing_is_over_where_all_is_within_what_is_allowed() -> None:
    assert longest_over([Taken(0, 0.9, 1.0, "a"), Taken(0, 1.0, 1.0, "b")], nothing_added) is None
    assert longest_over([], nothing_added) is None


def test_what_is_over_by_more_than_the_machine_added_is_not_excused() -> None:
    over = longest_over([Taken(0, 1.5, 1.0, "a"), Taken(0, 3.0, 1.0, "b"), Taken(0, 0.5, 1.0, "c")], adding(0.6))

    assert over is not None
    assert (over.what, over.took_s, over.excused, over.count) == ("b", 3.0, False, 2)


def test_what_is_over_by_less_than_the_machine_added_is_excused() -> None:
    over = longest_over([Taken(0, 1.5, 1.0, "a")], adding(0.6))

    assert over is not None
    assert over.excused


def test_one_that_no_machine_explains_is_told_before_a_longer_one_that_it_does() -> None:
    """The longest wait came while the machine stood still; a shorter one did not."""
    over = longest_over(
        [Taken(0, 9.0, 1.0, "still"), Taken(100, 2.0, 1.0, "slow")], lambda start, _: 8.5 if start < 50 else 0
    )

    assert over is not None
    assert (over.what, over.excused) == ("slow", False)


@pytest.mark.parametrize(
    ("added", "took", "said"), [(0.29, 0.1, False), (0.31, 0.1, True), (0.4, 2.0, False), (0.6, 2.0, True)]
)
def test_a_machine_is_strained_by_a_share_of_a_time_and_a_least(added: float, took: float, said: bool) -> None:
    assert strained(adding(added), 0, took) is said
    assert all_strained(adding(added), [walk(0, took)]) is said


def test_one_walk_that_the_machine_left_alone_is_enough_to_tell() -> None:
    assert not all_strained(lambda start, _: 5.0 if start < 50 else 0, [walk(0, 1), walk(100, 1)])
    assert not all_strained(adding(9), [])


@given(st.floats(0, 1e4), st.floats(0, 1e4))
def test_what_is_allowed_grows_with_what_is_promised(a: float, b: float) -> None:
    assert allowed_s(min(a, b)) <= allowed_s(max(a, b))
    assert allowed_s(a) > a
