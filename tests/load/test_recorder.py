from __future__ import annotations

import random

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from harness.load.recorder import Recorder, Walk, error_kind, nearest_rank
from harness.load.result import LoadResult
from harness.system.drive import Sample
from harness.system.journeys import Step

BEGUN = 1_767_225_600.0


def walk(at: float, ms: float = 10.0, journey: str = "buy", error: str = "", late: float = 0.0, **how: bool) -> Walk:
    sample = Sample(
        journey=journey,
        intended=BEGUN + at,
        started=BEGUN + at + late,
        duration_ms=ms,
        ok=not error,
        error=error,
        trace_id="t" * 32,
        steps=(Step("GET /x", "GET", "http://x", 200, ms, BEGUN + at),),
    )
    return Walk(sample, **how)


def record(*walks: Walk, warmup: float = 0.0, ended: float = 10.0, names: tuple[str, ...] = ("buy",)) -> LoadResult:
    recorder = Recorder(names, begun=BEGUN, warmup_s=warmup)
    for one in walks:
        recorder.add(one)
    return recorder.result(ended=BEGUN + ended, arrival="constant", rate=1.0, seed=1)


def test_walks_of_the_warm_up_are_not_counted_but_shown():
    result = record(walk(0.5, 900), walk(2.5, 10), warmup=2.0)
    assert result.journeys[0].scheduled == 1
    assert result.journeys[0].latency.max == pytest.approx(10, rel=0.001)
    assert result.warmup_walks == 1
    assert result.latency_chart().windows[0].kind == "warmup"
    assert result.latency_chart().series[0].points[0] == (int(BEGUN), 900)


def test_percentiles_match_a_plain_sort_within_the_histogram_precision():
    rng = random.Random(3)
    values = sorted(rng.lognormvariate(4, 1) for _ in range(5000))
    latency = record(*(walk(i * 0.001, ms) for i, ms in enumerate(values))).journeys[0].latency
    for percent, seen in ((50, latency.p50), (95, latency.p95), (99, latency.p99)):
        assert seen == pytest.approx(values[5000 * percent // 100 - 1], rel=0.002)


def test_the_histogram_can_be_read_by_any_hdr_tool():
    latency = record(*(walk(i * 0.01, 5 + i) for i in range(100))).journeys[0].latency
    decoded = HdrHistogram.decode(latency.histogram)
    assert decoded.get_total_count() == 100
    assert decoded.get_value_at_percentile(99) / 1000 == pytest.approx(latency.p99)


def test_a_refused_arrival_counts_as_failed_and_has_no_latency():
    journey = record(walk(1), walk(2, 0, error="not started", refused=True)).journeys[0]
    assert (journey.scheduled, journey.failed, journey.refused, journey.latency.count) == (2, 1, 1, 1)


def test_an_unfinished_walk_counts_as_failed_with_the_time_it_took_so_far():
    journey = record(walk(1), walk(2, 5000, error="not ended", unfinished=True)).journeys[0]
    assert (journey.failed, journey.unfinished) == (1, 1)
    assert journey.latency.max == pytest.approx(5000, rel=0.001)


def test_walks_that_end_after_the_window_lower_the_achieved_rate():
    journey = record(*(walk(i, 100) for i in range(5)), *(walk(5 + i, 20_000) for i in range(5))).journeys[0]
    assert journey.rate_intended == pytest.approx(1.0)
    assert journey.rate_achieved == pytest.approx(0.5)


def test_a_journey_that_never_ran_is_in_the_result():
    result = record(walk(1), names=("buy", "sell"))
    assert [(j.name, j.scheduled) for j in result.journeys] == [("buy", 1), ("sell", 0)]


def test_lateness_of_the_generator_is_kept_apart_from_latency():
    result = record(walk(1, 60, late=0.05))
    assert result.lateness.p99 == pytest.approx(50, rel=0.01)


def test_a_result_survives_its_file(tmp_path):
    result = record(*(walk(i * 0.1, 3 + i) for i in range(20)), walk(3, error="broken"))
    result.write(tmp_path / "load.json")
    assert LoadResult.read(tmp_path / "load.json") == result


def test_failures_that_differ_only_in_ids_are_one_kind():
    kinds = {
        error_kind(Sample(journey="a", intended=0, started=0, duration_ms=0, ok=False, error=f"order {i} is gone"))
        for i in ("0b7e1c52-11", "77", "9a8b7c6d5e4f")
    }
    assert kinds == {"order … is gone"}


def test_a_kind_of_failure_is_told_by_its_first_walk_and_whole(tmp_path):
    result = record(*(walk(i * 0.1, 3, error=f"wanted blue-{i}-horse") for i in range(3)))
    assert [(e.text, e.count) for j in result.journeys for e in j.errors] == [("wanted blue-0-horse", 3)]


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1.0))
def test_nearest_rank_is_a_value_of_the_list_that_enough_values_do_not_exceed(values, quantile):
    ordered = sorted(values)
    chosen = nearest_rank(ordered, quantile)
    assert chosen in ordered
    assert sum(v <= chosen for v in ordered) >= quantile * len(ordered) - 1e-9
