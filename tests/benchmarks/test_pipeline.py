"""The whole pipeline on the record shop: how long, how much memory, and how that compares with doing it by hand.

"By hand" is one tool after another at the same settings, each with the system started for it: plain `pytest` for the
consumers, and for everything else the stage alone with one job, which starts the same tools with the same options as one
would in a shell. Absolute times mean something on an idle machine only; the ratio also on a busy one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import HARNESS

ROOT = Path(__file__).parents[2]
STAGES_BY_HAND = ("schema", "provider", "fuzz", "smoke", "load", "chaos", "synthetic")


def run(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [*HARNESS, "run", *arguments, "--json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def quick() -> tuple[float, dict[str, Any]]:
    begun = time.monotonic()
    result = run("--seed", "1")
    return time.monotonic() - begun, result


def test_the_quick_profile_takes_two_minutes_at_most(quick: tuple[float, dict[str, Any]]) -> None:
    seconds, result = quick
    stages = ", ".join(f"{s['name']} {s['duration_s']:.0f}" for s in result["stages"])
    print(f"\nquick profile: {seconds:.0f} s, {result['verdict']} ({stages})")

    assert result["verdict"] in {"pass", "warn"}
    assert seconds <= 120


def test_the_harness_itself_is_small(quick: tuple[float, dict[str, Any]]) -> None:
    used = quick[1]["resources"]
    share = used["cpu_s"] / (used["cpu_s"] + used["children_cpu_s"])
    print(f"\nown process: {used['peak_mb']:.0f} MB at peak, {used['cpu_s']:.1f} s CPU, {share:.1%} of the run's")

    assert used["peak_mb"] < 150
    assert share < 0.05


def test_it_is_much_faster_than_one_tool_after_another(quick: tuple[float, dict[str, Any]]) -> None:
    seconds, _ = quick
    took: dict[str, float] = {}
    begun = time.monotonic()
    subprocess.run([sys.executable, "-m", "pytest", "contracts", "-q"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    took["consumer"] = time.monotonic() - begun
    for stage in STAGES_BY_HAND:
        begun = time.monotonic()
        run(stage, "--seed", "1", "--jobs", "1")
        took[stage] = time.monotonic() - begun

    by_hand = sum(took.values())
    parts = ", ".join(f"{n} {s:.0f}" for n, s in took.items())
    print(f"\nby hand: {by_hand:.0f} s ({parts}); ratio {seconds / by_hand:.2f}")

    assert seconds / by_hand <= 0.7
