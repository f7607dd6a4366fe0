"""The circuit breaker, with a clock of its own."""

import pytest

from target_system.kit.breaker import Breaker, BreakerOpen, Force, State


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return Breaker("neighbour", failures_to_open=3, open_for=1.0, clock=clock)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        with breaker.admit():
            breaker.failed()


def test_opens_only_after_enough_failures_in_a_row(breaker):
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    assert breaker.state is State.CLOSED
    fail(breaker, 1)
    assert breaker.state is State.OPEN
    with pytest.raises(BreakerOpen), breaker.admit():
        pass


def test_half_open_lets_one_probe_through_and_no_second_beside_it(breaker, clock):
    fail(breaker, 3)
    clock.now = 1.0
    assert breaker.state is State.HALF_OPEN
    with breaker.admit():
        with pytest.raises(BreakerOpen), breaker.admit():
            pass
        breaker.succeeded()
    assert breaker.state is State.CLOSED


def test_a_failed_probe_opens_it_for_the_whole_time_again(breaker, clock):
    fail(breaker, 3)
    clock.now = 1.0
    fail(breaker, 1)
    clock.now = 1.9
    assert breaker.state is State.OPEN
    clock.now = 2.0
    assert breaker.state is State.HALF_OPEN


def test_a_probe_that_never_reports_does_not_block_the_next(breaker, clock):
    fail(breaker, 3)
    clock.now = 1.0
    with pytest.raises(RuntimeError), breaker.admit():
        raise RuntimeError
    with breaker.admit():
        breaker.succeeded()
    assert breaker.state is State.CLOSED


def test_can_be_held_open_and_closed_by_hand_and_given_back(breaker):
    breaker.force(Force.OPEN)
    with pytest.raises(BreakerOpen), breaker.admit():
        pass
    breaker.force(Force.CLOSED)
    fail(breaker, 10)
    assert breaker.state is State.CLOSED
    breaker.force(Force.AUTO)
    assert breaker.state is State.CLOSED
    fail(breaker, 3)
    assert breaker.state is State.OPEN
