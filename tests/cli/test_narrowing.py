"""`--only` and `run --dry`: no filter is passed over, and everything that can be told before a start is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.pipeline.narrowing import keys_of
from harness.pipeline.registry import load_stage, stage_names
from tests.cli.shop import write_shop
from tests.helpers import run_harness

ROOT = Path(__file__).parents[2]
VALUES = {
    "service": "store",
    "edge": "web:store",
    "journey": "look",
    "experiment": "store-down",
    "fault": "refused",
    "interaction": "an item",
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write_shop(tmp_path)


def test_every_stage_of_ours_says_which_keys_narrow_it() -> None:
    assert {name: set(keys_of(load_stage(name))) for name in stage_names()} == {
        "schema": {"service"},
        "consumer": set(),
        "provider": {"service", "edge", "interaction"},
        "fuzz": {"service"},
        "smoke": {"journey"},
        "load": set(),
        "chaos": {"edge", "fault", "experiment", "journey"},
        "synthetic": {"journey"},
    }


@pytest.mark.parametrize("stage", ["schema", "consumer", "provider", "fuzz", "smoke", "load", "chaos", "synthetic"])
def test_a_stage_reads_only_the_keys_it_says(stage: str) -> None:
    folder = {"schema": "contracts/schema", "consumer": "contracts/consumer", "provider": "contracts/provider"}.get(
        stage
    )
    folder = folder or {"smoke": "synthetic"}.get(stage, stage)
    source = "".join(f.read_text(encoding="utf-8") for f in (ROOT / "harness" / folder).rglob("*.py"))

    read = set(re.findall(r'only(?:\.get\(|\[)"(\w+)"', source)) | set(re.findall(r'"(\w+)" in context\.only', source))

    assert read <= set(keys_of(load_stage(stage)))


@pytest.mark.parametrize("stage", ["schema", "consumer", "provider", "fuzz", "smoke", "load", "chaos", "synthetic"])
@pytest.mark.parametrize("key", VALUES)
def test_a_stage_that_is_named_and_does_not_know_a_key_is_a_mistake(shop: Path, stage: str, key: str) -> None:
    if key in keys_of(load_stage(stage)):
        pytest.skip("it knows it")

    from tests.cli.test_mutations import outcome

    code, said = outcome(
        "run", "--dry", stage, "--only", f"{key}={VALUES[key]}", "--config", str(shop / "harness.toml")
    )

    assert code == 2
    assert f"{stage} cannot be narrowed by {key}: it knows " in said
    assert f"--only {key}=... is for " in said


def test_stages_that_are_not_named_are_left_out_with_the_reason(shop: Path) -> None:
    done = run_harness("plan", "--only", "journey=look", cwd=shop)

    assert done.returncode == 0
    assert done.stdout.count("skipped:") == 5
    assert "skipped: load cannot be narrowed by journey: it knows no key at all" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--only journey=lok", 'there is no journey "lok". Did you mean "look"?'),
        ("--only service=web --only service=store", "service is given twice"),
        ("--edge web:store --only edge=web:store", "edge is given twice"),
        ("chaos --edge web:stor", 'there is no edge "web:stor"'),
        ("chaos --fault hnag", 'there is no failure "hnag". Did you mean "hang"?'),
        ("chaos --fault hang+", "is not a pair"),
        ("chaos --edge web:store --fault breaker", "promises no circuit breaker"),
    ],
)
def test_a_value_that_fits_nothing_is_told_before_anything_starts(shop: Path, arguments: str, says: str) -> None:
    done = run_harness("run", *arguments.split(), cwd=shop)

    assert done.returncode == 2
    assert says in done.stderr
    assert not (shop / ".harness").exists()
    assert run_harness("run", "--dry", *arguments.split(), cwd=shop).stderr == done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("provider --only interaction=nope", 3),
        ("chaos --only experiment=nope", 2),
        ("smoke --only journey=nope", 2),
    ],
)
def test_a_value_that_only_a_run_can_look_for_never_passes(shop: Path, arguments: str, code: int) -> None:
    # Journeys that are registered in a way that takes running the file to see.
    (shop / "synthetic/journeys.py").write_text(
        "from harness.system import journey\n\ndef look(user):\n    user.get('/item')\n\njourney(look)\n"
    )

    done = run_harness("run", *arguments.split(), cwd=shop)

    assert done.returncode == code, done.stdout + done.stderr
    assert "nope" in done.stdout + done.stderr


def test_an_experiment_with_a_journey_nobody_wrote_is_told_when_it_is_planned(shop: Path) -> None:
    file = shop / "chaos/store-down.toml"
    file.write_text(file.read_text().replace('"look"', '"lok"'))

    done = run_harness("plan", cwd=shop)

    assert done.returncode == 2
    assert 'chaos/store-down.toml: journeys: there is no journey "lok" in synthetic/journeys.py.' in done.stderr
    assert 'Did you mean "look"?' in done.stderr


@pytest.mark.parametrize(
    "journeys",
    [
        "from harness.system import journey as j\n\n@j(name='look')\ndef other(user): ...\n",
        "from harness.system import journey\n\nfor name in ('look',):\n    journey(name=name)(lambda user: None)\n",
        "from harness.system import journey\nfrom common import *\n\n@journey\ndef other(user): ...\n",
        "from harness.system import journey\nimport more\n\n@journey\ndef other(user): ...\n",
        "from harness.system.journeys import journey\n\n@journey(**{'name': 'look'})\ndef other(user): ...\n",
    ],
    ids=["an alias", "a loop", "a star", "a module of the project", "keywords from elsewhere"],
)
def test_where_it_takes_running_to_see_the_journeys_nothing_is_refused(shop: Path, journeys: str) -> None:
    (shop / "more.py").write_text("from harness.system import journey\n\n@journey\ndef look(user): ...\n")
    (shop / "synthetic/journeys.py").write_text(journeys)

    assert run_harness("plan", cwd=shop).returncode == 0


def test_a_dry_run_plans_and_leaves_nothing(shop: Path) -> None:
    before = sorted(shop.rglob("*"))

    done = run_harness("run", "--dry", "--seed", "3", "--out", "reports", cwd=shop)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == run_harness("plan", cwd=shop).stdout
    assert sorted(shop.rglob("*")) == before


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('["python", "service.py", "store"]', '["pyton"]', 'there is no command "pyton"'),
        ('ready = "/health"', 'redy = "/health"', 'unknown key "redy"'),
        ("[stages.load]", '[[gates]]\nfindings = "load.x"\nmax = 0\n[stages.load]', "would never fire"),
    ],
)
def test_a_dry_run_tells_what_a_run_would(shop: Path, old: str, new: str, says: str) -> None:
    file = shop / "harness.toml"
    file.write_text(file.read_text().replace(old, new, 1))

    done = run_harness("run", "--dry", cwd=shop)

    assert done.returncode == 2
    assert says in done.stderr


def test_a_dry_run_looks_at_the_store(shop: Path) -> None:
    done = run_harness("run", "--dry", "--store", "nonsense", cwd=shop)

    assert done.returncode == 2
    assert "cannot use 'nonsense' as an evidence store" in done.stderr
