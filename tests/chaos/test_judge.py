"""Judging samples: pure functions, so every case is a few values."""

from __future__ import annotations

import math

import pytest

from harness.chaos.experiments import Expect, Expectation, SteadyState
from harness.chaos.judge import BreachKind, breaches, holds, late, p95_s, recovered_at, success_ratio
from harness.system.drive import Sample
from harness.system.journeys import Step

REJECTED = Expectation(Expect.REJECTED, (503,), latency_s=1.0, success=0.0)
FULL = Expectation(Expect.FULL, (), latency_s=1.0, success=0.9)


def walk(*statuses: int, at: float = 0.0, ms: float = 10.0, failed: bool = False) -> Sample:
    """A walk whose steps were answered so; 2xx is what the journey expected."""
    steps = tuple(
        Step("GET /", "GET", "http://x/", s, ms, at, "" if 200 <= s < 300 else f"answered {s}") for s in statuses
    )
    bad = failed or any(step.error for step in steps)
    return Sample(
        journey="j", intended=at, started=at, duration_ms=ms, ok=not bad, steps=steps, error="e" if bad else ""
    )


def kinds(samples, expected) -> list[BreachKind]:
    return [b.kind for b in breaches(samples, expected)]


def test_an_allowed_refusal_in_time_is_no_breach() -> None:
    assert kinds([walk(503), walk(200, 503), walk(200)], REJECTED) == []


def test_another_status_is_a_breach_with_that_status() -> None:
    (breach,) = breaches([walk(503), walk(500)], REJECTED)

    assert (breach.kind, breach.worst, len(breach.samples)) == (BreachKind.STATUS, 500, 1)


def test_no_answer_and_a_slow_one_are_breaches_with_the_time_waited() -> None:
    found = breaches([walk(0, ms=2000), walk(503, ms=1500), walk(503, ms=1700)], REJECTED)

    assert [(b.kind, b.worst) for b in found] == [(BreachKind.NO_ANSWER, 2.0), (BreachKind.SLOW, 1.7)]


def test_a_walk_that_fails_without_a_refusal_is_a_breach() -> None:
    assert kinds([walk(200, failed=True)], REJECTED) == [BreachKind.FAILED]


def test_a_share_of_failures_is_allowed_but_never_a_500() -> None:
    good = [walk(200)] * 9

    assert kinds([*good, walk(404)], FULL) == []
    assert kinds([*good, walk(404), walk(404)], FULL) == [BreachKind.RATIO]
    assert kinds([*good, walk(500)], FULL) == [BreachKind.STATUS]


def test_recovery_is_the_first_of_a_row_of_good_walks() -> None:
    steady = SteadyState(p95_s=0.5)
    samples = [
        walk(200, at=1),
        walk(503, at=2),
        walk(200, at=3, ms=900),
        walk(200, at=4),
        walk(200, at=5),
        walk(200, at=6),
    ]

    assert recovered_at(samples, lifted=0.5, steady=steady, consecutive=3) == 4
    assert recovered_at(samples, lifted=4.5, steady=steady, consecutive=3) is None
    assert recovered_at(reversed(samples), lifted=0.5, steady=steady, consecutive=1) == 1


def test_nothing_is_no_steady_state() -> None:
    assert not holds([], SteadyState())
    assert math.isnan(success_ratio([]))
    assert math.isnan(p95_s([]))


def busy(_start: float, _end: float) -> float:
    return 60.0


def test_what_the_machine_may_have_made_slow_is_excused_and_a_status_never_is() -> None:
    samples = [walk(200, ms=3000), walk(500), walk(0, ms=5000)]

    assert [(b.kind, b.excused) for b in breaches(samples, FULL, busy)] == [
        (BreachKind.NO_ANSWER, True),
        (BreachKind.SLOW, True),
        (BreachKind.STATUS, False),
    ]
    assert not any(b.excused for b in breaches(samples, FULL))


def test_a_share_that_failed_is_excused_only_when_the_machine_had_to_do_with_each() -> None:
    failed = [walk(404, at=t) for t in (0.0, 100.0)]

    assert [b.excused for b in breaches(failed, FULL, busy)] == [True]
    assert [b.excused for b in breaches(failed, FULL, lambda start, _: 60.0 if start < 50 else 0.0)] == [False]


STEADY = SteadyState(1.0, 0.5)


@pytest.mark.parametrize(
    ("recovery_s", "said"),
    [(0.5, None), (2.0, None), (2.5, "took 2.5 s to recover"), (None, "did not recover within 7.0 s")],
)
def test_a_recovery_that_is_late_is_told_with_its_time(recovery_s: float | None, said: str | None) -> None:
    after = [walk(200, at=100.0, ms=2000), walk(200, at=106.0, ms=1000)]

    found = [*late(after, 100.0, recovery_s, within_s=2.0, steady=STEADY)]

    assert [b.text for b in found] == ([said] if said else [])
    assert not any(b.excused for b in found)
    assert all(b.excused for b in late(after, 100.0, recovery_s, within_s=2.0, steady=STEADY, added=busy))
