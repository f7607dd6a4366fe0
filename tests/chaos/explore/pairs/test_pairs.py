"""Pairs over real sockets and processes: mistakes that no single failure shows, and systems that make none."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.evidence import Severity, StageResult, Status
from harness.evidence.grid import GRID_MEDIA_TYPE, Grid, GridState, read_grid
from tests.chaos.explore.chain import explore
from tests.chaos.explore.pairs.fork import Fork
from tests.helpers import run_harness, write_project

DEGRADES = {"left": "degrade", "right": "degrade"}
REJECTS = {"left": "reject", "right": "reject"}
#: What is done wrong, the failures it takes, the promise that breaks, and how it is told.
MISTAKES = {
    "a fallback that relies on a second neighbour": (
        Fork("fallback"),
        Fork("fallback", careful=False),
        "error-503+error-503",
        "answer",
        "While left answers 503 and right answers 503, desk answered 500 to POST /order",
    ),
    "an undoing that is given up": (
        Fork("saga", promises=REJECTS),
        Fork("saga", careful=False, promises=REJECTS),
        "error-503+refused",
        "invariant",
        "While left answers 503 and right refuses connections, nothing_stays_open did not hold afterwards",
    ),
    "budgets that add up": (
        Fork("both", promises=DEGRADES),
        Fork("both", limit_s=0.7, promises=DEGRADES),
        "hang+hang",
        "served",
        "While left hangs and right hangs, only 0 of 3 of place_order was served, with less",
    ),
}


@pytest.fixture(autouse=True)
def _built_in_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOXIPROXY_URL", raising=False)


def errors(result: StageResult) -> list[tuple[str, str, str]]:
    return [(f.rule, f.place.edge, f.title) for f in result.findings if f.severity is Severity.ERROR]


def grids_of(root: Path, result: StageResult) -> list[Grid]:
    run = root / ".harness/runs/test"
    return [read_grid(run / a.path) for a in result.artifacts if a.media_type == GRID_MEDIA_TYPE]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_pair_finds_what_no_single_failure_does(mistake: str, tmp_path: Path) -> None:
    _, wrong, faults, kind, title = MISTAKES[mistake]

    result = explore(tmp_path, wrong, {"edge": "desk:left+desk:right", "fault": faults})

    single, pairs = grids_of(tmp_path, result)
    assert GridState.BROKEN not in {c.state for c in single.cells}, errors(result)
    assert [c.state for c in pairs.cells] == [GridState.BROKEN]
    found = {rule: (edge, told) for rule, edge, told in errors(result)}
    assert {edge for edge, _ in found.values()} == {"desk:left + desk:right"}
    assert found[f"chaos.promise.{kind}"][1].startswith(title), errors(result)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_whoever_does_it_right_is_green_in_the_same_pair(mistake: str, tmp_path: Path) -> None:
    right, _, faults, _, _ = MISTAKES[mistake]

    result = explore(tmp_path, right, {"edge": "desk:left+desk:right", "fault": faults})

    assert errors(result) == []
    _, pairs = grids_of(tmp_path, result)
    assert [c.state for c in pairs.cells] == [GridState.HELD]


def test_pairs_are_tried_after_the_single_failures_and_only_those_that_can_differ(tmp_path: Path) -> None:
    settings = 'pairs = true\nfailures = ["refused", "error-500", "error-503", "slow"]'

    result = explore(tmp_path, replace(MISTAKES["budgets that add up"][0], settings=settings))

    single, pairs = grids_of(tmp_path, result)
    assert len(single.cells) == 12
    assert {(c.row, c.column) for c in pairs.cells} == {
        ("desk:left + desk:right", "refused + refused"),
        ("desk:left + desk:right", "slow + slow"),
        ("door:desk + desk:left", "slow + slow"),
        ("door:desk + desk:right", "slow + slow"),
    }
    assert pairs.note.startswith("4 pairs of 48 possible were tried; the rest cannot differ from what was tried (")
    measured = {m.name: m.value for m in result.measures if m.name.startswith("chaos.pairs")}
    assert measured == {"chaos.pairs.possible": 48, "chaos.pairs.tried": 4}
    assert result.status is Status.PASS, errors(result)


def test_without_the_setting_and_in_the_quick_profile_there_are_no_pairs(tmp_path: Path) -> None:
    result = explore(tmp_path, Fork("both", promises=DEGRADES, settings='failures = ["error-503"]'))

    assert [g.title for g in grids_of(tmp_path, result)] == ["Promises under failure"]


def test_a_pair_of_which_one_hides_the_other_is_told_when_it_is_asked_for(tmp_path: Path) -> None:
    result = explore(tmp_path, Fork("both"), {"edge": "desk:left+door:desk", "fault": "hang+refused"})

    assert [(f.rule, f.place.edge) for f in result.findings] == [("chaos.no_traffic", "door:desk + desk:left")]
    assert (
        result.findings[0].title == "No walk of place_order met both failures: desk refuses connections and left hangs"
    )


def test_a_pair_is_tried_again_by_the_command_it_prints(tmp_path: Path) -> None:
    wrong = MISTAKES["a fallback that relies on a second neighbour"][1]
    write_project(tmp_path, wrong.toml(), wrong.all_files())
    asked = ["--edge", "desk:right+desk:left", "--fault", "error-503+error-500"]

    first = run_harness(*["run", "chaos", *asked, "--seed", "3", "--json"], cwd=tmp_path)
    found = [f for stage in json.loads(first.stdout)["stages"] for f in stage["findings"] if f["severity"] == "error"]
    again = run_harness(*shlex.split(found[0]["reproduce"])[1:], "--json", cwd=tmp_path)

    assert first.returncode == again.returncode == 1, first.stderr + again.stderr
    assert found[0]["title"].startswith("While left answers 500 and right answers 503, desk answered 500")
    assert "--edge desk:left+desk:right --fault error-500+error-503 --seed 3" in found[0]["reproduce"]
    assert found[0]["fingerprint"] in again.stdout


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--edge", "desk:left+desk:rihgt", "--fault", "hang+hang"], 'there is no edge "desk:rihgt"'),
        (["--edge", "desk:left+desk:right", "--fault", "hang+hnag"], 'there is no failure "hnag". Did you mean "hang"'),
        (["--edge", "desk:left", "--fault", "hang+hang"], "is not a pair: name two edges and a failure for each"),
        (["--edge", "desk:left+desk:right", "--fault", "hang"], "is not a pair"),
    ],
)
def test_a_pair_there_is_not_is_a_mistake_of_usage(asked: list[str], said: str, tmp_path: Path) -> None:
    fork = Fork("both")
    write_project(tmp_path, fork.toml(), fork.all_files())

    done = run_harness("run", "chaos", *asked, cwd=tmp_path)

    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_edge_there_is_not_in_a_pair_is_refused_without_the_command_line_too(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='there is no edge "desk:lfet"'):
        explore(tmp_path, Fork("both"), {"edge": "desk:lfet+desk:right", "fault": "hang+hang"})


def test_a_store_is_not_tried_in_pairs(tmp_path: Path) -> None:
    fork = Fork("both")
    store = '[services.desk.uses.book]\nenv = "BOOK_URL"\nurl = "sqlite:///{data}/book.db"\n\n[services.left]'
    toml = fork.toml().replace("[services.left]", store) + '\n[resources.book]\nkind = "postgres"\n'
    write_project(tmp_path, toml, fork.all_files())

    done = run_harness("run", "chaos", "--edge", "desk:book+desk:right", cwd=tmp_path)

    assert done.returncode == 2, done.stderr
    assert "desk -> book is an edge to a store; only failures of services are tried in pairs" in done.stderr
