"""A journey that catches its own failure: that counts all the same, unless what it tried went well in the end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from harness.guard import Answer
from harness.system.journeys import Journey, JourneyFailed, User, run_journey


def walk(function: Callable[[User], None], *statuses: int) -> str:
    left: Iterator[int] = iter(statuses)

    def transport(method: str, url: str, **_: object) -> Answer:
        return Answer(next(left), {}, b"{}", url)

    return run_journey(Journey("j", function), User({"web": "http://127.0.0.1:1"}, "web", transport))


def catches_a_request(user: User) -> None:
    with contextlib.suppress(BaseException):
        user.get("/a")
    user.get("/b")


def catches_a_check(user: User) -> None:
    user.get("/a")
    with contextlib.suppress(JourneyFailed):
        user.check(False, "it holds")


def catches_an_address(user: User) -> None:
    user.get("/a")
    with contextlib.suppress(JourneyFailed):
        user.get("//elsewhere/x")


def waits(user: User) -> None:
    for _ in range(3):
        try:
            status = user.get("/a", expect={200, 202}, name="a").status_code
            user.check(status == 200, f"it is done, not {status}")
        except JourneyFailed:
            continue
        return
    raise JourneyFailed("never done")


@pytest.mark.parametrize(
    ("function", "statuses", "says"),
    [
        (catches_a_request, (500, 200), "GET /a: answered 500, expected 2xx"),
        (catches_a_check, (200,), "it holds"),
        (catches_an_address, (200,), "not sent"),
        (waits, (202, 202, 202), "never done"),
    ],
)
def test_a_failure_that_is_caught_fails_the_walk(
    function: Callable[[User], None], statuses: tuple[int, ...], says: str
) -> None:
    assert says in walk(function, *statuses)


def test_what_goes_well_in_the_end_has_gone_well() -> None:
    assert walk(waits, 500, 202, 200) == ""
