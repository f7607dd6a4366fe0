"""The chaos stage on a tiny system: green when promises hold, red, with words, when one does not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from harness.errors import ConfigError, UsageError
from harness.evidence import Severity, Status
from harness.evidence.series import CHART_MEDIA_TYPE, read_chart
from harness.pipeline import Event, Note, StageProgress
from tests.chaos.conftest import original, started
from tests.chaos.tiny import HARNESS, experiment, project_files, run_chaos
from tests.helpers import write_project

INVARIANTS = """
from harness.system import User, journey


@journey
def every_page_was_answered(user: User) -> None:
    books = user.get("/books").json()
    user.check(books["asked"] == books["answered"], f"asked {books['asked']}, answered {books['answered']}")
"""


@pytest.fixture(autouse=True)
def _built_in_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOXIPROXY_URL", raising=False)


def titles(result) -> str:
    return "\n".join(f"{f.rule} {f.severity}: {f.title}" for f in result.findings)


def rules(result) -> set[str]:
    return {f.rule for f in result.findings}


def test_a_hang_a_slow_neighbour_and_a_refused_one_pass_when_promises_hold(tmp_path: Path) -> None:
    events: list[Event] = []

    result = run_chaos(
        tmp_path,
        {
            "a-hang.toml": experiment(),
            "b-slow.toml": experiment("latency", "latency = 50", expect="full"),
            "c-refused.toml": experiment("refused", ""),
        },
        events=events,
    )

    assert result.status is Status.PASS, titles(result)
    assert result.work["experiments"] == result.work["faults_injected"] == 3
    assert result.work["journeys"] >= 30
    recovery = [m for m in result.measures if m.name == "chaos.recovery"]
    assert {m.labels.get("experiment") for m in recovery} == {"a-hang", "b-slow", "c-refused"}
    assert all(0 <= m.value <= 1 and m.labels.get("edge") == "front -> back" for m in recovery)
    hang = {m.name: m.value for m in result.measures if m.labels.get("experiment") == "a-hang"}
    assert hang["chaos.success_ratio.before"] == 1
    assert hang["chaos.success_ratio.during"] < 0.5
    assert any(isinstance(e, StageProgress) and "refused" in e.note for e in events)


def test_faults_above_tcp_are_injected_told_and_lifted(tmp_path: Path) -> None:
    html = "action = 'replace', value = '<p>', content_type = 'text/html', path = '/data'"

    result = run_chaos(
        tmp_path,
        {
            "a-status.toml": experiment("http_status", "status = 502"),
            "b-late.toml": experiment("http_delay", "delay = 50", expect="full"),
            "c-body.toml": experiment("http_body", html, expect="full"),
            "d-cut.toml": experiment("http_body", "action = 'truncate', bytes = 20"),
        },
    )
    told = run_chaos(tmp_path / "told", {"status.toml": experiment("http_status", "status = 502", expect="full")})

    assert result.status is Status.PASS, titles(result)
    assert result.work["faults_injected"] == 4
    assert "While back answers 502 (front -> back), " in titles(told)


def test_a_server_that_knows_no_faults_above_tcp_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without = (
        "from harness.chaos.faults import FAULTS\n"
        "for name in [n for n in FAULTS if n.startswith('http_')]: del FAULTS[name]\n"
        "from harness.chaos.server.__main__ import main\n"
        "main()"
    )
    with started(("-c", without)) as server:
        monkeypatch.setenv("TOXIPROXY_URL", server.url)
        with pytest.raises(UsageError, match=r"chaos/status.toml: .* does not take the fault http_status: .*built-in"):
            run_chaos(tmp_path, {"status.toml": experiment("http_status", "status = 502")})
        assert server.client.proxies() == {}


def test_journal_and_chart_tell_when_the_fault_was_in_force(tmp_path: Path) -> None:
    result = run_chaos(tmp_path, {"hang.toml": experiment()})

    paths = {a.media_type: tmp_path / ".harness/runs/test" / a.path for a in result.artifacts}
    journal = [json.loads(line) for line in paths["application/x-ndjson"].read_text().splitlines()]
    told = [entry["what"] for entry in journal if entry["experiment"] == "hang"]
    assert told == ["steady state held", "fault injected", "fault lifted", "recovered", "judged"]
    drawn = read_chart(paths[CHART_MEDIA_TYPE])
    window = next(w for w in drawn.windows if w.kind == "fault")
    assert 0.7 <= window.end - window.start <= 3
    assert [s.name for s in drawn.series] == ["read_page"]


def test_a_missing_time_limit_is_told_with_how_long_users_waited(tmp_path: Path) -> None:
    result = run_chaos(tmp_path, {"hang.toml": experiment()}, env='LIMIT = "0"')

    assert result.status is Status.FAIL
    finding = next(f for f in result.findings if f.rule == "chaos.expectation")
    assert finding.title.startswith("While back hangs (front -> back), read_page waited ")
    assert finding.title.endswith("s; front -> back promises 300 ms")
    assert (finding.place.edge, finding.place.experiment) == ("front -> back", "hang")
    assert finding.reproduce == "harness run chaos --only experiment=hang --seed 1"
    assert len(finding.trace_id) == 32
    assert finding.trace_id in finding.detail
    assert finding.severity is Severity.ERROR


def test_a_missing_fallback_is_told(tmp_path: Path) -> None:
    degraded = experiment("refused", "", expect="degraded")

    careless = run_chaos(tmp_path / "careless", {"refused.toml": degraded})
    careful = run_chaos(tmp_path / "careful", {"refused.toml": degraded}, env='FALLBACK = "yes"')

    assert careful.status is Status.PASS, titles(careful)
    assert careless.status is Status.FAIL
    assert "only 0% of read_page succeeded; front promises 100% (degraded)" in titles(careless)


def test_an_answer_that_was_not_promised_is_told(tmp_path: Path) -> None:
    other = experiment("refused", "").replace('expect = "rejected"', 'expect = "rejected"\nstatuses = [504]')

    result = run_chaos(tmp_path, {"refused.toml": other})

    assert "read_page was answered 503; 504 is expected" in titles(result)


def test_what_is_not_seen_again_when_repeated_is_a_warning(tmp_path: Path) -> None:
    result = run_chaos(tmp_path, {"refused.toml": experiment("refused", "")}, env='STUMBLE = "0.5"')

    assert result.status is Status.WARN, titles(result)
    assert "read_page was answered 500; 503 is expected" in titles(result)
    assert result.findings[0].detail.startswith(
        "Seen once; tried again with nothing else of this run at work, the promise was kept."
    )
    assert result.work["experiments"] == 1


def test_a_recovery_that_takes_too_long_is_told_with_its_time(tmp_path: Path) -> None:
    result = run_chaos(tmp_path, {"refused.toml": experiment("refused", "", recovery="300ms")}, env='SULK = "1.5"')

    assert rules(result) == {"chaos.recovery"}, titles(result)
    assert "s to recover; 300 ms is allowed" in titles(result)


def test_a_broken_invariant_is_told_and_a_kept_one_is_counted(tmp_path: Path) -> None:
    slow = experiment("latency", "latency = 50", expect="full")
    kept = run_chaos(tmp_path / "kept", {"slow.toml": slow, "invariants.py": INVARIANTS})
    broken = run_chaos(tmp_path / "broken", {"refused.toml": experiment("refused", ""), "invariants.py": INVARIANTS})

    assert kept.status is Status.PASS, titles(kept)
    assert kept.work["invariants"] == 1
    assert rules(broken) == {"chaos.invariant"}
    assert "every_page_was_answered does not hold after the faults: asked " in titles(broken)


def test_an_invariant_can_belong_to_one_experiment(tmp_path: Path) -> None:
    bound = experiment("refused", "", more='after = ["every_page_was_answered"]\n')

    result = run_chaos(tmp_path, {"refused.toml": bound, "invariants.py": INVARIANTS})

    assert {f.place.experiment for f in result.findings if f.rule == "chaos.invariant"} == {"refused", ""}


def test_a_fault_that_nobody_meets_does_not_pass(tmp_path: Path) -> None:
    idle = experiment("refused", "", expect="full", journey="read_plain")

    result = run_chaos(tmp_path, {"idle.toml": idle})

    assert result.status is Status.INCONCLUSIVE
    assert not any(result.work.values())
    finding = next(f for f in result.findings if f.rule == "chaos.no_traffic")
    assert "hit nothing: no byte went through that edge while read_plain was walked" in finding.title


def test_a_system_that_is_not_well_before_is_inconclusive(tmp_path: Path) -> None:
    hopeless = experiment().replace('p95 = "400ms"', 'p95 = "1us"')

    result = run_chaos(tmp_path, {"hang.toml": hopeless})

    assert result.status is Status.INCONCLUSIVE
    assert rules(result) == {"chaos.steady_state_before"}


def test_a_service_that_dies_of_a_fault_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    result = run_chaos(
        tmp_path,
        {
            "a-refused.toml": experiment("refused", ""),
            "b-slow.toml": experiment("latency", "latency = 50", expect="full"),
        },
        env='FRAGILE = "yes"',
    )

    assert result.status is Status.FAIL
    assert "chaos.service_died error: front ended while back refuses connections" in titles(result)
    assert [f for f in result.findings if f.place.experiment == "b-slow"] == []


def test_only_the_experiments_asked_for_are_run(tmp_path: Path) -> None:
    both = {"hang.toml": experiment(), "slow.toml": experiment("latency", "latency = 50", expect="full")}

    result = run_chaos(tmp_path, both, only={"experiment": "slow"})

    assert {m.labels.get("experiment") for m in result.measures if m.labels} == {"slow"}
    with pytest.raises(UsageError, match=r'no experiment "slwo"\. Did you mean "slow"\?'):
        run_chaos(tmp_path, both, only={"experiment": "slwo"})
    nothing = run_chaos(tmp_path, both, only={"edge": "back:front"})
    assert (nothing.status, nothing.reason) == (Status.INCONCLUSIVE, "no experiment matches edge=back:front")


def test_no_experiments_are_inconclusive_with_the_reason(tmp_path: Path) -> None:
    result = run_chaos(tmp_path, {})

    assert (result.status, result.reason) == (Status.INCONCLUSIVE, "there are no experiments in chaos/*.toml or *.py")


def test_production_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"production = true"):
        run_chaos(tmp_path, {"hang.toml": experiment()}, runtime="production = true")


def test_an_unknown_journey_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r'no journey "read_pag".*Did you mean "read_page"'):
        run_chaos(tmp_path, {"hang.toml": experiment(journey="read_pag")})


def test_an_experiment_with_a_mistake_stops_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no edge"):
        run_chaos(tmp_path, {"bad.toml": experiment().replace("front -> back", "front -> bakc")})


KILLED = """
import sys
from pathlib import Path
import anyio
from harness.chaos.stage import ChaosStage
from harness.system.config import load_project
from harness.system.guardian import Guardian
from tests.helpers import make_context
project = load_project(Path(sys.argv[1]) / "harness.toml")
stage = ChaosStage()
with Guardian():
    anyio.run(stage.run, make_context(project, stage, []))
