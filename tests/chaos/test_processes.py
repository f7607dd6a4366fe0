"""Faults of processes in experiments: what users meet, what the journal tells, and that every service is back after it."""

# ruff: noqa: E501 - a table of cases is read one case a line
from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.evidence import StageResult, Status
from tests.chaos.tiny import experiment, process_experiment, run_chaos


@pytest.fixture(autouse=True)
def _built_in_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOXIPROXY_URL", raising=False)


def titles(result: StageResult) -> str:
    return "\n".join(f"{f.rule} {f.severity}: {f.title}" for f in result.findings)


def told(root: Path, name: str) -> list[str]:
    """What the journal says of an experiment, in order."""
    lines = (root / ".harness/runs/test/chaos/journal.jsonl").read_text().splitlines()
    return [e["what"] for e in map(json.loads, lines) if e["experiment"] == name]


def measured(result: StageResult, name: str) -> float:
    (value,) = (m.value for m in result.measures if m.name == name)
    return value


@pytest.mark.parametrize(
    ("action", "extra", "done", "undone"),
    [
        ("kill", "", ["service killed"], ["service started"]),
        ("pause", "", ["service paused"], ["service resumed"]),
        ("restart", "", ["service stopped", "service started"], []),
        ("slow_start", 'delay = "700ms"', ["service stopped", "service started"], []),
    ],
)
def test_a_service_that_is_away_is_met_by_its_callers_and_is_back_afterwards(
    tmp_path: Path, action: str, extra: str, done: list[str], undone: list[str]
) -> None:
    result = run_chaos(tmp_path, {"away.toml": process_experiment(action, extra=extra)})

    assert result.status is Status.PASS, titles(result)
    assert result.work["experiments"] == result.work["faults_injected"] == 1
    # One that is restarted is back so quickly that perhaps no journey comes in between.
    assert action == "restart" or measured(result, "chaos.success_ratio.during") < 1
    assert {
        (m.labels.get("service"), m.labels.get("edge"), m.labels.get("fault")) for m in result.measures if m.labels
    } == {("back", None, action)}
    assert told(tmp_path, "away") == [
        "steady state held",
        "fault injected",
        *done,
        *undone,
        "fault lifted",
        "recovered",
        "judged",
    ]


def test_a_service_that_stays_away_longer_is_met_longer(tmp_path: Path) -> None:
    slow = process_experiment("slow_start", extra='delay = "1500ms"')

    result = run_chaos(tmp_path, {"slow.toml": slow})

    entries = map(json.loads, (tmp_path / ".harness/runs/test/chaos/journal.jsonl").read_text().splitlines())
    at = {entry["what"]: entry["at"] for entry in entries}
    assert result.status is Status.PASS, titles(result)
    assert at["service started"] - at["service stopped"] >= 1.5
    assert measured(result, "chaos.success_ratio.during") < 0.7


def test_a_promise_that_is_broken_while_a_service_is_away_is_told(tmp_path: Path) -> None:
    kill = process_experiment("kill", expect="degraded")

    careless = run_chaos(tmp_path / "careless", {"kill.toml": kill})
    careful = run_chaos(tmp_path / "careful", {"kill.toml": kill}, env='FALLBACK = "yes"')

    assert careful.status is Status.PASS, titles(careful)
    assert careless.status is Status.FAIL
    finding = next(f for f in careless.findings if f.rule == "chaos.expectation")
    assert finding.title.startswith("While back is killed, only ")
    assert finding.title.endswith("% of read_page succeeded; promised is 100% (degraded)")
    assert (finding.place.service, finding.place.edge) == ("back", "")
    assert finding.reproduce == "harness run chaos --only experiment=kill --seed 1"


def test_a_caller_that_waits_for_a_paused_service_for_ever_is_told(tmp_path: Path) -> None:
    result = run_chaos(tmp_path, {"pause.toml": process_experiment("pause")}, env='LIMIT = "0"')

    assert "While back is paused, read_page waited " in titles(result)


