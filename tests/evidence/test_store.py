"""The evidence store: whole runs in and out, baselines, and what happens when the database is not well."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InfrastructureError, UsageError
from harness.evidence import Measure, RunResult, StageResult, Status
from harness.evidence.store import EvidenceStore
from tests.report.fakes import fake_result


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "evidence.db"


@pytest.fixture
def store(file: Path) -> EvidenceStore:
    return EvidenceStore(f"sqlite:///{file}")


def run(
    number: int, value: float, *, verdict: Status = Status.PASS, profile: str = "quick", took: float = 4.0
) -> RunResult:
    stage = StageResult(
        name="load",
        status=verdict,
        work={"requests": 10},
        duration_s=took,
        measures=(Measure("load.latency.p99", value, "ms", {"journey": "browse"}),),
    )
    whole = fake_result(passing=True, run_id=f"run-{number:03d}")
    return replace(
        whole, verdict=verdict, profile=profile, started=f"2026-11-{number:02d}T10:00:00Z", stages=(stage,), gates=()
    )


def test_a_run_comes_back_as_it_was_saved(store: EvidenceStore, tmp_path: Path) -> None:
    result = fake_result(tmp_path)
    store.save(result, versions={"orders": "4f2a"})
    assert store.load(result.run_id) == result


def test_a_run_saved_again_replaces_itself(store: EvidenceStore) -> None:
    store.save(run(1, 100.0))
    store.save(run(1, 200.0))
    assert [r.run_id for r in store.runs()] == ["run-001"]
    assert store.measure_history("load.latency.p99", {"journey": "browse"}, profile="quick") == [200.0]


def test_asking_an_empty_place_creates_nothing(store: EvidenceStore, file: Path) -> None:
    assert store.runs() == []
    assert store.latest() is None
    assert store.stage_durations("quick") == {}
    assert store.measure_history("load.latency.p99", {}, profile="quick") == []
    assert store.seen_before({"a"}) == set()
    assert not file.parent.exists()


def test_a_run_that_is_not_there_is_named_with_what_was_meant(store: EvidenceStore) -> None:
    store.save(run(12, 1.0))
    with pytest.raises(UsageError, match=r'no run "run-013".*Did you mean "run-012"'):
        store.load("run-013")


def test_a_baseline_is_made_of_the_last_passing_runs_of_the_profile(store: EvidenceStore) -> None:
    store.save(run(1, 100.0))
    store.save(run(2, 900.0, verdict=Status.FAIL))
    store.save(run(3, 110.0, verdict=Status.WARN))
    store.save(run(4, 500.0, profile="full"))
    history = {"name": "load.latency.p99", "labels": {"journey": "browse"}, "profile": "quick"}
    assert store.measure_history(**history) == [110.0, 100.0]
    assert store.measure_history(**history, passing_only=False) == [110.0, 900.0, 100.0]
    assert store.measure_history(**history, limit=1) == [110.0]


def test_labels_are_equal_whatever_their_order(store: EvidenceStore) -> None:
    result = run(1, 1.0)
    measure = Measure("load.latency.p99", 7.0, "ms", {"b": "2", "a": "1"})
    store.save(replace(result, stages=(replace(result.stages[0], measures=(measure,)),)))
    assert store.measure_history("load.latency.p99", {"a": "1", "b": "2"}, profile="quick") == [7.0]
    assert store.measure_history("load.latency.p99", {"a": "1"}, profile="quick") == []


def test_stage_durations_are_the_median_of_the_last_runs(store: EvidenceStore) -> None:
    for number, took in enumerate((90.0, 4.0, 6.0, 5.0, 50.0, 5.5), 1):
        store.save(run(number, 1.0, took=took))
    store.save(run(9, 1.0, verdict=Status.INCONCLUSIVE, took=0.1))
    assert store.stage_durations("quick") == {"load": 5.5}


def test_findings_no_earlier_run_had_are_new(store: EvidenceStore) -> None:
    earlier, now = fake_result(run_id="a"), fake_result(run_id="b")
    fuzz = earlier.stages[3]
    store.save(replace(earlier, stages=(replace(fuzz, findings=fuzz.findings[:1]),)))
    store.save(now)
    new = store.new_findings(now)
    assert fuzz.findings[0].fingerprint not in {f.fingerprint for f in new}
    assert fuzz.findings[1].fingerprint in {f.fingerprint for f in new}


def test_runs_tell_their_findings_and_are_newest_first(store: EvidenceStore) -> None:
    store.save(replace(fake_result(run_id="old"), started="2026-01-01T00:00:00Z"))
    store.save(fake_result(run_id="new", passing=True))
    newest, oldest = store.runs()
    assert (newest.run_id, newest.errors) == ("new", 0)
    assert (oldest.run_id, oldest.errors, oldest.warnings, oldest.verdict) == ("old", 6, 5, Status.FAIL)
    assert store.latest() == newest


def test_the_latest_passing_run_is_found_behind_failed_ones(store: EvidenceStore) -> None:
    store.save(run(1, 1.0))
    store.save(run(2, 1.0, verdict=Status.FAIL))
    latest = store.latest(passing_only=True)
    assert latest is not None
    assert latest.run_id == "run-001"


def test_systems_in_one_database_do_not_see_each_other(file: Path, store: EvidenceStore) -> None:
    store.save(run(1, 1.0))
    other = EvidenceStore(f"sqlite:///{file}", system="other-shop")
    assert other.runs() == []
    assert other.measure_history("load.latency.p99", {"journey": "browse"}, profile="quick") == []


def test_hostile_text_and_numbers_are_kept_or_replaced_never_refused(store: EvidenceStore) -> None:
    result = fake_result(hostile=True)
    odd = replace(result.stages[0], measures=(Measure("schema.x", float("nan"), "ms"), Measure("schema.y", 1.0, "ms")))
    store.save(replace(result, seed=2**70, stages=(odd, *result.stages[1:])))
    back = store.load(result.run_id)
    assert back.seed == 2**70
    assert [m.name for m in back.stages[0].measures] == ["schema.y"]
    assert len(back.stages[3].findings) == len(result.stages[3].findings)


def test_runs_that_end_at_the_same_moment_are_all_recorded(file: Path, store: EvidenceStore) -> None:
    code = (
        "import sys; from harness.evidence.store import EvidenceStore; from tests.report.fakes import fake_result\n"
        "EvidenceStore(sys.argv[1]).save(fake_result(run_id=sys.argv[2]))"
    )
    root = Path(__file__).parents[2]
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, f"sqlite:///{file}", f"run-{i}"], cwd=root, stderr=subprocess.PIPE
        )
        for i in range(4)
    ]
    errors = [child.communicate(timeout=60)[1].decode() for child in children]
    assert errors == [""] * 4
    assert {r.run_id for r in store.runs()} == {f"run-{i}" for i in range(4)}


def test_a_damaged_file_is_one_clear_message(file: Path, store: EvidenceStore) -> None:
    file.parent.mkdir()
    file.write_bytes(b"this is no database " * 100)
    with pytest.raises(InfrastructureError, match=r"evidence\.db.*damaged: move it away"):
        store.runs()
    with pytest.raises(InfrastructureError, match="What the run found stands"):
        store.save(run(1, 1.0))


def test_a_database_that_may_only_be_read_is_one_clear_message(file: Path, store: EvidenceStore) -> None:
    store.save(run(1, 1.0))
    readonly = EvidenceStore(f"sqlite:///file:{file}?mode=ro&uri=true")
    with pytest.raises(InfrastructureError, match="may only be read"):
        readonly.save(run(2, 1.0))


def test_a_database_kept_locked_is_one_clear_message(
    file: Path, store: EvidenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(run(1, 1.0))
    monkeypatch.setattr("harness.evidence.store._BUSY_S", 0.05)
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(InfrastructureError, match="locked"):
            EvidenceStore(store.url).save(run(2, 1.0))
    finally:
        holder.close()


def test_a_store_of_a_newer_harness_is_left_alone(file: Path, store: EvidenceStore) -> None:
    store.save(run(1, 1.0))
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE about SET schema_version = 99")
    with pytest.raises(InfrastructureError, match="newer harness"):
        store.runs()


def test_a_url_nobody_can_open_is_the_users_mistake() -> None:
    with pytest.raises(UsageError, match="nosuchdb"):
        EvidenceStore("nosuchdb://localhost/x").runs()


def test_passwords_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    store = EvidenceStore("sqlite://user:hunter22@/nowhere?x=1")
    assert "hunter22" not in store._shown


def test_sqlalchemy_is_imported_only_when_the_store_is_used() -> None:
    code = "import sys, harness.evidence.store; assert 'sqlalchemy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ}, timeout=60)
