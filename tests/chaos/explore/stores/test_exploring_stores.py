"""Stores taken away over real sockets, files and processes: green where readiness tells the truth, red where it lies."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from harness.errors import UsageError
from harness.evidence import Severity, StageResult, Status
from harness.evidence.grid import GRID_MEDIA_TYPE, Grid, GridState, read_grid
from tests.chaos.explore.stores.shelf import Shelf, explore, far_store
from tests.helpers import HARNESS, run_harness, wait_for, write_project

CACHE = 'on_failure = "degrade"'


@pytest.fixture(autouse=True)
def _built_in_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOXIPROXY_URL", raising=False)


@pytest.fixture
def far() -> Iterator[str]:
    with far_store() as url:
        yield url


def told(result: StageResult) -> str:
    return "\n".join(f"{f.rule} {f.severity} [{f.place.edge}]: {f.title} | {f.detail}" for f in result.findings)


def titles(result: StageResult) -> set[str]:
    return {f.title for f in result.findings if f.severity is Severity.ERROR}


def grid_of(root: Path, result: StageResult) -> Grid:
    [artifact] = [a for a in result.artifacts if a.media_type == GRID_MEDIA_TYPE]
    return read_grid(root / ".harness/runs/test" / artifact.path)


FAR = "behind an address"
VIRTUES = {
    "refuses and says so": Shelf(),
    "keeps a journal that is no log": Shelf(keeper={"JOURNAL": "DELETE"}),
    "waits for its store when it starts": Shelf(keeper={"WAITS": "yes"}, url=FAR),
}


@pytest.mark.parametrize("virtue", VIRTUES)
def test_whoever_does_it_right_is_green(virtue: str, tmp_path: Path, far: str) -> None:
    shelf = VIRTUES[virtue]

    result = explore(tmp_path, replace(shelf, url=far if shelf.url == FAR else shelf.url))

    assert result.status is Status.PASS, told(result)
    [cell] = grid_of(tmp_path, result).cells
    assert (cell.row, cell.column, cell.state) == ("keeper -> store", "away", GridState.HELD)
    assert result.work["faults_injected"] == 1


def test_a_cache_need_not_be_there(tmp_path: Path, far: str) -> None:
    shelf = Shelf({"DOES_WITHOUT": "yes", "GREEN": "yes", "STARTS": "yes"}, url=far, promises=CACHE, invariants=False)

    result = explore(tmp_path, shelf)

    assert result.status is Status.PASS, told(result)


def test_a_server_that_hangs_is_green_where_nobody_waits_for_ever(tmp_path: Path, far: str) -> None:
    result = explore(tmp_path, Shelf(url=far), "hang")

    assert result.status is Status.PASS, told(result)
    assert [(c.row, c.column) for c in grid_of(tmp_path, result).cells] == [("keeper -> store", "hang")]


#: Several sins at once, to start the system once: who does what, and what is told of it.
SINS: dict[str, tuple[Shelf, set[str]]] = {
    "says it is ready, answers 500, and ends as if all were well": (
        Shelf(keeper={"GREEN": "yes", "FAILED": "500", "SHRUGS": "yes"}),
        {
            "keeper said it was ready",
            "keeper answered 500 to POST /order",
            "keeper, started meanwhile, ended with exit code 0, as if all were well",
        },
    ),
    "starts and says it is ready, and takes others along": (
        Shelf(keeper={"STARTS": "yes", "GREEN_AT_START": "yes"}, desk={"SPREADS": "yes"}, url=FAR),
        {
            "keeper, started meanwhile, said it was ready",
            "browse, which does not use keeper -> store, failed as well",
        },
    ),
    "dies of it": (Shelf(keeper={"DIES": "yes"}), {"keeper ended; a service must outlive its neighbours' failures"}),
    "takes what it cannot keep, and crashes": (
        Shelf(keeper={"FORGETS": "yes", "CRASHES": "yes"}),
        {"what_was_promised_is_kept did not hold afterwards", "keeper, started meanwhile, was ended by SIGABRT"},
    ),
    "is not there without what it can do without": (
        Shelf(keeper={"DOES_WITHOUT": "yes"}, promises=CACHE, invariants=False),
        {
            "keeper said it was not ready, although it can do without store",
            "keeper, started meanwhile, did not become ready, although it can do without store",
        },
    ),
    "waits for its store and never finds it": (
        Shelf(keeper={"WAITS_FOREVER": "yes"}, url=FAR),
        {"keeper, started meanwhile, did not become ready once store was back"},
    ),
}


@pytest.mark.parametrize("sin", SINS)
def test_a_sin_turns_the_cell_red_and_is_told(sin: str, tmp_path: Path, far: str) -> None:
    shelf, expected = SINS[sin]

    result = explore(tmp_path, replace(shelf, url=far if shelf.url == FAR else shelf.url))

    assert {t.removeprefix("While store is away, ").partition(": ")[0] for t in titles(result)} == expected, told(
        result
    )
    assert result.status is Status.FAIL
    [cell] = grid_of(tmp_path, result).cells
    assert (cell.row, cell.column, cell.state) == ("keeper -> store", "away", GridState.BROKEN)
    assert cell.reproduce == "harness run chaos --edge keeper:store --fault away --seed 1"


def test_a_store_nobody_waits_for_with_a_limit_is_red_when_it_hangs(tmp_path: Path, far: str) -> None:
    result = explore(tmp_path, Shelf(keeper={"PATIENCE": "30"}, url=far), "hang")

    assert any(
        t.startswith("While store hangs, keeper gave no answer to POST /order within 1.0 s") for t in titles(result)
    )


def test_stores_are_tried_among_all_the_rest_and_what_makes_no_sense_there_is_blank(tmp_path: Path) -> None:
    project = Shelf(settings='failures = ["error-503", "away"]')

    write_project(tmp_path, project.toml(), project.files())
    done = run_harness("run", "chaos", "--json", cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    [file] = tmp_path.glob(".harness/runs/*/chaos/promises.json")
    grid = read_grid(file)
    assert (grid.rows, grid.columns) == (("desk -> keeper", "keeper -> store"), ("error-503", "away"))
    assert grid.cell("keeper -> store", "error-503") is None
    assert grid.cell("desk -> keeper", "away") is None


def test_a_failure_that_says_nothing_to_a_store_is_a_mistake_of_usage(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"error-503 makes no sense on keeper -> store\. What can be tried there: away\."
    ):
        explore(tmp_path, Shelf(), "error-503")


def test_a_store_is_not_away_between_services(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"away makes no sense on desk -> keeper\."):
        explore(tmp_path, Shelf(), "away", "desk:keeper")


def test_a_store_that_cannot_be_taken_away_is_a_mistake_when_asked_for(tmp_path: Path) -> None:
    shelf = Shelf(url="memory://")
    write_project(tmp_path, shelf.toml(), shelf.files())

    done = run_harness(*["run", "chaos", "--edge", "keeper:store", "--fault", "away"], cwd=tmp_path)

    assert done.returncode == 2
    assert "its url is neither host:port nor a file below {data}" in done.stderr


def test_a_store_that_cannot_be_taken_away_is_said_once_when_all_is_tried(tmp_path: Path) -> None:
    anywhere = Shelf(url="memory://")

    result = explore(tmp_path, anywhere, "error-503", "")

    [finding] = [f for f in result.findings if f.rule == "chaos.store_untried"]
    assert finding.severity is Severity.INFO
    assert finding.title == (
        "store was not taken away from keeper: its url is neither host:port nor a file below {data}"
    )


def test_killed_in_the_middle_nothing_is_left(tmp_path: Path) -> None:
    shelf = Shelf(keeper={"HANGS": "yes"})
    write_project(tmp_path, shelf.toml(), shelf.files())
    running = subprocess.Popen(
        [*HARNESS, "run", "chaos", "--edge", "keeper:store", "--fault", "away"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(lambda: any("failure injected" in f.read_text() for f in tmp_path.rglob("journal.jsonl")), limit_s=60)
        children = psutil.Process(running.pid).children(recursive=True)

        running.send_signal(signal.SIGKILL)

        gone, alive = psutil.wait_procs(children, timeout=5)
        assert len(gone) >= 4
        assert alive == []
    finally:
        running.kill()
        running.wait()


def test_the_journal_says_what_was_done_when(tmp_path: Path) -> None:
    explore(tmp_path, Shelf())

    [journal] = tmp_path.rglob("journal.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [line["what"] for line in lines] == [
        "failure injected",
        "service started beside",
        "failure lifted",
        "failure judged",
    ]
    assert lines[0]["at"] <= time.time()
