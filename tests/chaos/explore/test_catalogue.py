"""Every kind of failure is made of toxics there are, and fits what the edge promises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.chaos.experiments import REFUSED
from harness.chaos.explore.catalogue import FAILURES, Effect
from harness.chaos.faults import FAULTS
from tests.chaos.explore.scenes import edge


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_made_of_toxics_there_are(name: str) -> None:
    made = FAILURES[name].injections(edge())

    assert made
    assert all(i.type in FAULTS or i.type == REFUSED for i in made)
    assert FAILURES[name].name == name


def test_only_refused_connections_cannot_be_counted() -> None:
    assert [f.name for f in FAILURES.values() if not f.counted] == ["refused"]


def test_what_holds_the_caller_and_what_lets_it_through_is_known() -> None:
    assert {f.name for f in FAILURES.values() if f.holds} == {"hang", "too-slow"}
    assert [f.name for f in FAILURES.values() if f.effect is Effect.HARMLESS] == ["slow"]
    assert [f.name for f in FAILURES.values() if f.effect is Effect.RECOVERS] == ["fails-first"]


@given(st.none() | st.floats(0.05, 60), st.none() | st.integers(1, 9))
def test_slow_leaves_every_attempt_time_and_too_slow_leaves_none(budget: float | None, attempts: int | None) -> None:
    on = edge(budget, attempts)
    whole = 1000 * (1.0 if budget is None else budget)

    [slow], [late] = FAILURES["slow"].injections(on), FAILURES["too-slow"].injections(on)

    assert int(slow.attributes["latency"]) <= whole / (attempts or 1) / 2 + 0.5
    assert int(late.attributes["latency"]) >= whole + 500


@given(st.none() | st.integers(1, 9))
def test_the_last_attempt_that_is_promised_goes_well(attempts: int | None) -> None:
    [first] = FAILURES["fails-first"].injections(edge(attempts=attempts))

    assert first.attributes["count"] == max(1, (attempts or 1) - 1)
