"""Experiments in Python: what they yield is done in order and judged like those in TOML; every mistake is one message."""

# ruff: noqa: E501 - a table of cases is read one case a line

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.chaos.experiments import Expect, Injection, Lift, Wait
from harness.chaos.script import load_scripts
from harness.errors import ConfigError, UsageError
from harness.evidence import Status
from tests.chaos.tiny import HARNESS, experiment, run_chaos
from tests.helpers import write_project

PROMISES = """
    journeys=["read_page"],
    steady_state={"success": "100%", "p95": "400ms"},
    during={"expect": "rejected", "latency": "500ms"},
    recovery={"within": "1s"},
"""
FLAPS = f'''
from harness.chaos import Chaos, experiment


@experiment({PROMISES})
def back_flaps(chaos: Chaos):
    """Back comes and goes.

    More about it.
    """
    for _ in range(2):
        yield chaos.inject("front -> back", "refused")
        yield chaos.wait(0.4)
        yield chaos.lift()
        yield chaos.wait(0.2)
    yield chaos.kill("back")
    yield chaos.wait(0.3)
'''


@pytest.fixture(autouse=True)
def _built_in_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOXIPROXY_URL", raising=False)


def load(root: Path, text: str, name: str = "flaps.py"):
    project = write_project(root, HARNESS.format(env="", runtime=""), {f"chaos/{name}": text})
    return load_scripts(project.system, root, 1)


def script(body: str, promises: str = PROMISES) -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"from harness.chaos import experiment\n\n@experiment({promises})\ndef one(chaos):\n{lines}\n"


def test_a_function_becomes_an_experiment_with_the_promises_of_toml(tmp_path: Path) -> None:
    (found,) = load(tmp_path, FLAPS)

    assert (found.name, found.title, found.file) == ("back-flaps", "Back comes and goes", "chaos/flaps.py")
    assert (found.where, found.fault) == ("front -> back, back", "refused+kill")
    assert (found.during.expect, found.during.statuses, found.steady.p95_s) == (Expect.REJECTED, (503,), 0.4)
    assert [type(s) for s in found.steps[:4]] == [Injection, Wait, Lift, Wait]


def test_its_randomness_follows_the_seed(tmp_path: Path) -> None:
    text = script('yield chaos.inject("front:back", "latency", latency=chaos.rng.randrange(1000))\nyield chaos.wait(1)')
    project = write_project(tmp_path, HARNESS.format(env="", runtime=""), {"chaos/one.py": text})

    (first, again, other) = (load_scripts(project.system, tmp_path, seed)[0].steps for seed in (1, 1, 2))

    assert first == again != other


def test_what_it_yields_is_done_in_order_told_and_lifted(tmp_path: Path) -> None:
    result = run_chaos(tmp_path, {"flaps.py": FLAPS})

    assert result.status is Status.PASS, [f.title for f in result.findings]
    entries = map(json.loads, (tmp_path / ".harness/runs/test/chaos/journal.jsonl").read_text().splitlines())
    assert [e["what"] for e in entries if e["experiment"]] == [
        "steady state held",
        *["fault injected", "fault lifted"] * 2,
        "fault injected",
        "service killed",
        "service started",
        "fault lifted",
        "recovered",
        "judged",
    ]


def test_it_is_judged_picked_and_reproduced_like_the_others(tmp_path: Path) -> None:
    flaps = FLAPS.replace('"expect": "rejected"', '"expect": "degraded"')

    result = run_chaos(tmp_path, {"flaps.py": flaps, "hang.toml": experiment()}, only={"experiment": "back-flaps"})

    assert {f.place.experiment for f in result.findings} == {"back-flaps"}
    assert "While back refuses connections (front -> back), back is killed, only " in result.findings[0].title
    assert result.findings[0].reproduce == "harness run chaos --only experiment=back-flaps --seed 1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (script('yield chaos.inject("front -> bakc", "refused")'), 'one.edge: there is no edge "front -> bakc" in the system. Did you mean "front -> back"?'),
        (script('yield chaos.inject("front -> back", "refusd")'), 'one.type: found "refusd". Did you mean "refused"?'),
        (script('yield chaos.inject("front -> back", "latency", latency=-1)'), "one.attributes.latency: found -1. Accepted: 0 or more."),
        (script('yield chaos.inject("front -> back", "latency", delay=1)'), 'one.attributes.delay: latency has no attribute "delay"'),
        (script('yield chaos.kill("bakc")'), 'one.service: there is no service "bakc". Did you mean "back"?'),
        (script('yield chaos.slow_start("back", 0)'), "one.delay: is missing or 0"),
        (script("yield chaos.wait(-1)"), "one: wait takes seconds, more than 0 and at most 3600; found -1."),
        (script("yield 5"), "one: yielded 5; it must yield what the methods of chaos return."),
        (script("yield chaos.wait(1)"), "one: injects nothing."),
        (script('yield chaos.inject("front -> back", "refused")'), "one: never waits, so nobody would meet its faults"),
        (script("while True:\n    yield chaos.wait(1)"), "one: yields more than 1000 steps"),
        (script("return [chaos.kill('back')]"), "one: must be a generator"),
        (script("yield chaos.kil('back')"), "one: cannot be planned: AttributeError: 'Chaos' object has no attribute 'kil'"),
        (script("yield chaos.kill('back')", "journeys=['x']"), "one.during: is missing."),
        (script("yield chaos.kill('back')", f"{PROMISES}, jorneys=['x']"), 'one.jorneys: unknown key "jorneys". Did you mean "journeys"?'),
        (script("yield chaos.kill('back')", f"{PROMISES}, after=['x']"), "after: names invariants, but there is no invariants.py in chaos/."),
        ("import nothing_of_that_name", "does not import: ModuleNotFoundError: No module named 'nothing_of_that_name'."),
    ],
)  # fmt: skip
def test_a_mistake_names_file_and_function(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text.replace(",\n,", ","), "one.py")

    assert str(caught.value).startswith(f"chaos/one.py: {message}")


def test_a_script_and_a_file_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r'chaos/flaps.py: name: "back-flaps" is already the name of chaos/back-flaps.toml'
    ):
        run_chaos(tmp_path, {"flaps.py": FLAPS, "back-flaps.toml": experiment()})


def test_what_is_no_experiment_is_left_alone(tmp_path: Path) -> None:
    assert load(tmp_path, "raise SystemExit", "invariants.py") == ()
    assert load(tmp_path, "raise SystemExit", "_shared.py") == ()
    assert load(tmp_path, "x = 1", "helpers.py") == ()
