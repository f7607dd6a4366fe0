"""The token buckets of the gateway."""

from hypothesis import given
from hypothesis import strategies as st

from target_system.gateway.limits import RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_let_in_and_then_the_rate():
    clock = Clock()
    limiter = RateLimiter(rate=2, burst=3, clock=clock)
    assert [limiter.take("a") for _ in range(3)] == [0, 0, 0]
    assert limiter.take("a") == 0.5
    clock.now += 0.5
    assert limiter.take("a") == 0
    assert limiter.take("a") == 0.5


def test_clients_do_not_share():
    limiter = RateLimiter(rate=1, burst=1, clock=Clock())
    assert [limiter.take("a"), limiter.take("b")] == [0, 0]
    assert limiter.take("a") > 0


def test_memory_is_bounded_and_the_longest_silent_client_is_forgotten_first():
    limiter = RateLimiter(rate=1, burst=1, max_clients=2, clock=Clock())
    for client in ("a", "b", "a", "c"):  # b is forgotten
        limiter.take(client)
    assert limiter.take("a") > 0
    assert limiter.take("b") == 0


@given(
    rate=st.floats(min_value=0.1, max_value=1000),
    burst=st.integers(min_value=1, max_value=50),
    gaps=st.lists(st.floats(min_value=0, max_value=2), max_size=200),
)
def test_never_more_than_burst_and_rate_allow_and_the_wait_told_is_enough(rate, burst, gaps):
    clock = Clock()
    limiter = RateLimiter(rate, burst, clock=clock)
    admitted = 0
    for gap in gaps:
        clock.now += gap
        wait = limiter.take("a")
        admitted += wait == 0
        assert admitted <= burst + rate * clock.now + 1e-6
    wait = limiter.take("a")
    clock.now += wait + 1e-6
    assert wait == 0 or limiter.take("a") == 0
