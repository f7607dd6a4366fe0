"""Runs that are killed, broken, or short of a disk: what had ended is kept, and the next start clears up. Real processes."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.helpers import HARNESS, wait_for
from tests.pipeline.bench import Bench, kill, reason, status

GATE = '[[gates]]\nmeasure = "quick.latency.p99"\nmax = "400ms"\n'
KILLED = "cut short: the harness was killed"


def killed_in_the_middle(bench: Bench, **quick: Any) -> Path:
    """A run whose stage `quick` had ended, and which was killed in the middle of `using`; `late` had not begun."""
    bench.write(GATE, quick={"p99": [100], **quick}, using={"early": ["a", "b"], "litter": True, "hold": True})
    with bench.started("quick", "using", "timed") as run:
        folder = bench.wait_for_journal('"name":"quick","status"', '"key":"b"')
        wait_for((folder / "using" / "pipe").exists, 10)
        kill(run)
    return folder


def result_of(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return document


def stage_of(result: dict[str, Any], name: str) -> dict[str, Any]:
    return next(s for s in result["stages"] if s["name"] == name)


def test_a_killed_run_keeps_what_had_ended_and_what_was_found(bench: Bench) -> None:
    folder = killed_in_the_middle(bench)

    done = bench.harness("report", folder.name, "--out", "out")

    assert done.returncode == 0, done.stderr
    assert f"run {folder.name}: inconclusive: {KILLED}" in done.stderr
    result = result_of(bench.root / "out")
    assert (result["verdict"], result["exit_code"], result["cut_short"]) == ("inconclusive", 3, True)
    assert {s["name"]: s["status"] for s in result["stages"] if s["status"] != "skipped"} == {
        "quick": "pass",
        "using": "inconclusive",
        "timed": "inconclusive",
    }
    assert stage_of(result, "quick")["measures"][0]["value"] == 100
    assert [f["key"] for f in stage_of(result, "using")["findings"]] == ["a", "b"]
    assert reason(result, "using") == KILLED
    assert reason(result, "timed") == f"{KILLED}, and this stage had not begun"
    assert [g["status"] for g in result["gates"]] == ["pass"]
    assert (result["system"], result["profile"]) == ("one", "quick")
    assert result["command"].startswith("harness run quick using timed")


def test_every_report_says_that_a_run_was_cut_short(bench: Bench) -> None:
    killed_in_the_middle(bench)

    bench.harness("report", "--out", "out")

    out = bench.root / "out"
    assert KILLED in (out / "report.html").read_text()
    assert KILLED in (out / "summary.md").read_text()
    suites = ElementTree.parse(out / "junit.xml").getroot()
    assert suites.get("errors") == "3"  # the run, and the two stages that had not ended
    assert suites.find("testsuite[@name='run']/testcase/error") is not None


def test_a_killed_run_in_which_something_had_failed_is_failed(bench: Bench) -> None:
    folder = killed_in_the_middle(bench, findings=["error"])

    listed = bench.harness("report", "--list").stdout

    result = result_of(folder)
    assert (result["verdict"], result["exit_code"]) == ("fail", 1)
    assert result["reason"] == f"{KILLED}; failed: quick"
    assert re.search(rf"^{folder.name} .* fail .* 3 errors  \(cut short\)$", listed, re.MULTILINE)


def test_the_next_run_ends_the_one_that_was_killed_and_removes_its_leftovers_but_no_log(bench: Bench) -> None:
    folder = killed_in_the_middle(bench)
    assert (folder / "using" / "web.tmp").is_dir()

    done = bench.run("other")

    assert f"run {folder.name} was killed; what had ended is kept (inconclusive)" in done.stderr
    left = {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()}
    assert {"result.json", "using/stage.log", "quick/stage.log", "system/web.log"} <= left
    assert not any("data" in p or ".tmp" in p or "pipe" in p or "journal" in p for p in left)
    assert done.stderr.count("was killed") == 1
    assert "was killed" not in bench.run("other").stderr


def test_what_a_killed_run_had_not_masked_yet_is_left_out_as_nobody_knows_its_secrets(bench: Bench) -> None:
    folder = killed_in_the_middle(bench)
    planted = [folder / stage / "planted.log" for stage in ("system", "using", "quick")]
    for log in planted:
        log.write_text("got caller 8f3a11b2c9d0\n")

    bench.harness("report", "--list")

    told = "[24 bytes left out: the run was killed before they were looked through for secrets]\n"
    assert [log.read_text() for log in planted] == [told, told, "got caller 8f3a11b2c9d0\n"]


def test_a_run_that_was_cut_short_is_no_baseline(bench: Bench) -> None:
    killed_in_the_middle(bench)
    bench.write('[[gates]]\nmeasure = "quick.latency.p99"\nbaseline = "+10%"\n', quick={"p99": [900]})

    code, result = bench.result("quick")

    assert code == 0
    assert result["gates"][0]["reason"] == "no earlier passing run to compare with"


def test_a_run_that_goes_on_is_shown_as_far_as_it_is_and_nothing_of_it_is_touched(bench: Bench) -> None:
    bench.write(quick={"findings": ["warning"]}, using={"early": ["a"], "litter": True, "hold": True})
    with bench.started("quick", "using") as run:
        folder = bench.wait_for_journal('"name":"quick","status"', '"key":"a"')
        wait_for((folder / "using" / "pipe").exists, 10)
        before = {str(p) for p in folder.rglob("*")}

        shown = bench.harness("report", "--out", "out")
        listed = bench.harness("report", "--list").stdout
        other = bench.run("other")
        after = {str(p) for p in folder.rglob("*")}
        (bench.root / "go").touch()
        run.wait(30)

    assert "still going on" in shown.stdout
    assert "warned" in shown.stdout or "warning" in shown.stdout
    assert result_of(bench.root / "out")["cut_short"] is False
    assert listed.splitlines()[0].startswith(folder.name)
    assert listed.splitlines()[0].endswith("still going on")
    assert "was killed" not in other.stderr
    assert before <= after
    assert not any(p.endswith("result.json") for p in after)
    assert stage_of(result_of(folder), "using")["work"] == {"things": 1}


def test_of_two_runs_side_by_side_only_the_killed_one_is_ended(bench: Bench) -> None:
    bench.write(quick={"early": ["a"], "hold": True}, other={"early": ["b"], "litter": True, "hold": True})
    with bench.started("quick") as killed, bench.started("other") as alive:
        dead = bench.wait_for_journal('"key":"a"')
        living = bench.wait_for_journal('"key":"b"')
        kill(killed)
        # Many at once: one of them ends the killed run, each leaves the other alone.
        reports = [
            subprocess.Popen([*HARNESS, "report", "--list"], cwd=bench.root, env={**os.environ, **bench.env})
            for _ in range(3)
        ]
        codes = [r.wait(60) for r in reports]
        wait_for((living / "other" / "pipe").exists, 10)
        (bench.root / "go").touch()
        alive.wait(30)

    assert codes == [0, 0, 0]
    assert result_of(dead)["cut_short"] is True
    assert result_of(living)["reason"] == "other: 1 error found"
    assert (living / "other" / "data" / "shop.db").exists()
    listed = bench.harness("report", "--list").stdout
    assert [listed.count(folder.name) for folder in (dead, living)] == [1, 1]


def test_processes_of_a_run_whose_guardian_was_killed_as_well_are_ended_at_the_next_start(bench: Bench) -> None:
    import psutil

    bench.write(using={"early": ["a"], "hold": True})
    with bench.started("using") as run:
        bench.wait_for_journal('"key":"a"')
        family = psutil.Process(run.pid).children(recursive=True)
        guardians = [p for p in family if "guardian" in " ".join(p.cmdline())]
        others = [p for p in family if p not in guardians]
        for process in guardians:
            process.kill()
        kill(run)
    assert any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in others)

    bench.harness("report", "--list")

    _, alive = psutil.wait_procs(others, timeout=10)
    assert alive == []


def test_a_journal_that_a_power_cut_tore_is_told(bench: Bench) -> None:
    folder = killed_in_the_middle(bench)
    journal = folder / "journal.ndjson"
    written = journal.read_bytes()
    journal.write_bytes(written + written.splitlines()[-1][:-40])

    done = bench.harness("report")

    assert done.returncode == 0, done.stderr
    assert "1 line of its journal cannot be read and is left out" in done.stderr
    result = result_of(folder)
    assert (status(result, "quick"), status(result, "using")) == ("pass", "inconclusive")


def test_a_run_killed_between_its_result_and_the_history_is_in_the_history_at_the_next_start(bench: Bench) -> None:
    folder = killed_in_the_middle(bench)
    journal = (folder / "journal.ndjson").read_bytes()
    bench.harness("report")
    whole = (folder / "result.json").read_text().replace(KILLED, "3 stages passed")
    (folder / "result.json").write_text(whole)
    (folder / "journal.ndjson").write_bytes(journal)

    done = bench.harness("report", "--list")

    assert f"run {folder.name} was killed when it had its result" in done.stderr
    assert (folder / "result.json").read_text() == whole
    assert "cut short" not in done.stdout


BROKEN = """
import sys
from harness.cli import main
from harness.pipeline import scheduler
judge = scheduler.apply_gates
def apply_gates(result, *rest):
    if result.name == "other": raise {error}
    return judge(result, *rest)
scheduler.apply_gates = apply_gates
main()
"""


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("KeyError('oops')", "cut short: the harness broke: KeyError: 'oops' (traceback in "),
        ("OSError(28, 'No space left on device')", "cut short: the harness broke: [Errno 28] No space left on device"),
    ],
)
def test_a_harness_that_breaks_loses_nothing_that_had_ended(bench: Bench, error: str, says: str) -> None:
    bench.write(quick={"p99": [5]}, other={"after": "quick"})
    bench.write('[stages.other]\nafter = ["quick"]\n', quick={"p99": [5]})

    done = subprocess.run(
        [sys.executable, "-c", BROKEN.format(error=error), "run", "quick", "other", "--out", "out"],
        cwd=bench.root,
        env={**os.environ, "NO_COLOR": "1", **bench.env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 3
    assert says in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    result = result_of(bench.root / "out")
    assert (result["cut_short"], status(result, "quick"), status(result, "other")) == (True, "pass", "inconclusive")
    assert not list(bench.root.glob(".harness/runs/*/journal.ndjson"))
    if "KeyError" in error:
        [log] = bench.root.glob(".harness/runs/*/harness.log")
        assert "KeyError: 'oops'" in log.read_text()


def test_a_disk_that_is_full_in_the_middle_is_told_once_and_ends_no_run(bench: Bench) -> None:
    bench.write(quick={"early": [f"finding {n}" for n in range(300)]})

    done = subprocess.run(
        [*HARNESS, "run", "quick", "--store", "sqlite://"],
        cwd=bench.root,
        env={**os.environ, "NO_COLOR": "1", **bench.env},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "300 errors" in done.stdout
    assert done.stderr.count("journal.ndjson: File too large") == 1
    assert "Traceback" not in done.stderr


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files of this test's own."""
    folder = Path(tempfile.mkdtemp(prefix="test-"))
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    shutil.rmtree(folder)


def test_where_the_project_takes_no_evidence_the_run_goes_on_in_a_private_folder(bench: Bench, temporary: Path) -> None:
    bench.write(quick={"p99": [5]})
    (bench.root / ".harness").write_text("a file", encoding="utf-8")

    done = bench.run("quick", "using", "--out", "out")

    assert done.returncode == 0, done.stderr
    [folder] = temporary.glob("harness-run-*")
    assert done.stderr.count(f"the evidence of this run is in {folder}: cannot write ") == 1
    assert "the run is not in the history" in done.stderr
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / "quick" / "stage.log").exists()
    assert result_of(bench.root / "out")["verdict"] == "pass"
    assert (bench.root / ".harness").read_text() == "a file"
    assert bench.harness("report").returncode == 2
    assert folder.exists()  # somebody was told to look there


def test_a_verdict_is_the_exit_code_where_the_project_takes_no_evidence(bench: Bench, temporary: Path) -> None:
    bench.write(quick={"findings": ["error"]})
    (bench.root / ".harness").symlink_to(bench.root / "nowhere" / "at" / "all")

    assert bench.run("quick").returncode == 1
    assert list(temporary.glob("harness-run-*/result.json"))


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="nothing to take root's rights away with")
def test_a_folder_that_may_only_be_read_and_one_that_may_not_even_be_read_stop_no_run(
    bench: Bench, temporary: Path
) -> None:
    gate = '[[gates]]\nmeasure = "quick.latency.p99"\nmax = "1s"\nbaseline = "+10%"\n'
    bench.write(gate, quick={"p99": [100]})
    assert bench.run("quick").returncode == 0
    bench.write(gate, quick={"p99": [500]})
    places = (bench.root / ".harness", bench.root / ".harness" / "runs")

    with_mode(0o500, *places)
    readable = as_anybody(bench, "run", "quick")
    with_mode(0o000, *reversed(places))
    hidden = as_anybody(bench, "run", "quick")
    with_mode(0o700, *places)

    assert readable.returncode == 1, readable.stderr
    assert "+400% against 100 ms in the last 1 passing runs" in readable.stdout
    assert "the run is not in the history" in readable.stderr
    assert hidden.returncode == 3, hidden.stderr  # a gate with a baseline cannot say anything, the rest can
    assert "quick.latency.p99: cannot open the evidence store" in hidden.stdout
    assert "this run knows of no earlier ones" in hidden.stderr
    assert "Traceback" not in readable.stderr + hidden.stderr
    assert len(list(temporary.glob("harness-run-*/result.json"))) == 2


