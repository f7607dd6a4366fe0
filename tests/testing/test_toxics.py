"""The fixture `toxics` in somebody's own pytest suite: the system comes up behind proxies, and nothing is left of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.chaos.conftest import started
from tests.chaos.tiny import HARNESS, SERVICE
from tests.helpers import PLUGINS, run_pytest, wait_for, write_project

HELPER = """
import time, urllib.error, urllib.request
import pytest


def read(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
"""
GOOD = (
    HELPER
    + """

def test_a_slow_neighbour_is_given_up_on(toxics):
    assert read(toxics.url("front") + "/page") == 200
    with toxics.edge("front", "back").latency(2000):
        began = time.monotonic()
        assert read(toxics.url("front") + "/page") == 503
        assert time.monotonic() - began < 1.5


def test_it_was_lifted(toxics):
    assert read(toxics.url("front") + "/page") == 200


@pytest.mark.parametrize("how", ["down", "reset_peer", "timeout"])
def test_a_neighbour_that_is_gone(toxics, how):
    with getattr(toxics.edge("front", "back"), how)():
        assert read(toxics.url("front") + "/page") == 503
    assert read(toxics.url("front") + "/page") == 200
"""
)


@pytest.fixture(autouse=True)
def _built_in_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOXIPROXY_URL", raising=False)


def project(root: Path, text: str, *, toml: str = HARNESS.format(env="", runtime="")) -> None:
    (root / "pytest.ini").write_text("[pytest]\n")
    write_project(root, toml, {"service.py": SERVICE, "tests/test_own.py": text})


def options(*arguments: str) -> list[str]:
    return ["-p", "no:cacheprovider", "--basetemp", "base", *(arguments or ("tests",))]


def run(root: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return run_pytest(*options(*arguments), cwd=root, **env)


def processes_below(root: Path) -> list[psutil.Process]:
    """Everything that runs with its folder in the project, or whose output goes there."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(root)) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    left = processes_below(tmp_path)
    for process in left:
        process.kill()
    assert left == []


def test_a_suite_of_ones_own_meets_faults_on_edges_and_leaves_nothing(root: Path) -> None:
    project(root, GOOD)

    done = run(root)

    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


def test_under_xdist_every_worker_has_a_system_of_its_own(root: Path) -> None:
    project(root, GOOD)

    done = run(root, "tests", "-n", "2")

    assert "5 passed" in done.stdout, done.stdout
    assert len(list((root / "base").glob("*/toxics0/system/front.log"))) == 2


def test_under_xdist_fixed_ports_are_refused_with_the_reason(root: Path) -> None:
    fixed = HARNESS.format(env="", runtime="").replace("[services.back]", "[services.back]\nport = 15999")
    project(root, GOOD, toml=fixed)

    done = run(root, "tests", "-n", "2")

    assert done.returncode == 1
    assert (
        "2 pytest workers would each start the system, but harness.toml gives it fixed ports (services.back.port = 15999)"
        in done.stdout
    )


def test_faults_are_lifted_when_the_test_fails(root: Path) -> None:
    failing = (
        HELPER
        + """
def test_it_fails(toxics):
    with toxics.edge("front", "back").down():
        assert read(toxics.url("front") + "/page") == 200


def test_it_leaves_a_fault_behind(toxics):
    toxics.edge("front", "back").down().__enter__()


def test_all_is_well(toxics):
    assert read(toxics.url("front") + "/page") == 200
"""
    )
    project(root, failing)

    done = run(root)

    assert "1 failed, 2 passed" in done.stdout, done.stdout


def test_a_service_that_dies_is_told_with_its_log_and_started_again(root: Path) -> None:
    fragile = (
        HELPER
        + """
def test_it_dies(toxics):
    with toxics.edge("front", "back").down(), pytest.raises(OSError):
        read(toxics.url("front") + "/page")


def test_it_is_back(toxics):
    assert read(toxics.url("front") + "/page") == 200
"""
    )
    project(root, fragile, toml=HARNESS.format(env='FRAGILE = "yes"', runtime=""))

    done = run(root)

    assert "2 passed, 1 error" in done.stdout, done.stdout
    assert "front ended during this test; last lines of its log:" in done.stdout


@pytest.mark.parametrize("how", ["option", "ini"])
def test_the_system_may_be_described_elsewhere(root: Path, how: str) -> None:
    (root / "suite").mkdir()
    (root / "suite/test_own.py").write_text(GOOD)
    write_project(root / "system", HARNESS.format(env="", runtime=""), {"service.py": SERVICE})
    config = "harness_config = ../system/harness.toml\n" if how == "ini" else ""
    (root / "suite/pytest.ini").write_text(f"[pytest]\n{config}")
    option = ["--harness-config", "../system/harness.toml"] if how == "option" else []

    done = run(root / "suite", "test_own.py", *option)

    assert "5 passed" in done.stdout, done.stdout


def test_a_file_that_is_not_there_is_told(root: Path) -> None:
    project(root, GOOD)

    done = run(root, "tests", "--harness-config", "nowhere.toml")

    assert "nowhere.toml" in done.stdout + done.stderr
    assert "passed" not in done.stdout


@pytest.mark.parametrize(
    ("runtime", "said"),
    [
        ("production = true", "the system is marked production = true; faults are never injected there"),
        ('kind = "external"', 'with runtime.kind = "external" it cannot'),
    ],
)
def test_faults_are_refused_where_they_are_not_invited(root: Path, runtime: str, said: str) -> None:
    toml = HARNESS.format(env="", runtime=runtime)
    toml = toml.replace('command = ["python", "service.py"]', 'url = "http://127.0.0.1:9"')
    project(root, GOOD, toml=toml)

    done = run(root)

    assert "5 failed" in done.stdout, done.stdout
    assert said in done.stdout


def test_mistakes_are_told_in_one_sentence(root: Path) -> None:
    text = """
def test_edge(toxics):
    toxics.edge("front", "bakc")

def test_service(toxics):
    toxics.url("frnt")

def test_toxic(toxics):
    toxics.edge("front", "back").latency(-5)
"""
    project(root, text)

    out = run(root).stdout

    assert (
        'there is no edge "front -> bakc" in harness.toml. Did you mean "front -> back"? Known: front -> back.' in out
    )
    assert 'there is no service "frnt" in harness.toml. Did you mean "front"? Services: front, back.' in out
    assert "fault on front -> back: latency.attributes.latency: found -5. Accepted: 0 or more." in out


def test_a_system_that_does_not_start_is_tried_once_and_told_every_time(root: Path) -> None:
    project(root, GOOD)
    (root / "service.py").write_text("raise SystemExit('no luck')")

    done = run(root)

    assert "5 failed" in done.stdout, done.stdout
    assert "did not start: its process ended with exit code 1 before it was ready" in done.stdout
    assert (root / "base/toxics0/system/back.log").read_text().count("no luck") == 1


def test_a_proxy_goes_before_anything_without_a_harness_toml(root: Path) -> None:
    (root / "pytest.ini").write_text("[pytest]\n")
    (root / "test_own.py").write_text(
        """
import socket, threading, pytest

def test_a_store_that_is_gone(toxics):
    with socket.create_server(("127.0.0.1", 0)) as store:
        proxy = toxics.proxy(upstream=f"127.0.0.1:{store.getsockname()[1]}")
        host, port = proxy.address.split(":")
        socket.create_connection((host, int(port))).close()
        with proxy.down(), pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)))
"""
    )

    assert "1 passed" in run(root, "test_own.py").stdout


def test_a_fixture_of_ones_own_may_live_as_long_as_the_session(root: Path) -> None:
    text = (
        HELPER
        + """
@pytest.fixture(scope="session")
def page(toxics_session):
    return toxics_session.url("front") + "/page"

def test_page(page, toxics):
    with toxics.edge("front", "back").refused():
        assert read(page) == 503
"""
    )
    project(root, text)

    assert "1 passed" in run(root).stdout


HANGING = (
    HELPER
    + """
def test_it_hangs(toxics):
    with toxics.edge("front", "back").timeout(0):
        open("fault", "w").close()
        time.sleep(60)
"""
)


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_run_that_is_ended_in_the_middle_of_a_fault_leaves_neither_fault_nor_process(
    root: Path, sig: signal.Signals
) -> None:
    project(root, HANGING)
    with started("built-in") as server:
        command = [sys.executable, "-m", "pytest", *PLUGINS, *options()]
        env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "TOXIPROXY_URL": server.url}
        own = subprocess.Popen(command, cwd=root, env=env, stdout=subprocess.DEVNULL)
        wait_for((root / "fault").is_file, 40)
        (proxy,) = server.client.proxies().values()
        assert [re.sub(r"\d", "", name) for name in proxy.toxics()] == ["timeout-"]

        own.send_signal(sig)
        own.wait(10)

        wait_for(lambda: server.client.proxies() == {}, 5)
    wait_for(lambda: processes_below(root) == [], 5)


