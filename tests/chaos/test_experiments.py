"""Experiments as files: what is read, what every mistake says, and which experiments are picked."""

# ruff: noqa: E501 - a table of cases is read one case a line
from __future__ import annotations

from pathlib import Path

import pytest

from harness.chaos.experiments import Expect, load_experiments, select
from harness.chaos.settings import ChaosSettings
from harness.errors import ConfigError
from tests.chaos.tiny import HARNESS, experiment
from tests.helpers import write_project


def load(root: Path, text: str, name: str = "one.toml"):
    project = write_project(root, HARNESS.format(env="", runtime=""), {f"chaos/{name}": text})
    return load_experiments(project.system, root)


def test_a_file_becomes_an_experiment_named_after_it(tmp_path: Path) -> None:
    (found,) = load(tmp_path, experiment("latency", "latency = 100, jitter = 20"))

    assert (found.name, found.title, found.file) == ("one", "back latency", "chaos/one.toml")
    assert (found.edge.name, found.fault) == ("front -> back", "latency")
    assert dict(found.faults[0].attributes) == {"latency": 100, "jitter": 20}
    assert (found.during.expect, found.during.statuses, found.during.success) == (Expect.REJECTED, (503,), 0.0)
    assert (found.steady.success, found.steady.p95_s, found.recovery_s) == (1.0, 0.4, 1.0)


@pytest.mark.parametrize("edge", ["front -> back", "front->back", "front:back"])
def test_an_edge_may_be_written_either_way(tmp_path: Path, edge: str) -> None:
    (found,) = load(tmp_path, experiment().replace("front -> back", edge))

    assert found.edge.key == "front:back"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("front -> back", "front -> bakc", 'chaos/one.toml: edge: there is no edge "front -> bakc" in the system. Did you mean "front -> back"? Accepted: front -> back.'),
        ('type = "timeout"', 'type = "timeuot"', 'chaos/one.toml: faults.0.type: found "timeuot". Did you mean "timeout"? Accepted: refused, bandwidth, http_body, http_delay, http_fail_first, http_status, latency, limit_data, reset_peer, slicer, slow_close, timeout.'),
        ("timeout = 0", "timeuot = 0", 'chaos/one.toml: faults.0.attributes.timeuot: timeout has no attribute "timeuot". Did you mean "timeout"? Accepted: timeout.'),
        ("timeout = 0", "timeout = -5", "chaos/one.toml: faults.0.attributes.timeout: found -5. Accepted: 0 or more."),
        ("timeout = 0", 'timeout = "5s"', "chaos/one.toml: faults.0.attributes.timeout: input should be a valid integer, found '5s'."),
        ('expect = "rejected"', 'expect = "rejekted"', """chaos/one.toml: during.expect: found 'rejekted'. Did you mean "rejected"?"""),
        ('latency = "500ms"', 'latency = "500"', "chaos/one.toml: during.latency: must be a duration with a unit"),
        ('success = "100%"', 'success = "150%"', "chaos/one.toml: steady_state.success: must be a share such as 99%"),
        ('journeys = ["read_page"]', "journeys = []", "chaos/one.toml: journeys: tuple should have at least 1 item"),
        ('journeys = ["read_page"]', 'jorneys = ["read_page"]', 'chaos/one.toml: jorneys: unknown key "jorneys". Did you mean "journeys"?'),
        ("[[faults]]", "[[faults]]\ntoxicity = 0", "chaos/one.toml: faults.0.toxicity: input should be greater than 0"),
        ("[during]", "[during", "chaos/one.toml: is not valid TOML"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_key_what_was_found_and_what_is_accepted(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    text = experiment()
    assert before in text

    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text.replace(before, after))

    assert message in str(caught.value)


def test_a_fault_that_would_do_nothing_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"faults.0.attributes.latency: is missing or 0, so the fault would do nothing"
    ):
        load(tmp_path, experiment("latency", "jitter = 3"))


def test_refused_takes_no_attributes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'refused has no attribute "timeout". Accepted: no attributes at all'):
        load(tmp_path, experiment("refused", "timeout = 1"))


def test_faults_above_tcp_take_words_as_well(tmp_path: Path) -> None:
    (found,) = load(
        tmp_path, experiment("http_body", "action = 'set', field = '/price', value = '-1', path = '/items/*'")
    )

    assert dict(found.faults[0].attributes) == {"action": "set", "field": "/price", "value": "-1", "path": "/items/*"}


@pytest.mark.parametrize(
    ("type_", "attributes", "message"),
    [
        ("http_statsu", "status = 503", 'faults.0.type: found "http_statsu". Did you mean "http_status"?'),
        ("http_status", "stauts = 503", 'faults.0.attributes.stauts: http_status has no attribute "stauts". Did you mean "status"? Accepted: path, method, status, body, content_type, retry_after, forward.'),
        ("http_status", "status = 99", "faults.0.attributes: status must be 200 to 599, found 99"),
        ("http_status", "status = 600", "faults.0.attributes: status must be 200 to 599, found 600"),
        ("http_status", "status = '503'", "faults.0.attributes.status: input should be a valid integer, found '503'."),
        ("http_status", "status = true", "faults.0.attributes.status: input should be a valid integer, found True."),
        ("http_status", "body = 5", "faults.0.attributes.body: input should be a valid string, found 5."),
        ("http_status", "retry_after = -1", "faults.0.attributes.retry_after: found -1. Accepted: 0 or more."),
        ("http_status", "forward = 2", "faults.0.attributes: forward must be 0 or 1, found 2"),
        ("http_body", "action = 'dorp'", 'faults.0.attributes: action must be one of drop, set, truncate, malformed, replace, found "dorp". Did you mean "drop"?'),
        ("http_body", "action = 'set', field = '/a', value = 'NaN'", 'faults.0.attributes: value must be JSON text, found "NaN"'),
        ("http_fail_first", "count = 1, by = 'trcae'", 'faults.0.attributes: by must be trace or connection, found "trcae". Did you mean "trace"?'),
        ("http_fail_first", "status = 500", "faults.0.attributes.count: is missing or 0, so the fault would do nothing."),
        ("http_delay", "jitter = 5", "faults.0.attributes.delay: is missing or 0, so the fault would do nothing."),
        ("latency", "latency = [5]", "faults.0.attributes.latency: input should be a valid integer, found [5]."),
    ],
)  # fmt: skip
def test_a_mistake_in_a_fault_above_tcp_names_what_is_accepted(
    tmp_path: Path, type_: str, attributes: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, experiment(type_, attributes))

    assert message in str(caught.value)


def test_two_experiments_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    load(tmp_path, experiment(), "one.toml")

    with pytest.raises(ConfigError, match=r'"one" is already the name of chaos/one.toml'):
        load(tmp_path, experiment(more='name = "one"\n'), "two.toml")


def test_select_keeps_what_was_asked_for(tmp_path: Path) -> None:
    load(tmp_path, experiment(), "one.toml")
    found = load(tmp_path, experiment(), "two.toml")

    assert [e.name for e in select(found, {"experiment": "two"})] == ["two"]
    assert [e.name for e in select(found, {"edge": "front:back"})] == ["one", "two"]
    assert select(found, {"edge": "front -> other"}) == ()


def test_the_full_profile_takes_its_time_and_settings_win() -> None:
    quick, full = ChaosSettings().timing("quick"), ChaosSettings().timing("full")
    own = ChaosSettings.model_validate({"fault": "2s", "rate": 3}).timing("full")

    assert quick.fault < full.fault
    assert quick.before < full.before
    assert (own.fault, own.rate, own.before) == (2, 3, full.before)
