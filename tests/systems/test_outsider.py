"""A system the harness has never seen, from `harness init` to a whole run, as its team would go about it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import HARNESS, run_harness

TICKETING = Path(__file__).with_name("ticketing")
INIT = [
    *("--name", "ticketing"),
    *("--service", "booking=python apps/booking/server.py"),
    *("--service", "seats=python apps/seats/server.py --port {port}"),
    *("--service", "mailer=env LISTEN={port} python apps/mailer/server.py"),
    *("--openapi", "booking=apps/booking/openapi.json", "--openapi", "seats=/api/openapi.json"),
    *("--ready", "booking=/health", "--ready", "seats=/ready"),
    *("--edge", "booking:seats=SEATS_URL", "--edge", "booking:mailer=MAILER_URL"),
]
#: The team's patience is longer than a test's.
HURRY = """
[profiles.quick.stages.fuzz]
max_time = "1s"
[profiles.quick.stages.load]
duration = "3s"
warmup = "1s"
[profiles.quick.stages.synthetic]
rate = "5/s"
duration = "2s"
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The team's repository, `harness init` run in it."""
    folder = tmp_path / "ticketing"
    shutil.copytree(TICKETING, folder, ignore=shutil.ignore_patterns("__pycache__"))
    done = run_harness("init", *INIT, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def run(folder: Path, *more: str, stages: tuple[str, ...] = ()) -> tuple[int, dict[str, Any], str]:
    """Exit code, `result.json`, and what was said."""
    config = folder / "harness.toml"
    config.write_text(config.read_text(encoding="utf-8") + "".join(more) + HURRY, encoding="utf-8")
    done = run_harness("run", *stages, "--out", "out", "--seed", "7", cwd=folder, timeout=280)
    result = folder / "out" / "result.json"
    assert result.is_file(), done.stderr
    return done.returncode, json.loads(result.read_text(encoding="utf-8")), done.stdout + done.stderr


def test_the_starter_runs_at_once_and_stages_that_cannot_run_say_why(checkout: Path) -> None:
    # Load and synthetic checks go the same way in the next test, and take the longest.
    code, result, said = run(checkout, stages=("consumer", "provider", "schema", "fuzz", "smoke"))
    stages = {s["name"]: s for s in result["stages"]}
    assert (code, result["verdict"]) == (3, "inconclusive"), said
    assert "contracts/ holds no consumer tests" in stages["consumer"]["reason"]
    assert "no contract to verify" in stages["provider"]["reason"]
    for name in ("schema", "fuzz", "smoke"):
        assert stages[name]["status"] in {"pass", "warn"}, (name, stages[name])
        assert sum(stages[name]["work"].values()) > 0, name
    # Every stage that did not pass has told the reason, and nothing ends in a traceback.
    assert all(s["reason"] for s in stages.values() if s["status"] != "pass")
    assert "Traceback" not in said
    assert "mailer is not fuzzed: has no OpenAPI document" in said


def test_with_its_suites_named_it_goes_through_all_eight_stages(checkout: Path) -> None:
    additions = (checkout / "additions.toml").read_text(encoding="utf-8")
    code, result, said = run(checkout, additions)
    stages = {s["name"]: s for s in result["stages"]}
    assert code == 0, said
    assert len(stages) == 8
    for name, stage in stages.items():
        assert stage["status"] in {"pass", "warn"}, (name, stage["reason"], stage["findings"])
        assert sum(stage["work"].values()) > 0, name
    assert stages["provider"]["work"]["interactions"] == 3
    assert stages["fuzz"]["work"]["services"] == 2
    assert stages["chaos"]["work"]["experiments"] == 2
    uncovered = [f for f in stages["consumer"]["findings"] if f["place"]["edge"] == "booking -> mailer"]
    assert [f["severity"] for f in uncovered] == ["info"]
    report = (checkout / "out" / "report.html").read_text(encoding="utf-8")
    assert "box-office-7" not in report + json.dumps(result)


def test_its_contract_tests_need_nothing_but_pytest(tmp_path: Path) -> None:
    shutil.copytree(TICKETING, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "agreed"))
    words = [HARNESS[0], "-m", "pytest", "suites/contracts", "-q", "-p", "no:cacheprovider", "--pact-dir", "agreed"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    fresh = json.loads((tmp_path / "agreed" / "booking-seats.json").read_text(encoding="utf-8"))
    committed = TICKETING / "suites" / "contracts" / "agreed" / "booking-seats.json"
    assert fresh == json.loads(committed.read_text(encoding="utf-8"))


def test_it_owes_nothing_to_the_record_shop() -> None:
    shop = re.compile(r"^\s*(from|import)\s+(target_system|contracts|load|chaos|synthetic)\b", re.MULTILINE)
    assert not [f for f in TICKETING.rglob("*.py") if shop.search(f.read_text(encoding="utf-8"))]
