"""Faults are rolled back whatever happens: the harness is killed or interrupted in the middle of one, or a journey breaks."""

# ruff: noqa: E501 - a table of cases is read one case a line

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.chaos.conftest import Running, started
from tests.chaos.tiny import HARNESS, JOURNEYS, experiment, process_experiment, project_files, run_chaos
from tests.helpers import HARNESS as COMMAND
from tests.helpers import run_harness, wait_for, write_project

LONG = 'fault_for = "60s"\n'
FAULTS = {
    "edge": experiment(more=LONG),
    "refused": experiment("refused", "", more=LONG),
    "pause": process_experiment("pause", more=LONG),
    "kill": process_experiment("kill", more=LONG),
    "full_disk": process_experiment("full_disk", more=LONG),
}


def processes_below(root: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd().startswith(str(root)) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def journal(root: Path) -> list[dict[str, object]]:
    files = list(root.glob(".harness/runs/*/chaos/journal.jsonl"))
    return [json.loads(line) for line in files[0].read_text().splitlines()] if files else []


def in_force(root: Path, kind: str, server: Running) -> bool:
    """Whether the fault can be seen from outside, beyond what the journal says."""
    if "fault injected" not in [e["what"] for e in journal(root)]:
        return False
    (proxy,) = server.client.proxies().values()
    services = [p for p in processes_below(root) if "service.py" in " ".join(p.cmdline())]
    match kind:
        case "edge":
            return list(proxy.toxics()) == ["one-0"]
        case "refused":
            return not proxy.enabled
        case "pause":
            return [p.status() for p in services].count(psutil.STATUS_STOPPED) == 1
        case "kill":
            return len(services) == 1
        case _:
            return [p.rlimit(resource.RLIMIT_FSIZE)[0] for p in services].count(0) == 1


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for process in processes_below(tmp_path):
        with suppress(psutil.Error):
            process.kill()


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
@pytest.mark.parametrize("kind", FAULTS)
def test_within_five_seconds_the_fault_is_lifted_and_no_process_is_left(
    root: Path, kind: str, sig: signal.Signals
) -> None:
    write_project(root, HARNESS.format(env="", runtime=""), project_files({"one.toml": FAULTS[kind]}))
    with started("built-in") as server:
        env = {**os.environ, "TOXIPROXY_URL": server.url, "NO_COLOR": "1"}
        command = [*COMMAND, "run", "chaos"]
        quiet = subprocess.DEVNULL
        run = subprocess.Popen(command, cwd=root, env=env, stdout=quiet, stderr=quiet, start_new_session=True)
        try:
            wait_for(lambda: in_force(root, kind, server), 60)
            run.send_signal(sig)

            wait_for(lambda: server.client.proxies() == {} and processes_below(root) == [], 5)
        finally:
            run.kill()
            run.wait()
    if sig == signal.SIGINT:
        assert run.returncode == 130
        assert [e["what"] for e in journal(root)][-1] == "fault lifted"


def test_a_journey_that_breaks_ends_no_experiment_and_leaves_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = JOURNEYS.replace('    user.get("/page")', '    assert user.get("/page").json()["data"]')
    answering = experiment("limit_data", "bytes = 5", expect="degraded")
    write_project(tmp_path, HARNESS.format(env="", runtime=""))
    with started("built-in") as server:
        monkeypatch.setenv("TOXIPROXY_URL", server.url)

        result = run_chaos(
            tmp_path, {"one.toml": answering, "../synthetic/journeys.py": broken}, env='FALLBACK = "yes"'
        )

        assert server.client.proxies() == {}
    assert {f.rule for f in result.findings} == {"chaos.expectation"}
    assert [e["what"] for e in journal(tmp_path) if e["experiment"] == "one"].count("fault lifted") == 2


def test_a_journeys_file_that_kills_its_driver_is_told_and_leaves_nothing(root: Path) -> None:
    dying = JOURNEYS.replace('    user.get("/page")', "    import os, time; time.sleep(0.3); os._exit(9)")
    files = project_files({"one.toml": experiment()}) | {"synthetic/journeys.py": dying}
    write_project(root, HARNESS.format(env="", runtime=""), files)
    with started("built-in") as server:
        done = run_harness("run", "chaos", cwd=root, env={"TOXIPROXY_URL": server.url})

        assert server.client.proxies() == {}
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert processes_below(root) == []


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"one.toml": ""}, "chaos/one.toml: is empty"),
        ({"one.toml": experiment().replace("front -> back", "front -> bakc")}, 'chaos/one.toml: edge: there is no edge "front -> bakc"'),
        ({"one.toml": experiment("timeuot", "")}, 'chaos/one.toml: faults.0.type: found "timeuot"'),
        ({"one.toml": experiment("timeout", "timeout = -1")}, "chaos/one.toml: faults.0.attributes.timeout: found -1."),
        ({"one.toml": process_experiment("kil")}, "chaos/one.toml: processes.0.action: found 'kil'. Did you mean \"kill\"?"),
        ({"one.toml": process_experiment("kill", service="bakc")}, 'processes.0.service: there is no service "bakc". Did you mean "back"?'),
        ({"a.toml": experiment(), "b.toml": experiment(more='name = "a"\n')}, 'chaos/b.toml: name: "a" is already the name of chaos/a.toml.'),
        ({"one.toml": experiment(journey="read_pag")}, 'there is no journey "read_pag" in synthetic/journeys.py. Did you mean "read_page"?'),
        ({"one.py": "from harness.chaos import experiment\n@experiment()\ndef one(chaos): yield 1\n"}, "chaos/one.py: one.journeys: is missing."),
        ({"one.py": "def"}, "chaos/one.py: is not valid Python: invalid syntax, line 1"),
        ({"one.toml": experiment(more='after = ["paid"]\n')}, "chaos/one.toml: after: names invariants, but there is no invariants.py in chaos/."),
    ],
)  # fmt: skip
def test_a_mistake_in_an_experiment_is_one_message_and_exit_code_2(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    write_project(tmp_path, HARNESS.format(env="", runtime=""), project_files(files))

    done = run_harness("run", "chaos", cwd=tmp_path)

    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
