"""What a journal says after a kill, a power cut or a full disk, and what is removed of a run that was killed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.evidence import Artifact, Finding, GateOutcome, Measure, RunResult, Severity, StageResult, Status
from harness.evidence.store import EvidenceStore
from harness.pipeline import FindingFound, PlannedStage, StageFinished, StageStarted
from harness.pipeline.cutshort import KILLED, result_so_far
from harness.pipeline.folders import RunState, state_of, taken
from harness.pipeline.journal import Journal, Record, RunBegun, read_record
from harness.pipeline.recovery import Keeper, clean_run_folder, end_killed_runs, runs_so_far
from harness.report import read_result, write_result

BEGUN = RunBegun(
    run_id="20260101-000000-abcd",
    system="one",
    profile="full",
    seed=7,
    started="2026-01-01T00:00:00+00:00",
    stages=(PlannedStage("quick", "Quick"), PlannedStage("using", "Using"), PlannedStage("late", "Late", skip="off")),
    commit="c0ffee",
    command="harness run",
)
QUICK = StageResult(
    name="quick", status=Status.PASS, work={"things": 2}, measures=(Measure("quick.p99", 5.0, "ms"),), started=1.0
)
FOUND = Finding(rule="using.wrong", severity=Severity.ERROR, title="wrong \ud800 \u2028 here", key="a")
PASSED = GateOutcome(gate="quick.p99", stage="quick", status=Status.PASS, reason="fine")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / ".harness" / "runs" / BEGUN.run_id
    folder.mkdir(parents=True)
    return folder


def never(text: str) -> None:
    raise AssertionError(text)


def written(folder: Path) -> Journal:
    """A journal in the middle of the stage `using`."""
    journal = Journal(folder, BEGUN, never)
    journal.handle(StageStarted(stage="quick", at=1.0))
    journal.handle(StageFinished(result=QUICK, gates=(PASSED,)))
    journal.handle(StageStarted(stage="using", at=2.0))
    journal.handle(FindingFound(stage="using", finding=FOUND))
    return journal


def keeper(store: EvidenceStore) -> Keeper:
    return Keeper(read=lambda f: read_result(f / "result.json"), write=write_result, save=store.save)


def statuses(result: RunResult) -> dict[str, str]:
    return {s.name: s.status.value for s in result.stages}


def test_what_was_known_is_read_back_as_it_was(folder: Path) -> None:
    written(folder).close()

    result = result_so_far(read_record(folder / "journal.ndjson"), KILLED)

    assert result.stage("quick") == QUICK
    assert result.gates == (PASSED,)
    using = result.stage("using")
    assert using is not None
    assert (using.status, using.reason, using.started) == (Status.INCONCLUSIVE, KILLED, 2.0)
    assert [f.fingerprint for f in using.findings] == [FOUND.fingerprint]
    assert statuses(result)["late"] == "skipped"
    assert (result.seed, result.profile, result.commit, result.command) == (7, "full", "c0ffee", "harness run")


def test_a_run_is_going_on_as_long_as_its_journal_is_held(folder: Path) -> None:
    journal = written(folder)
    running = state_of(folder)
    journal.close()
    killed = state_of(folder)
    with taken(folder) as ours, taken(folder) as also_ours:
        pass
    (folder / "journal.ndjson").unlink()

    assert (running, killed, state_of(folder)) == (RunState.RUNNING, RunState.KILLED, RunState.ENDED)
    assert (ours, also_ours) == (True, False)


def test_a_run_that_was_killed_after_its_last_stage_had_passed_has_not_passed() -> None:
    stages = (PlannedStage("quick", "Quick"),)
    record = Record(RunBegun(run_id="r", stages=stages), ended={"quick": QUICK}, last=9.0)

    result = result_so_far(record, KILLED)

    assert (result.verdict, result.exit_code, result.cut_short) == (Status.INCONCLUSIVE, 3, True)


@pytest.mark.parametrize(
    ("spoil", "known"),
    [
        (lambda text: text[:-40], {"quick": "pass", "using": "inconclusive"}),
        (lambda text: text + b'{"kind":"stage_fin', {"quick": "pass", "using": "inconclusive"}),
        (lambda text: text + b"\x00" * 4096, {"quick": "pass", "using": "inconclusive"}),
        (lambda text: text + os.urandom(4096).replace(b"\n", b""), {"quick": "pass", "using": "inconclusive"}),
        (lambda text: text + b"[" * 100_000, {"quick": "pass", "using": "inconclusive"}),
        (lambda text: text.replace(b'"run_begun"', b'"run_b'), {"quick": "pass", "using": "inconclusive"}),
        (lambda text: text.replace(b'"result":', b'"resu'), {"quick": "inconclusive", "using": "inconclusive"}),
    ],
    ids=["cut", "a torn line", "blocks of nothing", "noise", "nesting", "the run's own line", "a stage's line"],
)
def test_a_line_that_a_power_cut_tore_is_told_and_nothing_passes_for_it(
    folder: Path, tmp_path: Path, spoil: Callable[[bytes], bytes], known: dict[str, str]
) -> None:
    written(folder).close()
    journal = folder / "journal.ndjson"
    journal.write_bytes(spoil(journal.read_bytes()))
    store = EvidenceStore(f"sqlite:///{tmp_path / 'evidence.db'}")

    end_killed_runs(tmp_path, keeper(store), tell=lambda _text: None)

    result = store.load(BEGUN.run_id)
    assert "1 line of its journal cannot be read and is left out" in result.reason
    assert {name: statuses(result)[name] for name in known} == known
    assert (result.verdict, result.cut_short) == (Status.INCONCLUSIVE, True)
    assert not journal.exists()


def test_a_journal_with_nothing_in_it_is_a_run_of_which_nothing_is_known(folder: Path, tmp_path: Path) -> None:
    (folder / "journal.ndjson").write_bytes(b"")
    store = EvidenceStore(f"sqlite:///{tmp_path / 'evidence.db'}")

    end_killed_runs(tmp_path, keeper(store), tell=lambda _text: None)

    result = store.load(BEGUN.run_id)
    assert (result.verdict, result.stages) == (Status.INCONCLUSIVE, ())


def test_a_run_that_was_cut_short_is_never_a_baseline(folder: Path, tmp_path: Path) -> None:
    written(folder).close()
    store = EvidenceStore(f"sqlite:///{tmp_path / 'evidence.db'}")

    end_killed_runs(tmp_path, keeper(store), tell=lambda _text: None)

    assert store.measure_history("quick.p99", {}, profile="full", passing_only=False) == [5.0]
    assert store.measure_history("quick.p99", {}, profile="full") == []
    assert store.latest(passing_only=True) is None
    assert [r.cut_short for r in store.runs()] == [True]


def test_logs_are_masked_before_a_killed_run_counts_as_ended(folder: Path, tmp_path: Path) -> None:
    written(folder).close()
    seen: list[tuple[Path, bool]] = []
    store = EvidenceStore(f"sqlite:///{tmp_path / 'evidence.db'}")
    with_mask = Keeper(
        read=lambda f: read_result(f / "result.json"),
        write=write_result,
        save=store.save,
        mask=lambda f: seen.append((f, (f / "journal.ndjson").exists())),
    )

    end_killed_runs(tmp_path, with_mask, tell=lambda _text: None)

    assert seen == [(folder, True)]


def test_a_run_that_cannot_be_ended_is_told_and_shown_all_the_same(folder: Path, tmp_path: Path) -> None:
    written(folder).close()
    (folder / "result.json").mkdir()  # in the way of the file
    told: list[str] = []

    end_killed_runs(tmp_path, keeper(EvidenceStore("sqlite://")), tell=told.append)

    assert len(told) == 1
    assert "cannot be brought to an end: cannot write" in told[0]
    assert [statuses(r)["quick"] for r in runs_so_far(tmp_path).values()] == ["pass"]


@pytest.mark.parametrize("plant", ["fifo", "link", "folder"])
def test_a_journal_that_is_no_file_holds_nothing_up(folder: Path, tmp_path: Path, plant: str) -> None:
    journal = folder / "journal.ndjson"
    {"fifo": os.mkfifo, "link": lambda p: p.symlink_to("/dev/zero"), "folder": os.mkdir}[plant](journal)  # type: ignore[operator]
    told: list[str] = []

    end_killed_runs(tmp_path, keeper(EvidenceStore("sqlite://")), tell=told.append)

    assert told == []
    assert runs_so_far(tmp_path) == {}


def test_ten_thousand_findings_are_written_once_each(folder: Path) -> None:
    journal = Journal(folder, BEGUN, never)
    for number in range(10_000):
        journal.handle(
            FindingFound(stage="using", finding=Finding(rule="r", severity=Severity.INFO, title=str(number)))
        )
    journal.close()

    text = (folder / "journal.ndjson").read_bytes()
    assert text.count(b"\n") == 10_001
    assert len(read_record(folder / "journal.ndjson").found["using"]) == 10_000


def test_what_is_no_evidence_is_removed_from_the_folder_of_a_killed_run(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    for name in ("chaos/control/data/shop.db", "fuzz/web.tmp/replies", "load/data/kept.json", "system/web.log"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / ".result.json.x1y2").touch()
    os.mkfifo(folder / "fuzz" / "events")
    (folder / "chaos" / "control" / "data" / "link").symlink_to(outside)
    (folder / "system" / "data").symlink_to(outside)
    artifact = Artifact("kept", "load/data/kept.json")

    clean_run_folder(folder, [folder / artifact.path])

    left = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())
    assert left == ["load/data/kept.json", "system/web.log"]
    assert (outside / "precious").exists()
