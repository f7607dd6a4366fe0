from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.system.arrivals import ArrivalKind, schedule
from harness.system.journeys import Journey


def journeys(**weights: int) -> tuple[Journey, ...]:
    return tuple(Journey(name, lambda user: None, weight) for name, weight in weights.items())


def first(
    count: int, kind: ArrivalKind = ArrivalKind.CONSTANT, seed: int = 1, rate: float = 20.0, **weights: int
) -> list:
    return list(itertools.islice(schedule(journeys(**(weights or {"a": 1})), rate=rate, kind=kind, seed=seed), count))


@pytest.mark.parametrize("kind", list(ArrivalKind))
def test_the_same_seed_gives_the_same_schedule(kind):
    once, again = first(200, kind, a=3, b=1), first(200, kind, a=3, b=1)
    assert [(x.offset_s, x.journey.name, x.seed) for x in once] == [(x.offset_s, x.journey.name, x.seed) for x in again]


@pytest.mark.parametrize("kind", list(ArrivalKind))
def test_another_seed_gives_another_schedule(kind):
    assert [x.seed for x in first(20, kind, seed=1)] != [x.seed for x in first(20, kind, seed=2)]


def test_constant_arrivals_are_evenly_spaced():
    offsets = [x.offset_s for x in first(1001, rate=20)]
    assert offsets[0] == 0
    assert offsets[1000] == pytest.approx(50.0, abs=1e-9)


def test_poisson_arrivals_keep_the_mean_rate_and_vary():
    offsets = [x.offset_s for x in first(5001, ArrivalKind.POISSON, rate=20)]
    gaps = [b - a for a, b in itertools.pairwise(offsets)]
    mean = sum(gaps) / len(gaps)
    assert mean == pytest.approx(1 / 20, rel=0.05)
    # An exponential distribution's standard deviation equals its mean.
    assert (sum((g - mean) ** 2 for g in gaps) / len(gaps)) ** 0.5 == pytest.approx(mean, rel=0.1)


@given(weights=st.dictionaries(st.sampled_from("abcde"), st.integers(1, 5), min_size=1), seed=st.integers(0, 2**32))
def test_every_deck_holds_each_journey_as_often_as_its_weight(weights, seed):
    deck = sum(weights.values())
    names = [x.journey.name for x in first(3 * deck, seed=seed, **weights)]
    assert Counter(names[deck : 2 * deck]) == weights


def test_a_journey_of_weight_zero_is_not_part_of_the_load():
    assert {x.journey.name for x in first(50, a=1, b=0)} == {"a"}


def test_a_rate_of_zero_is_refused():
    with pytest.raises(ValueError, match="above 0 per second, found 0"):
        schedule(journeys(a=1), rate=0, kind=ArrivalKind.CONSTANT, seed=1)


def test_journeys_without_any_weight_are_refused():
    with pytest.raises(ValueError, match="no journey has a weight"):
        schedule(journeys(a=0), rate=1, kind=ArrivalKind.CONSTANT, seed=1)
