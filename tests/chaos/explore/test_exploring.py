"""Exploration over real sockets and processes: green where promises hold, and every sin red in its own cell."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from harness.chaos.explore.catalogue import FAILURES
from harness.errors import UsageError
from harness.evidence import Severity, StageResult, Status
from harness.evidence.grid import GRID_MEDIA_TYPE, Grid, GridState, read_grid
from tests.chaos.explore.chain import DOCUMENT, JOURNEYS, SERVICE, Chain, explore
from tests.helpers import HARNESS, run_harness, write_project

BREAKS = 'budget = "300ms"\nattempts = 2\non_failure = "reject"\nbreaker = { failures = 5, open_for = "500ms" }'
DEGRADES = 'budget = "800ms"\nattempts = 1\non_failure = "degrade"'


@pytest.fixture(autouse=True)
def _built_in_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOXIPROXY_URL", raising=False)


def told(result: StageResult) -> str:
    return "\n".join(f"{f.rule} {f.severity} [{f.place.edge}]: {f.title} | {f.detail}" for f in result.findings)


def broken(result: StageResult) -> set[str]:
    return {f.rule.removeprefix("chaos.promise.") for f in result.findings if f.severity is Severity.ERROR}


def grid_of(root: Path, result: StageResult) -> Grid:
    [artifact] = [a for a in result.artifacts if a.media_type == GRID_MEDIA_TYPE]
    return read_grid(root / ".harness/runs/test" / artifact.path)


def test_a_well_behaved_system_is_green_in_every_cell(tmp_path: Path) -> None:
    result = explore(tmp_path, Chain(middle={"BREAKER": "5:0.5:1"}, second=BREAKS))

    assert result.status is Status.PASS, told(result)
    grid = grid_of(tmp_path, result)
    assert (grid.rows, grid.columns) == (("front -> middle", "middle -> back"), tuple(FAILURES))
    # One edge promises no circuit breaker.
    assert len(grid.cells) == result.work["faults_injected"] == 2 * len(FAILURES) - 1
    assert GridState.BROKEN not in {c.state for c in grid.cells}
    assert {m.name for m in result.measures} == {
        "chaos.recovery", "chaos.waited", "chaos.attempts", "chaos.breaker.failures", "chaos.breaker.open",
        "chaos.processors.waited_for", "chaos.untold",
    }  # fmt: skip


SINS = {
    "no time-out": (Chain(middle={"LIMIT": "0"}), "middle:back", "hang", {"budget"}),
    "no time-out, answers come late": (Chain(middle={"LIMIT": "0"}), "middle:back", "too-slow", {"budget"}),
    "a budget longer than the caller's own": (
        Chain(middle={"LIMIT": "2", "ATTEMPTS": "1"}, second='budget = "2s"\nattempts = 1\non_failure = "reject"'),
        "middle:back",
        "hang",
        {"budget"},
    ),
    "repeats a POST without idempotency key": (
        Chain(middle={"KEYLESS": "yes"}),
        "middle:back",
        "error-503",
        {"repeated"},
    ),
    "makes a new key for each attempt": (Chain(middle={"NEW_KEYS": "yes"}), "middle:back", "error-503", {"repeated"}),
    "retries that multiply before a breaker opens": (
        Chain(
            front={"ATTEMPTS": "2"},
            middle={"BREAKER": "5:0.5:1"},
            first='budget = "800ms"\nattempts = 2\non_failure = "reject"',
        ),
        "middle:back",
        "error-503",
        {"amplification"},
    ),
    "retries that multiply along the chain": (
        Chain(front={"ATTEMPTS": "2"}, first='budget = "800ms"\nattempts = 2\non_failure = "reject"'),
        "middle:back",
        "error-503",
        {"amplification"},
    ),
    "more attempts than promised": (Chain(middle={"ATTEMPTS": "4"}), "middle:back", "error-503", {"attempts"}),
    "answers 500": (Chain(middle={"FAILED": "500"}), "middle:back", "malformed", {"answer"}),
    "answers what its document does not declare": (
        Chain(middle={"FAILED": "409"}),
        "middle:back",
        "wrong-type",
        {"answer"},
    ),
    "hangs for ever": (Chain(front={"LIMIT": "0"}), "front:middle", "hang", {"budget", "no_answer"}),
    "a fallback that calls the same host": (
        Chain(front={"FALLBACK_THERE": "yes"}, first=DEGRADES),
        "front:middle",
        "error-503",
        {"served"},
    ),
    "a fallback that reads from the same host": (
        Chain(front={"FALLBACK_THERE": "yes", "READS": "yes"}, first=DEGRADES),
        "front:middle",
        "error-503",
        {"served", "fallback"},
    ),
    "a pool shared with those beside it": (
        Chain(
            front={"POOL": "4", "LIMIT": "1.5"},
            first='budget = "1500ms"\nattempts = 1\non_failure = "reject"',
        ),
        "front:middle",
        "hang",
        {"bulkhead"},
    ),
    "readiness that asks a neighbour it can do without": (
        Chain(front={"FALLBACK": "yes", "TIMID": "yes"}, first=DEGRADES),
        "front:middle",
        "error-503",
        {"readiness"},
    ),
    "loses what it has begun": (Chain(front={"LOSES": "yes"}), "front:middle", "truncated", {"invariant"}),
    "never recovers": (Chain(middle={"STICKY": "yes"}), "middle:back", "throttled", {"recovery"}),
    "a breaker that never opens": (Chain(second=BREAKS), "middle:back", "breaker", {"breaker"}),
    "a breaker that opens late": (
        Chain(middle={"BREAKER": "9:0.5:1"}, second=BREAKS),
        "middle:back",
        "breaker",
        {"breaker"},
    ),
    "a breaker that is open for a moment only": (
        Chain(middle={"BREAKER": "5:0.15:1"}, second=BREAKS),
        "middle:back",
        "breaker",
        {"breaker"},
    ),
    "a breaker that never closes": (
        Chain(middle={"BREAKER": "5:600:1"}, second=BREAKS),
        "middle:back",
        "breaker",
        {"breaker", "recovery"},
    ),
    "a breaker that lets everything through once it was open": (
        Chain(middle={"BREAKER": "5:0.5:inf"}, second=BREAKS),
        "middle:back",
        "breaker",
        {"breaker"},
    ),
    "dies of it": (Chain(middle={"FRAGILE": "yes"}), "middle:back", "reset-after", {"died"}),
}


def test_a_breaker_that_another_one_hides_is_not_said_to_be_well(tmp_path: Path) -> None:
    chain = Chain(front={"BREAKER": "2:0.5:1"}, middle={"BREAKER": "5:0.5:1"}, second=BREAKS)

    result = explore(tmp_path, chain, {"edge": "middle:back", "fault": "breaker"})

    assert "chaos.breaker_hidden" in {f.rule for f in result.findings}, told(result)
    assert [c.state for c in grid_of(tmp_path, result).cells] == [GridState.NOT_TRIED]


def test_a_breaker_that_less_is_served_behind_is_waited_for_before_the_next_failure(tmp_path: Path) -> None:
    front = {"BREAKER": "2:1.5:1", "FALLBACK": "yes"}
    chain = Chain(front=front, first=DEGRADES, settings='failures = ["error-500", "error-503", "malformed"]')

    result = explore(tmp_path, chain, {"edge": "front:middle"})

    assert result.status is Status.PASS, told(result)
    assert {c.state for c in grid_of(tmp_path, result).cells} == {GridState.HELD}


def test_no_breaker_is_tried_where_none_is_promised(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"middle -> back promises no circuit breaker.*uses\.back\.breaker"):
        explore(tmp_path, Chain(), {"edge": "middle:back", "fault": "breaker"})


@pytest.mark.parametrize("sin", SINS)
def test_a_sin_turns_its_cell_red_with_the_promise_it_breaks(sin: str, tmp_path: Path) -> None:
    chain, edge, fault, expected = SINS[sin]

    result = explore(tmp_path, chain, {"edge": edge, "fault": fault})

    assert broken(result) == expected, told(result)
    assert result.status is Status.FAIL
    [cell] = grid_of(tmp_path, result).cells
    assert (cell.row, cell.column, cell.state) == (edge.replace(":", " -> "), fault, GridState.BROKEN)
    assert cell.reproduce == f"harness run chaos --edge {edge} --fault {fault} --seed 1"


VIRTUES = {
    "a fallback of its own": (Chain(front={"FALLBACK": "yes"}, first=DEGRADES), "front:middle", "error-503"),
    "reads, and a fallback of its own": (
        Chain(front={"FALLBACK": "yes", "READS": "yes"}, first=DEGRADES),
        "front:middle",
        "error-503",
    ),
    "keys on what is repeated": (Chain(), "middle:back", "reset-after"),
    "a pool of its own": (Chain(front={"POOL": "9"}), "front:middle", "hang"),
    "readiness that speaks for itself": (
        Chain(front={"FALLBACK": "yes"}, first=DEGRADES),
        "front:middle",
        "hang",
    ),
}


@pytest.mark.parametrize("virtue", VIRTUES)
def test_whoever_does_it_right_is_green_in_the_same_cell(virtue: str, tmp_path: Path) -> None:
    chain, edge, fault = VIRTUES[virtue]

    result = explore(tmp_path, chain, {"edge": edge, "fault": fault})

    assert result.status is Status.PASS, told(result)
    assert [c.state for c in grid_of(tmp_path, result).cells] == [GridState.HELD]


#: Whatever is sent under these is not taken.
LOSING = ("refused", "reset-before", "error-500", "error-503")


def test_an_event_that_is_sent_once_and_lost_is_one_finding_unless_it_may_be_lost(tmp_path: Path) -> None:
    def tells(on_failure: str) -> Chain:
        failures = ", ".join(f'"{name}"' for name in LOSING)
        promises = f'kind = "events"\non_failure = "{on_failure}"'
        settings = f"failures = [{failures}]"
        return Chain(middle={"TELLS": "yes"}, second=promises, settings=settings)

    queued = explore(tmp_path / "queued", tells("queue"), {"edge": "middle:back"})
    dropped = explore(tmp_path / "dropped", tells("drop"), {"edge": "middle:back"})

    [lost] = [f for f in queued.findings if f.severity is Severity.ERROR]
    assert lost.rule == "chaos.promise.delivery", told(queued)
    assert "(and so under 3 other failures of middle -> back)" in lost.title
    assert all(f"\n{name}: " in f"\n{lost.detail}" for name in LOSING)
    assert 'on_failure = "drop"' in lost.detail
    assert dropped.status is Status.PASS, told(dropped)
    assert len(grid_of(tmp_path / "dropped", dropped).cells) == 4


def test_callers_that_pass_no_trace_on_are_told_once_and_prove_nothing(tmp_path: Path) -> None:
    result = explore(tmp_path, Chain(front={"UNTRACED": "yes"}, middle={"UNTRACED": "yes"}))

    assert result.status is Status.INCONCLUSIVE
    [finding] = result.findings
    assert (finding.rule, finding.severity) == ("chaos.untraced", Severity.WARNING)
    assert finding.title.startswith("Calls over front -> middle, middle -> back carry no trace of a journey")
    assert "Let front, middle pass" in finding.detail


def test_where_one_caller_passes_the_trace_on_its_edge_is_tried(tmp_path: Path) -> None:
    result = explore(tmp_path, Chain(middle={"UNTRACED": "yes"}), {"fault": "error-503"})

    assert [(f.rule, f.place.edge) for f in result.findings] == [("chaos.untraced", "middle -> back")], told(result)
    assert [c.row for c in grid_of(tmp_path, result).cells] == ["front -> middle"]


def test_an_edge_no_journey_uses_is_information(tmp_path: Path) -> None:
    idle = JOURNEYS.split("@journey(weight=5)")[0] + "@journey\n" + JOURNEYS.split("@journey\n")[1]

    result = explore(tmp_path, Chain(files={"synthetic/journeys.py": idle}), {"fault": "hang"})

    assert result.status is Status.INCONCLUSIVE
    assert [(f.rule, f.severity, f.place.edge) for f in result.findings] == [
        ("chaos.edge_unused", Severity.INFO, "front -> middle"),
        ("chaos.edge_unused", Severity.INFO, "middle -> back"),
    ]


def test_a_journey_that_fails_without_any_failure_is_told_and_proves_nothing(tmp_path: Path) -> None:
    wrong = JOURNEYS.replace('user.post("/order", json={"item": 1})', 'user.check(user.post("/order") is None, "odd")')

    result = explore(tmp_path, Chain(files={"synthetic/journeys.py": wrong}), {"fault": "hang"})

    assert result.status is Status.INCONCLUSIVE
    [failing] = [f for f in result.findings if f.rule == "chaos.steady_state_before"]
    assert failing.title == "place_order does not go well although nothing fails: odd"


def test_one_cell_is_tried_by_the_command_line_and_by_the_command_it_prints(tmp_path: Path) -> None:
    sinner = Chain(middle={"FAILED": "500"})
    write_project(tmp_path, sinner.toml(), sinner.all_files())

    first = run_harness(
        *["run", "chaos", "--edge", "middle:back", "--fault", "error-500", "--seed", "3", "--json"], cwd=tmp_path
    )
    [finding] = [
        f for stage in json.loads(first.stdout)["stages"] for f in stage["findings"] if f["severity"] == "error"
    ]
    again = run_harness(*shlex.split(finding["reproduce"])[1:], "--json", cwd=tmp_path)

    assert first.returncode == again.returncode == 1, first.stderr + again.stderr
    assert finding["rule"] == "chaos.promise.answer"
    assert finding["fingerprint"] in again.stdout


def test_a_failure_there_is_not_is_a_mistake_of_usage(tmp_path: Path) -> None:
    write_project(tmp_path, Chain().toml(), Chain().all_files())

    done = run_harness(*["run", "chaos", "--edge", "middle:back", "--fault", "hnag"], cwd=tmp_path)

    assert done.returncode == 2, done.stderr
    assert 'there is no failure "hnag". Did you mean "hang"?' in done.stderr


def test_an_interruption_in_the_middle_leaves_no_process(tmp_path: Path) -> None:
    write_project(tmp_path, Chain().toml(), Chain().all_files())
    journal = tmp_path / ".harness"
    running = subprocess.Popen(
        [*HARNESS, "run", "chaos", "--seed", "3"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        limit = time.monotonic() + 60
        while not any("failure injected" in f.read_text() for f in journal.rglob("journal.jsonl")):
            assert running.poll() is None
            assert time.monotonic() < limit
            time.sleep(0.02)
        children = psutil.Process(running.pid).children(recursive=True)

        running.send_signal(signal.SIGINT)

        assert running.wait(20) == 130
        gone, alive = psutil.wait_procs(children, timeout=5)
        assert len(gone) >= 5
        assert alive == []
    finally:
        running.kill()
        running.wait()


def test_a_document_that_cannot_be_read_is_said_where_it_would_have_been_asked(tmp_path: Path) -> None:
    chain = Chain(middle={"FAILED": "409"}, files={"openapi.json": "{}"})

    result = explore(tmp_path, chain, {"edge": "middle:back", "fault": "error-503"})

    told_of = {f.place.service: f for f in result.findings if f.rule == "chaos.document_unread"}
    assert "middle" in told_of, told(result)
    assert told_of["middle"].title.startswith("The OpenAPI document of middle is not OpenAPI: ")
    assert result.status is Status.WARN


def test_an_edge_there_is_not_is_a_mistake_of_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r'there is no edge "midle:back"\. Did you mean "middle:back"\?'):
        explore(tmp_path, Chain(), {"edge": "midle:back", "fault": "hang"})


def test_what_no_document_declares_and_is_answered_anyhow_is_not_laid_at_the_failure(tmp_path: Path) -> None:
    asks = JOURNEYS.replace("    user.post(", '    user.get("/teapot", expect=418)\n    user.post(')
    declares = DOCUMENT.replace('"/order": {', '"/teapot": {"get": {"responses": {"200": {}}}}, "/order": {')
    books = '        if self.path == "/books":'
    teapot = f'        if self.path == "/teapot":\n            return self.say(418, {{}})\n{books}'
    service = SERVICE.replace(books, teapot)
    files = {"synthetic/journeys.py": asks, "openapi.json": declares, "service.py": service}

    result = explore(tmp_path, Chain(files=files), {"edge": "middle:back", "fault": "error-503"})

    assert result.status is Status.PASS, told(result)