"""


def test_killed_in_the_middle_of_a_fault_leaves_no_proxy_and_no_service(tmp_path: Path) -> None:
    with _killed_under_a_fault(tmp_path) as children:
        assert any("harness.chaos.server" in p.cmdline() for p in children)

    _wait(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in children), 8)


@pytest.mark.parametrize("flags", [(), ("-proxy-metrics",)], ids=["without metrics", "with metrics"])
def test_a_server_that_is_not_ours_is_used_and_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    with started("built-in", *flags) as server:
        server.client.create("127.0.0.1:9", "somebody's")
        monkeypatch.setenv("TOXIPROXY_URL", server.url)

        result = run_chaos(tmp_path, {"refused.toml": experiment("refused", "")})

        assert result.status is Status.PASS, titles(result)
        assert list(server.client.proxies()) == ["somebody's"]


def test_killed_in_the_middle_of_a_fault_lifts_it_from_a_server_that_lives_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with started("built-in") as server:
        monkeypatch.setenv("TOXIPROXY_URL", server.url)
        with _killed_under_a_fault(tmp_path):
            assert [list(p.toxics()) for p in server.client.proxies().values()] == [["hang-0"]]

        _wait(lambda: server.client.proxies() == {}, 8)


def test_a_server_that_does_not_answer_is_a_mistake_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOXIPROXY_URL", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match=r"TOXIPROXY_URL is http://127.0.0.1:9, but no Toxiproxy server answers there"):
        run_chaos(tmp_path, {"hang.toml": experiment()})

    monkeypatch.setenv("TOXIPROXY_URL", "http://toxiproxy.example:8474")
    with pytest.raises(UsageError, match=r"not on loopback; allow its host in harness.toml"):
        run_chaos(tmp_path, {"hang.toml": experiment()})


def test_the_original_server_on_the_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = original()
    if binary is None:
        pytest.skip("the original server is not here: no toxiproxy-server on PATH, TOXIPROXY_SERVER not set")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/toxiproxy-server").symlink_to(binary)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    events: list[Event] = []
    idle = experiment("refused", "", expect="full", journey="read_plain")

    result = run_chaos(tmp_path / "project", {"a-hang.toml": experiment(), "b-idle.toml": idle}, events=events)

    assert any(isinstance(e, Note) and "bin/toxiproxy-server" in e.text for e in events)
    assert rules(result) == {"chaos.no_traffic"}, titles(result)
    assert result.work["experiments"] == 1


@contextmanager
def _killed_under_a_fault(root: Path) -> Iterator[list[psutil.Process]]:
    """Run the stage in a process, and kill it at the end of the block, in the middle of a long fault."""
    long = experiment(more='fault_for = "30s"\n')
    write_project(root, HARNESS.format(env="", runtime=""), project_files({"hang.toml": long}))
    repository = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": str(repository)}
    stage = subprocess.Popen([sys.executable, "-c", KILLED, str(root)], env=env, cwd=repository)
    journal = root / ".harness/runs/test/chaos/journal.jsonl"
    try:
        _wait(lambda: journal.is_file() and "fault injected" in journal.read_text(), 40)
        # The entry is written before the fault is in, so that it is never missing.
        time.sleep(0.2)
        yield [p for p in psutil.Process(stage.pid).children(recursive=True) if _is_of_the_run(p)]
    finally:
        stage.send_signal(signal.SIGKILL)
        stage.wait()


def _is_of_the_run(process: psutil.Process) -> bool:
    return "guardian" not in " ".join(process.cmdline())


def _wait(condition, limit_s: float) -> None:
    limit = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < limit, f"not within {limit_s} s"
        time.sleep(0.05)
