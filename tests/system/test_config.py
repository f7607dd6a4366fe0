"""harness.toml: what is read, and what every mistake says."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError, UsageError
from harness.evidence import Quantity
from harness.guard import is_loopback
from harness.system.config import find_config, load_project
from harness.system.fields import StageSettings
from harness.system.model import EdgeKind, OnFailure
from tests.helpers import write_project

MINIMAL = """
[system]
name = "shop"
[services.web]
command = ["python", "-m", "web"]
[services.web.uses.store]
env = "STORE_URL"
budget = "800ms"
attempts = 2
on_failure = "degrade"
[services.web.uses.db]
env = "DATABASE_URL"
[services.store]
command = ["python", "-m", "store"]
[resources.db]
kind = "postgres"
"""


def test_edges_carry_their_resilience_contract(tmp_path: Path) -> None:
    system = write_project(tmp_path, MINIMAL).system

    edge = system.edge("web:store")

    assert edge is not None
    assert edge.contract.budget_s == pytest.approx(0.8)
    assert edge.contract.attempts == 2
    assert edge.contract.on_failure is OnFailure.DEGRADE


def test_use_of_a_resource_is_a_resource_edge(tmp_path: Path) -> None:
    system = write_project(tmp_path, MINIMAL).system

    assert system.edge("web -> db").kind is EdgeKind.RESOURCE  # type: ignore[union-attr]
    assert [e.key for e in system.service_edges()] == ["web:store"]


def test_the_entry_is_the_service_nobody_uses(tmp_path: Path) -> None:
    assert write_project(tmp_path, MINIMAL).system.entry == "web"


@pytest.mark.parametrize(
    ("change", "key", "says"),
    [
        (("[system]", "[sytem]"), "sytem", 'Did you mean "system"'),
        (('command = ["python", "-m", "web"]', 'comand = ["x"]'), "services.web.comand", 'Did you mean "command"'),
        (('command = ["python", "-m", "web"]', 'command = "python -m web"'), "services.web.command", "list of words"),
        (('budget = "800ms"', "budget = 800"), "services.web.uses.store.budget", "800ms, 30s or 2m, found 800"),
        (('budget = "800ms"', 'budget = "-1s"'), "services.web.uses.store.budget", "longer than zero"),
        (("attempts = 2", "attempts = 0"), "services.web.uses.store.attempts", "found 0"),
        (('"degrade"', '"degrad"'), "services.web.uses.store.on_failure", 'Did you mean "degrade"'),
        (("[services.web.uses.store]", "[services.web.uses.stor]"), "services.web.uses.stor", 'Did you mean "store"'),
        (("[services.web.uses.store]", "[services.web.uses.web]"), "services.web.uses.web", "its own neighbour"),
        (("[resources.db]", "[resources.store]"), "resources.store", "already the name of a service"),
        (('name = "shop"', 'name = "shop"\nentry = "wev"'), "system.entry", 'Did you mean "web"'),
        (("[system]", "[runtime]\nkind = 'external'\n[system]"), "services.web.url", "needs to know where it runs"),
        (("[system]", "[[gates]]\nmeasure = 'x'\nmax = '9 parsecs'\n[system]"), "gates.0.max", "400ms"),
    ],
)
def test_a_mistake_is_told_with_key_and_remedy(tmp_path: Path, change: tuple[str, str], key: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        write_project(tmp_path, MINIMAL.replace(*change))

    assert f"harness.toml: {key}" in str(caught.value)
    assert says in str(caught.value)


def test_broken_toml_names_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"not valid TOML.*line 2"):
        write_project(tmp_path, "[system]\nname = \n")


def test_text_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_bytes(b"[system]\nname = '\xff'\n")

    with pytest.raises(ConfigError, match="not UTF-8"):
        load_project(tmp_path / "harness.toml")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="harness init"):
        find_config(tmp_path)


def test_the_file_is_found_from_a_folder_below(tmp_path: Path) -> None:
    write_project(tmp_path, MINIMAL)
    (tmp_path / "a" / "b").mkdir(parents=True)

    assert find_config(tmp_path / "a" / "b") == tmp_path / "harness.toml"


def test_a_profile_overrides_a_stage_setting(tmp_path: Path) -> None:
    toml = MINIMAL + '[stages.smoke]\ntime_limit = "10s"\n[profiles.full.stages.smoke]\ntime_limit = "90s"\n'
    project = write_project(tmp_path, toml)

    assert project.settings("smoke", StageSettings, "quick").time_limit == 10
    assert project.settings("smoke", StageSettings, "full").time_limit == 90


def test_a_stage_switched_off_must_say_why(tmp_path: Path) -> None:
    project = write_project(tmp_path, MINIMAL + "[stages.smoke]\nenabled = false\n")

    with pytest.raises(ConfigError, match=r"stages.smoke.reason.*must say why"):
        project.settings("smoke", StageSettings, "quick")


def test_an_unknown_stage_setting_names_its_table(tmp_path: Path) -> None:
    project = write_project(tmp_path, MINIMAL + "[profiles.full.stages.smoke]\ntimelimit = '1s'\n")

    with pytest.raises(ConfigError, match=r'profiles.full.stages.smoke.timelimit.*Did you mean "time_limit"'):
        project.settings("smoke", StageSettings, "full")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_config_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    root = tmp_path_factory.mktemp("any")
    (root / "harness.toml").write_text(MINIMAL + "\n" + text, encoding="utf-8", errors="replace")

    with contextlib.suppress(ConfigError):  # anything else it raises fails the test
        load_project(root / "harness.toml")


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("400ms", "ms", 400),
        ("2s", "ms", 2000),
        ("1%", "ratio", 0.01),
        ("50/s", "1/s", 50),
        ("3", "count", 3),
        ("60/m", "1/s", 1),
    ],
)
def test_a_quantity_is_converted_to_the_unit_of_the_measure(text: str, unit: str, value: float) -> None:
    assert Quantity.parse(text).in_unit(unit) == pytest.approx(value)


def test_a_quantity_of_another_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match="400ms is a time, the measure is in ratio"):
        Quantity.parse("400ms").in_unit("ratio")


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:80", True),
        ("http://localhost", True),
        ("http://[::1]:1", True),
        ("http://127.0.0.1.evil.example", False),
        ("https://shop.example", False),
        ("http://127.0.0.1@evil.example/", False),
        ("http://0.0.0.0:1", False),
    ],
)
def test_loopback_is_judged_by_the_host_alone(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback
