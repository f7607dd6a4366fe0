"""Whole runs through the command line: order, verdicts, exit codes, interruptions. Stages are real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import psutil
import pytest

from tests.helpers import HARNESS, run_harness
from tests.pipeline.bench import SERVER, Bench, reason, status


def test_everything_passing_is_pass_and_exit_0(bench: Bench) -> None:
    bench.write()

    code, result = bench.result()

    assert code == 0
    assert result["verdict"] == "pass"
    assert {s["name"]: s["status"] for s in result["stages"]} == dict.fromkeys(
        ("quick", "other", "late", "timed", "using"), "pass"
    )


def test_a_stage_that_did_no_work_never_passes(bench: Bench) -> None:
    bench.write(quick={"work": 0})

    code, result = bench.result("quick")

    assert (code, result["verdict"], reason(result, "quick")) == (3, "inconclusive", "did no work")


def test_an_error_found_is_fail_and_exit_1(bench: Bench) -> None:
    bench.write(other={"findings": ["error"]})

    code, result = bench.result()

    assert (code, result["verdict"], status(result, "other")) == (1, "fail", "fail")
    assert all(f["fingerprint"] for s in result["stages"] for f in s["findings"])


def test_a_warning_is_warn_and_exit_0(bench: Bench) -> None:
    bench.write(other={"findings": ["warning"]})

    assert bench.result("other")[0] == 0
    assert bench.result("other")[1]["verdict"] == "warn"


def test_a_stage_whose_requirement_failed_is_not_run_and_says_so(bench: Bench) -> None:
    bench.write(quick={"findings": ["error"]})

    code, result = bench.result("quick", "late")

    assert code == 1
    assert reason(result, "late") == "not run, because quick failed"
    assert "late" not in bench.spans()


def test_a_stage_that_measures_time_runs_alone_and_last(bench: Bench) -> None:
    bench.write(quick={"sleep": 0.3}, other={"sleep": 0.3}, timed={"sleep": 0.3})

    bench.run()

    spans = bench.spans()
    begun, ended = spans.pop("timed")
    assert all(e <= begun or b >= ended for b, e in spans.values())
    assert begun >= max(e for _, e in spans.values())


def test_independent_stages_run_side_by_side(bench: Bench) -> None:
    bench.write(quick={"sleep": 1.5}, other={"sleep": 1.5})

    bench.run("quick", "other")

    spans = bench.spans()
    assert spans["quick"][0] < spans["other"][1]
    assert spans["other"][0] < spans["quick"][1]


def test_a_stage_waits_for_those_before_it(bench: Bench) -> None:
    bench.write(quick={"sleep": 0.3})

    bench.run("quick", "late")

    assert bench.spans()["late"][0] >= bench.spans()["quick"][1]


@pytest.mark.parametrize(
    ("kind", "code", "says"),
    [
        ("usage", 2, "the locustfile does not import"),
        ("infrastructure", 3, "no disk"),
        ("bug", 3, "internal error: KeyError: 'oops'"),
        ("exit", 3, "its process ended with 9 and no result"),
    ],
)
def test_a_stage_that_breaks_is_inconclusive_and_the_others_go_on(
    bench: Bench, kind: str, code: int, says: str
) -> None:
    bench.write(quick={"raise": kind})

    got, result = bench.result("quick", "other")

    assert got == code
    assert status(result, "quick") == "inconclusive"
    assert says in reason(result, "quick")
    assert status(result, "other") == "pass"


def test_a_stage_is_ended_at_its_time_limit(bench: Bench) -> None:
    bench.write('[stages.quick]\ntime_limit = "1s"\n', quick={"sleep": 60})

    code, result = bench.result("quick")

    assert code == 3
    assert reason(result, "quick") == "did not end within its time limit of 1 s"


def test_stages_that_want_the_system_find_it_running(bench: Bench) -> None:
    bench.write()

    bench.run("using")

    assert json.loads((bench.root / "addresses.json").read_text())["web"].startswith("http://127.0.0.1:")


def test_a_system_that_does_not_start_ends_in_exit_2_with_its_last_words_and_loses_nothing(bench: Bench) -> None:
    bench.write()
    (bench.root / "server.py").write_text("raise SystemExit('no such table')", encoding="utf-8")

    code, result = bench.result("quick", "using")

    assert code == 2
    assert status(result, "quick") == "pass"
    assert "service web did not start" in reason(result, "using")
    assert "no such table" in reason(result, "using")


def test_a_service_that_dies_in_a_stage_fails_it(bench: Bench) -> None:
    bench.write()
    (bench.root / "server.py").write_text(
        SERVER.replace("def do_GET(self):", "def do_GET(self):\n        if self.path == '/die': os._exit(7)"),
        encoding="utf-8",
    )
    # The stage asks the service to die just before its own process ends.
    (bench.root / "sitecustomize.py").write_text(
        "import atexit, json, pathlib, sys, urllib.request\n"
        "def die():\n"
        "    file = pathlib.Path('addresses.json')\n"
        "    if 'harness.pipeline.worker' in ' '.join(sys.orig_argv) and file.exists():\n"
        "        try: urllib.request.urlopen(json.loads(file.read_text())['web'] + '/die')\n"
        "        except Exception: pass\n"
        "atexit.register(die)\n",
        encoding="utf-8",
    )
    bench.env = {"PYTHONPATH": os.pathsep.join([str(bench.root), bench.env["PYTHONPATH"]])}

    code, result = bench.result("using")

    assert code == 1
    assert reason(result, "using") == "The process of web ended in the middle of the stage"


def test_a_gate_on_a_measure_turns_a_stage_red(bench: Bench) -> None:
    bench.write('[[gates]]\nmeasure = "quick.latency.p99"\nmax = "400ms"\n', quick={"p99": [500]})

    code, result = bench.result("quick")

    assert code == 1
    assert "500 ms, at most 400ms" in reason(result, "quick")
    assert "quick.gate" in {f["rule"] for s in result["stages"] for f in s["findings"]}
    assert result["gates"][0]["status"] == "fail"


def test_a_gate_that_saw_nothing_is_inconclusive(bench: Bench) -> None:
    bench.write('[[gates]]\nmeasure = "quick.latency.p98"\nmax = "400ms"\n', quick={"p99": [5]})

    code, result = bench.result("quick")

    assert code == 3
    assert 'Did you mean "quick.latency.p99"' in reason(result, "quick")


def test_a_baseline_gate_compares_with_the_passing_runs_before(bench: Bench) -> None:
    gate = '[[gates]]\nmeasure = "quick.latency.p99"\nbaseline = "+10%"\n'
    bench.write(gate, quick={"p99": [100]})
    assert bench.result("quick")[0] == 0
    bench.write(gate, quick={"p99": [105]})
    assert bench.result("quick")[0] == 0

    bench.write(gate, quick={"p99": [150]})
    code, result = bench.result("quick")

    assert code == 1
    assert "+46% against 102.5 ms in the last 2 passing runs" in reason(result, "quick")


def test_a_stage_switched_off_is_told_with_its_reason(bench: Bench) -> None:
    bench.write('[stages.late]\nenabled = false\nreason = "no consumers yet"\n')

    code, result = bench.result()

    assert code == 0
    assert (status(result, "late"), reason(result, "late")) == (
        "skipped",
        "switched off in harness.toml: no consumers yet",
    )


@pytest.mark.parametrize(
    ("arguments", "toml", "says"),
    [
        (("quik",), "", 'there is no stage "quik". Did you mean "quick"?'),
        ((), "[stages.quik]\n", 'stages.quik: there is no stage "quik". Did you mean "quick"?'),
        ((), '[[gates]]\nmeasure = "quik.p99"\nmax = 1\n', 'there is no stage "quik". Did you mean "quick"?'),
        ((), '[[gates]]\nmeasure = "quick.p99"\n', "gates.0: sets no limit"),
        ((), '[stages.quick]\nafter = ["late"]\n', "wait for each other in a circle: late -> quick -> late"),
        ((), '[stages.quick]\nafter = ["latte"]\n', 'stages.quick.after: there is no stage "latte"'),
        (("--only", "edge"), "", '"edge" is not KEY=VALUE'),
        (("--profile", "ful"), "", "ful"),
        (("--config", "none.toml"), "", "there is no file none.toml"),
        ((), "[runtime]\nproduction = true\n[stages.quick]\nfoo = 1\n", "stages.quick.foo"),
    ],
)
def test_a_mistake_is_one_message_and_exit_2(bench: Bench, arguments: tuple[str, ...], toml: str, says: str) -> None:
    bench.write(toml)

    done = bench.run(*arguments)

    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (bench.root / ".harness").exists()


def test_production_runs_no_stage_that_is_not_a_synthetic_check(bench: Bench) -> None:
    bench.write("[runtime]\nproduction = true\n")

    done = bench.run("quick")

    assert done.returncode == 2
    assert "may not run against production" in done.stderr


def test_an_output_folder_that_cannot_be_made_is_told_before_anything_runs(bench: Bench) -> None:
    bench.write()
    (bench.root / "file").write_text("", encoding="utf-8")

    done = bench.run("quick", "--out", "file/out")

    assert done.returncode == 2
    assert "file/out" in done.stderr
    assert not (bench.root / "journal.txt").exists()


def test_json_goes_to_standard_output_and_chatter_does_not(bench: Bench) -> None:
    bench.write()

    done = bench.run("quick", "--json", "--seed", "7")

    assert json.loads(done.stdout)["seed"] == 7
    assert "quick" in done.stderr


def test_two_runs_at_once_in_one_folder_are_both_recorded(bench: Bench) -> None:
    bench.write(quick={"sleep": 0.5})
    env = {**os.environ, **bench.env}

    runs = [
        subprocess.Popen(
            [*HARNESS, "run", "quick"], cwd=bench.root, env=env, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        for _ in range(2)
    ]
    codes = [r.wait(60) for r in runs]
    listed = run_harness("report", "--list", cwd=bench.root, env=bench.env).stdout.splitlines()

    assert codes == [0, 0]
    assert len(listed) == 2


def test_a_report_is_written_again_from_a_past_run(bench: Bench) -> None:
    bench.write()
    bench.run("quick")

    done = run_harness("report", "--out", "again", cwd=bench.root, env=bench.env)

    assert done.returncode == 0
    assert sorted(p.name for p in (bench.root / "again").iterdir()) == [
        "junit.xml",
        "report.html",
        "result.json",
        "summary.md",
    ]


def test_a_report_of_no_run_says_so(bench: Bench) -> None:
    bench.write()

    done = run_harness("report", cwd=bench.root, env=bench.env)

    assert done.returncode == 2
    assert "no run has been recorded" in done.stderr


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def started(bench: Bench) -> subprocess.Popen[bytes]:
    """A run in the middle of the stage `using`, which sleeps, with the system up."""
    bench.write(using={"sleep": 60})
    run = subprocess.Popen(
        [*HARNESS, "run", "using", "--out", "out"],
        cwd=bench.root,
        env={**os.environ, **bench.env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while not (bench.root / "journal.txt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return run


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_a_run_is_ended_nothing_of_it_is_left(bench: Bench, sig: signal.Signals) -> None:
    run = started(bench)
    family = descendants(run.pid)
    assert len(family) >= 3  # guardian, service, worker

    run.send_signal(sig)
    code = run.wait(20)

    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive
    assert code == (-9 if sig is signal.SIGKILL else 130)


def test_an_interrupted_run_still_writes_its_reports(bench: Bench) -> None:
    run = started(bench)

    run.send_signal(signal.SIGINT)
    run.wait(20)

    result = json.loads((bench.root / "out" / "result.json").read_text())
    assert (result["verdict"], result["exit_code"]) == ("inconclusive", 130)
    assert reason(result, "using") == "interrupted"
