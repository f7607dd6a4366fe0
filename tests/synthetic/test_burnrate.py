"""Burn-rate alerts on a fake clock: a walk a minute over days, and what fires when."""

from __future__ import annotations

import pytest

from harness.synthetic import POLICIES, Event, Slo, Urgency, alerts, burn_rate

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
SLO = Slo(name="s", journey="buy", objective=0.99, latency_s=None, window_s=30 * DAY)


def walks(*, until: float, bad_from: float = 1e18, bad_to: float = 1e18, every: int = 1) -> list[Event]:
    """A walk a minute from 0; in [bad_from, bad_to) every `every`-th is bad."""
    count = int(until / MINUTE)
    return [Event(i * MINUTE, not (bad_from <= i * MINUTE < bad_to and i % every == 0)) for i in range(1, count + 1)]


def thresholds(events: list[Event], now: float, slo: Slo = SLO) -> list[float]:
    return [a.policy.threshold for a in alerts(slo, events, now=now)]


def test_nothing_fires_without_events_or_without_bad_ones():
    assert alerts(SLO, [], now=0) == ()
    assert thresholds(walks(until=4 * DAY), 4 * DAY) == []


def test_the_burn_rate_is_the_bad_share_over_the_allowed_share():
    events = walks(until=HOUR, bad_from=0, every=10)
    assert burn_rate(SLO, events, now=HOUR, window_s=HOUR) == pytest.approx(10)
    assert burn_rate(SLO, events, now=5 * HOUR, window_s=HOUR) is None


def test_a_total_outage_pages_within_minutes():
    outage = 3 * DAY
    events = walks(until=outage + 9 * MINUTE, bad_from=outage)
    assert thresholds(events, outage + 5 * MINUTE) == []
    assert thresholds(events, outage + 9 * MINUTE)[0] == 14.4


def test_the_page_ends_soon_after_the_outage_although_the_long_window_still_burns():
    outage, over = 3 * DAY, 3 * DAY + 20 * MINUTE
    events = walks(until=over + 10 * MINUTE, bad_from=outage, bad_to=over)
    assert 14.4 in thresholds(events, over)
    later = over + 6 * MINUTE
    assert burn_rate(SLO, events, now=later, window_s=HOUR) > 14.4
    assert 14.4 not in thresholds(events, later)


def test_a_blip_of_a_minute_does_not_fire():
    blip = 3 * DAY
    assert thresholds(walks(until=blip + 2 * MINUTE, bad_from=blip, bad_to=blip + MINUTE), blip + 2 * MINUTE) == []


def test_a_slow_burn_makes_a_ticket_and_wakes_nobody():
    # Every 50th walk bad is 2 % bad: twice the allowed 1 %.
    fired = alerts(SLO, walks(until=4 * DAY, bad_from=0, every=50), now=4 * DAY)
    assert [(a.policy.urgency, a.policy.threshold) for a in fired] == [(Urgency.TICKET, 1.0)]


def test_eight_times_the_budget_pages_by_the_six_hour_window():
    events = [Event(i * MINUTE, i % 25 not in (0, 12)) for i in range(1, int(4 * DAY / MINUTE))]
    assert thresholds(events, 4 * DAY - MINUTE) == [6.0, 3.0, 1.0]


def test_windows_scale_with_the_promise():
    week = Slo(name="w", journey="buy", objective=0.99, latency_s=None, window_s=7.5 * DAY)
    outage = DAY
    events = walks(until=outage + 3 * MINUTE, bad_from=outage)
    # A quarter of 30 days: the short window of the page is 75 s instead of 5 min.
    assert 14.4 in thresholds(events, outage + 3 * MINUTE, week)


def test_the_thresholds_are_the_published_ones():
    assert [(p.urgency, p.threshold, p.long_s / HOUR, p.short_s / MINUTE) for p in POLICIES] == [
        ("page", 14.4, 1, 5),
        ("page", 6.0, 6, 30),
        ("ticket", 3.0, 24, 120),
        ("ticket", 1.0, 72, 360),
    ]