def test_a_worker_that_is_killed_takes_its_system_along(root: Path) -> None:
    killing = (
        HELPER
        + """
import os, signal
def test_it_is_killed(toxics):
    with toxics.edge("front", "back").timeout(0):
        os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    project(root, killing)

    with started("built-in") as server:
        done = run(root, "tests", "-n", "1", "--max-worker-restart", "0", TOXIPROXY_URL=server.url)

        assert "crashed" in done.stdout
        wait_for(lambda: server.client.proxies() == {}, 5)
    wait_for(lambda: processes_below(root) == [], 5)


def test_children_of_the_suites_own_are_left_alone(root: Path) -> None:
    text = (
        HELPER
        + """
import subprocess, sys

def test_own_child(toxics):
    assert read(toxics.url("front") + "/page") == 200
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    open("child", "w").write(str(child.pid))
"""
    )
    project(root, text)

    assert "1 passed" in run(root).stdout

    child = psutil.Process(int((root / "child").read_text()))
    assert child.is_running()
    assert [p.pid for p in processes_below(root)] == [child.pid]
    child.kill()
    wait_for(lambda: processes_below(root) == [], 5)


def test_the_plugin_loads_nothing_heavy() -> None:
    heavy = ("requests", "toxiproxy", "pydantic", "httpx", "harness.chaos.client")
    code = (
        f"import sys, harness.testing.plugin, harness.testing.toxics; print(sorted(set({heavy}) & sys.modules.keys()))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
