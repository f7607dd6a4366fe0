from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.synthetic import Compliance, Event, Slo, compliance, load_slos

GOOD = '[[slos]]\nname = "a"\njourney = "buy"\nobjective = "99.5%"\nlatency = "300ms"\nwindow = "7d"\n'


def slo(objective: float = 0.99, latency_s: float | None = None) -> Slo:
    return Slo(name="s", journey="buy", objective=objective, latency_s=latency_s, window_s=30 * 86400)


def load(tmp_path, text):
    (tmp_path / "slos.toml").write_text(text)
    return load_slos(tmp_path / "slos.toml")


def test_a_file_of_objectives_is_read(tmp_path):
    (one,) = load(tmp_path, GOOD)
    assert (one.name, one.journey, one.latency_s, one.window_s) == ("a", "buy", 0.3, 7 * 86400)
    assert one.objective == pytest.approx(0.995)


def test_no_file_means_no_objectives(tmp_path):
    assert load_slos(tmp_path / "slos.toml") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            GOOD.replace("objective", "objektive"),
            'slos.0.objektive: unknown key "objektive". Did you mean "objective"?',
        ),
        (GOOD.replace('"99.5%"', '"100%"'), "slos.0.objective: must be a percentage above 0% and below 100%"),
        (GOOD.replace('"99.5%"', "0.995"), "found 0.995"),
        (GOOD.replace('"300ms"', '"fast"'), "slos.0.latency: "),
        (GOOD.replace('"7d"', '"7"'), "slos.0.window: must be a duration with a unit"),
        (GOOD.replace('journey = "buy"\n', ""), "slos.0.journey: is missing."),
        (GOOD + GOOD, 'the name "a" is used twice'),
        ("slos = []", "slos: "),
        ("[[slos]", "is not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_one_message_with_its_key(tmp_path, text, said):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith("slos.toml")
    assert said in str(caught.value)


def test_a_walk_is_good_when_it_succeeds_in_time():
    fast = slo(latency_s=0.3)
    assert fast.good(True, 300)
    assert not fast.good(True, 300.1)
    assert not fast.good(False, 1)
    assert slo().good(True, 1e9)


def test_budget_and_burn_rate_of_a_run():
    seen = compliance(slo(0.99), [Event(i, good=i >= 2) for i in range(100)])
    assert (seen.total, seen.bad, seen.ratio) == (100, 2, 0.98)
    assert seen.burn_rate == pytest.approx(2)
    assert seen.budget_remaining == pytest.approx(-1)
    assert not seen.met


def test_one_bad_walk_of_few_may_be_bad_luck():
    seen = Compliance(slo=slo(0.99), total=20, bad=1)
    assert seen.luck == pytest.approx(1 - 0.99**20)
    assert not seen.met
    assert not seen.broken


def test_many_bad_walks_are_not_bad_luck():
    assert Compliance(slo=slo(0.99), total=20, bad=4).broken


def test_a_kept_promise_is_not_broken():
    seen = Compliance(slo=slo(0.95), total=100, bad=5)
    assert seen.met
    assert not seen.broken


@given(objective=st.floats(0.5, 0.9999), total=st.integers(1, 300), data=st.data())
def test_more_bad_walks_are_never_more_likely(objective, total, data):
    bad = data.draw(st.integers(0, total - 1))
    fewer, more = (Compliance(slo=slo(objective), total=total, bad=b).luck for b in (bad, bad + 1))
    assert 0 <= more <= fewer + 1e-9
    assert fewer <= 1