def with_mode(mode: int, *folders: Path) -> None:
    for folder in folders:
        folder.chmod(mode)


def as_anybody(bench: Bench, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `harness` without root's right to write wherever it likes."""
    rights = "-dac_override,-dac_read_search"
    mortal = ["setpriv", "--bounding-set", rights, "--inh-caps", rights] if os.geteuid() == 0 else []
    return subprocess.run(
        [*mortal, *HARNESS, *arguments],
        cwd=bench.root,
        env={**os.environ, "NO_COLOR": "1", **bench.env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def up(bench: Bench) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*HARNESS, "up", "--json"],
        cwd=bench.root,
        env={**os.environ, **bench.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("{")
    return process


def test_up_leaves_no_folder_after_sigkill(bench: Bench, temporary: Path) -> None:
    bench.write()
    with up(bench) as process:
        assert len(list(temporary.glob("harness-up-*"))) == 1

        kill(process)

    wait_for(lambda: not list(temporary.glob("harness-up-*")), 20)


@pytest.mark.parametrize("command", [("run", "quick"), ("up", "nobody")])
def test_the_next_start_removes_what_up_left_when_its_guardian_was_killed_as_well(
    bench: Bench, temporary: Path, command: tuple[str, ...]
) -> None:
    import psutil

    bench.write()
    with up(bench) as alive, up(bench) as dead:
        family = psutil.Process(dead.pid).children(recursive=True)
        kept = {p for p in temporary.glob("harness-up-*") if any(p.name in f.path for f in open_files(alive.pid))}
        assert len(kept) == 1
        for process in family:
            process.kill()
        kill(dead)
        assert len(list(temporary.glob("harness-up-*"))) == 2

        bench.harness(*command)

        assert set(temporary.glob("harness-up-*")) == kept
        alive.send_signal(signal.SIGTERM)
        assert alive.wait(20) == 0
    assert list(temporary.glob("harness-up-*")) == []


def open_files(pid: int) -> list[Any]:
    """Files that a process or its children hold open."""
    import psutil

    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return [file for process in family for file in process.open_files()]
