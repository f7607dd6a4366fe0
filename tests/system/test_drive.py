"""The driver's schedule: which journeys are walked, in what order, how often."""

from __future__ import annotations

from collections import Counter

from harness.system.drive import DriveSpec, arrivals
from harness.system.journeys import Journey


def journeys(**weights: int) -> tuple[Journey, ...]:
    return tuple(Journey(name, lambda user: None, weight) for name, weight in weights.items())


def names(spec_names: tuple[str, ...] = (), rate: float = 10.0, **weights: int) -> list[str]:
    spec = DriveSpec(journeys_file="j.py", base_urls={}, entry="x", names=spec_names, rate=rate, duration_s=2.0, seed=4)
    return [j.name for _, j, _ in arrivals(journeys(**weights), spec)]


def test_without_a_rate_each_journey_is_walked_once_in_order_whatever_its_weight():
    assert names(rate=0, b=3, a=1, c=0) == ["b", "a", "c"]


def test_with_a_rate_journeys_are_walked_as_often_as_their_weight_says():
    assert Counter(names(a=3, b=1)) == {"a": 15, "b": 5}


def test_a_journey_of_weight_zero_is_walked_when_it_is_named():
    assert set(names(a=1, b=0)) == {"a"}
    assert set(names(("b",), b=0)) == {"b"}


def test_journeys_that_all_have_weight_zero_are_walked_alike():
    assert Counter(names(a=0, b=0)) == {"a": 10, "b": 10}
