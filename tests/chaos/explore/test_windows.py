"""Calls at an edge are paired with the call they were made for, by trace and time."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from harness.chaos.client import Call
from harness.chaos.explore.windows import Window, windows
from harness.system.drive import Sample
from tests.chaos.explore.scenes import T0, call, sample, step, window


def paired(samples: Sequence[Sample], calls: Sequence[Call], now: float = T0 + 9) -> list[Window]:
    return windows("shop", samples, calls, own="shop:bank", into=["front:shop"], bases={"shop": "http://shop"}, now=now)


def given_at(began: float = T0, took_s: float | None = 0.5, **more: object) -> Call:
    return call(began, took_s, proxy="front:shop", path="/orders", **more)


def test_a_step_of_a_journey_has_the_calls_made_while_it_went_on() -> None:
    mine, late, other = call(T0 + 0.1), call(T0 + 2), call(T0 + 0.1, trace_id="b" * 32)

    [found] = paired([sample(step(503, 0.5))], [late, other, mine])

    assert (found.name, found.status, found.calls) == ("POST /orders", 503, (mine,))
    assert found.took_s == 0.5


def test_a_call_from_a_service_above_has_them_as_well() -> None:
    asked, mine = given_at(), call(T0 + 0.1)

    [found] = paired([sample()], [mine, asked])

    assert (found.calls, found.left) == ((mine,), False)


def test_a_caller_that_repeats_at_once_is_not_charged_with_what_the_next_call_makes() -> None:
    first, second = given_at(T0, 0.1), given_at(T0 + 0.101, 0.1)
    calls = [call(T0 + 0.05, 0.04), call(T0 + 0.102, 0.04)]

    assert [w.calls for w in paired([sample()], [first, second, *calls])] == [(calls[0],), (calls[1],)]


def test_what_is_begun_a_moment_after_the_answer_still_belongs_to_it() -> None:
    late, too_late = call(T0 + 0.105), call(T0 + 0.12)

    [found] = paired([sample()], [given_at(T0, 0.1), late, too_late])

    assert found.calls == (late,)


def test_whoever_left_before_there_was_an_answer_is_known() -> None:
    gone = given_at(status=None, upstream_status=None, ending="gone")
    answered = given_at(T0 + 1, ending="gone")

    assert [w.left for w in paired([sample()], [gone, answered])] == [True, False]


def test_a_call_that_goes_on_ends_at_the_time_of_looking() -> None:
    [found] = paired([sample()], [given_at(took_s=None)], now=T0 + 3)

    assert found.ended == T0 + 3


def test_a_step_to_another_service_is_no_call_of_this_one_and_no_query_is_kept() -> None:
    elsewhere = dataclasses.replace(step(), url="http://shopping/orders")
    asked = dataclasses.replace(step(), url="http://shop/orders?page=2")

    assert [w.path for w in paired([sample(elsewhere, asked)], [])] == ["/orders"]


def test_the_same_method_path_and_key_is_the_same_wish() -> None:
    same, again = call(), call(T0 + 1)
    others = [call(method="PUT"), call(path="/refunds"), call(idempotency_key="other")]

    assert list(window(same, again, *others).wanted().values()) == [(same, again), *((o,) for o in others)]


def test_a_wait_lasts_from_the_first_call_to_the_end_of_the_last() -> None:
    assert [round(w, 3) for w, _ in window(call(T0, 0.1), call(T0 + 0.5, 0.2)).waits(T0 + 9)] == [0.7]
    assert [w for w, _ in window(call(T0, None)).waits(T0 + 9)] == [9]


_MOMENTS = st.lists(st.floats(T0, T0 + 1), max_size=8)


@given(_MOMENTS, _MOMENTS)
def test_no_call_is_made_up_and_each_that_began_within_a_window_is_in_one(
    inside: list[float], own: list[float]
) -> None:
    calls = [call(at, 0.01, id=n) for n, at in enumerate(own)]
    found = paired([sample()], [*calls, *(given_at(at, 0.1) for at in inside)])

    assert {c.id for w in found for c in w.calls} >= {
        c.id for c in calls if any(at <= c.began <= at + 0.1 for at in inside)
    }
    assert all(w.began - 0.011 <= c.began <= w.ended + 0.011 for w in found for c in w.calls)


def test_keys_are_told_apart_by_what_they_were_sent_for_and_calls_without_one_are_left_out() -> None:
    first, again, other = (call(T0 + n, idempotency_key=key) for n, key in enumerate("aab"))
    elsewhere = call(T0 + 3, path="/refunds", idempotency_key="c")

    keys = window(first, again, other, elsewhere, call(T0 + 4, idempotency_key="")).keys()

    assert keys == {("POST", "/charges"): (first, other), ("POST", "/refunds"): (elsewhere,)}