def test_a_full_disk_fails_what_is_written_and_nothing_else(tmp_path: Path) -> None:
    full = process_experiment("full_disk", service="front", journey="write_note")
    readers = process_experiment("full_disk", service="front", expect="full")

    result = run_chaos(tmp_path, {"a-full.toml": full, "b-readers.toml": readers})

    assert result.status is Status.PASS, titles(result)
    during = {m.labels.get("experiment"): m.value for m in result.measures if m.name == "chaos.success_ratio.during"}
    assert during == {"a-full": 0, "b-readers": 1}
    assert told(tmp_path, "a-full")[2:5] == ["writes to files fail", "writes to files succeed", "fault lifted"]


def test_a_full_disk_is_told_where_a_write_was_promised(tmp_path: Path) -> None:
    full = process_experiment("full_disk", service="front", journey="write_note", expect="full")

    result = run_chaos(tmp_path, {"full.toml": full})

    finding = next(f for f in result.findings if f.rule == "chaos.expectation")
    assert finding.title.startswith("While front cannot write to its disk, ")
    assert finding.exchange is not None
    assert f'"errno": {errno.EFBIG}' in finding.exchange.response


def test_a_service_that_does_not_start_again_is_told(tmp_path: Path) -> None:
    fussy = 'import pathlib\nlock = pathlib.Path("lock")\nif os.environ.get("BACK_URL") is None:\n    lock.open("x")\n'
    kill = process_experiment("kill")

    result = run_chaos(tmp_path, {"kill.toml": kill, "later.toml": experiment()}, before_serving=fussy)

    assert result.status is Status.FAIL
    assert "chaos.not_started error: back did not start again after it was killed" in titles(result)
    assert "chaos.service_died" not in titles(result)
    assert result.reason.startswith("stopped after 1 of 2 experiments: service back did not start")


def test_faults_of_edges_and_processes_go_together_and_each_fault_may_name_its_edge(tmp_path: Path) -> None:
    both = experiment("latency", "latency = 20").replace(
        "[steady_state]", '[[processes]]\nservice = "back"\naction = "kill"\n\n[steady_state]'
    )
    own = both.replace('edge = "front -> back"\n', "").replace("[[faults]]", '[[faults]]\nedge = "front:back"')

    result = run_chaos(tmp_path, {"a-both.toml": both, "b-own.toml": own})

    assert result.status is Status.PASS, titles(result)
    assert result.work["faults_injected"] == 4
    assert {
        (m.labels.get("edge"), m.labels.get("service"), m.labels.get("fault")) for m in result.measures if m.labels
    } == {("front -> back", "back", "latency+kill")}


def test_killing_a_service_nobody_calls_proves_nothing(tmp_path: Path) -> None:
    result = run_chaos(tmp_path, {"idle.toml": process_experiment("kill", journey="read_plain", expect="full")})

    assert result.status is Status.INCONCLUSIVE
    assert "The fault on back hit nothing: no byte went through the edges that lead there" in titles(result)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('service = "bakc"\naction = "kill"', 'processes.0.service: there is no service "bakc". Did you mean "back"? Accepted: front, back, away.'),
        ('service = "store"\naction = "kill"', 'processes.0.service: "store" is a resource; the harness does not start it'),
        ('service = "away"\naction = "kill"', "processes.0.service: away is not started by the harness (services.away.command in harness.toml)"),
        ('service = "back"\naction = "kil"', "processes.0.action: found 'kil'. Did you mean \"kill\"?"),
        ('service = "back"\naction = "slow_start"', "processes.0.delay: is missing or 0, so the start would not be slow."),
        ('service = "back"\naction = "kill"\ndelay = "1s"', "processes.0.delay: kill takes none; slow_start does."),
        ('service = "back"\naction = "slow_start"\ndelay = "-1s"', "processes.0.delay: "),
        ('service = "back"\naction = "kill"\n[[processes]]\nservice = "back"\naction = "pause"', "processes: back is named twice"),
        ('servce = "back"\naction = "kill"', 'processes.0.servce: unknown key "servce". Did you mean "service"?'),
    ],
)  # fmt: skip
def test_a_mistake_is_told_before_anything_starts(tmp_path: Path, table: str, message: str) -> None:
    text = process_experiment("kill").replace('service = "back"\naction = "kill"\n', f"{table}\n")
    more = '\n[services.away]\nurl = "http://127.0.0.1:9"\n[resources.store]\nkind = "postgres"\n'

    with pytest.raises(ConfigError) as caught:
        run_chaos(tmp_path, {"one.toml": text}, more=more)

    assert str(caught.value).startswith(f"chaos/one.toml: {message}")
