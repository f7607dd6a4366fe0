"""The process runtime: real processes, real ports, and every way a start can fail."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from harness.errors import ConfigError, StartError
from harness.system.readiness import wait_until
from harness.system.runtime import ProcessRuntime
from tests.helpers import HARNESS, write_project

SERVER = """
import http.server, json, os, sys, time
time.sleep(float(os.environ.get("DELAY", "0")))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(dict(os.environ, argv=sys.argv)).encode()
        self.send_response(int(os.environ.get("READY_STATUS", "200")) if self.path == "/ready" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): print("asked", self.path, flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT") or sys.argv[1])), Handler).serve_forever()
"""

TOML = """
[system]
name = "two"
[services.front]
command = ["python", "server.py"]
ready = "/ready"
start_timeout = "10s"
env = { GREETING = "{services.back.url}/hello" }
[services.front.uses.back]
env = "BACK_URL"
[services.front.uses.db]
env = "DATABASE_URL"
[services.back]
command = ["python", "server.py", "{port}"]
port_env = "OTHER"
ready = "/ready"
start_timeout = "10s"
[resources.db]
kind = "postgres"
"""


def runtime_for(root: Path, toml: str = TOML) -> ProcessRuntime:
    project = write_project(root, toml, {"server.py": SERVER})
    return ProcessRuntime(project.system, root=root, directory=root / "run")


async def start_and_stop(runtime: ProcessRuntime) -> None:
    async with runtime.running():
        pass


def environment_of(url: str) -> dict[str, object]:
    import json

    with urllib.request.urlopen(url, timeout=5) as answer:
        return dict(json.load(answer))


def refused(url: str) -> bool:
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


def test_services_are_told_port_neighbours_and_data(tmp_path: Path) -> None:
    runtime = runtime_for(tmp_path)

    async def scenario() -> dict[str, object]:
        async with runtime.running():
            return await anyio.to_thread.run_sync(environment_of, runtime.addresses["front"])

    seen = anyio.run(scenario)

    assert seen["BACK_URL"] == runtime.addresses["back"]
    assert seen["GREETING"] == f"{runtime.addresses['back']}/hello"
    assert seen["DATABASE_URL"] == f"sqlite:///{tmp_path}/run/data/front.db"


def test_an_edge_can_be_wired_to_something_else(tmp_path: Path) -> None:
    runtime = runtime_for(tmp_path)
    runtime.wire("front:back", "http://127.0.0.1:1")

    async def scenario() -> dict[str, object]:
        async with runtime.running():
            return await anyio.to_thread.run_sync(environment_of, runtime.addresses["front"])

    assert anyio.run(scenario)["BACK_URL"] == "http://127.0.0.1:1"


def test_a_resource_can_be_elsewhere_too(tmp_path: Path) -> None:
    runtime = runtime_for(tmp_path)
    runtime.wire("front:db", "postgres://127.0.0.1:1/front")

    async def scenario() -> dict[str, object]:
        async with runtime.running():
            return await anyio.to_thread.run_sync(environment_of, runtime.addresses["front"])

    assert anyio.run(scenario)["DATABASE_URL"] == "postgres://127.0.0.1:1/front"


def test_a_second_process_of_a_service_has_a_port_of_its_own_and_is_gone_with_its_block(tmp_path: Path) -> None:
    runtime = runtime_for(tmp_path)

    async def scenario() -> tuple[dict[str, object], str, bool]:
        async with runtime.running():
            async with runtime.beside("back", {"DATABASE_URL": "nowhere"}) as second:
                assert await wait_until(second.address, "/ready", limit_s=10) == ""
                assert second.exit_code is None
                seen = await anyio.to_thread.run_sync(environment_of, second.address)
            return seen, second.address, refused(runtime.addresses["back"])

    seen, address, first_is_gone = anyio.run(scenario)
    port = address.rpartition(":")[2]
    assert (seen["OTHER"], seen["DATABASE_URL"]) == (port, "nowhere")
    assert list(seen["argv"])[-1] == port  # type: ignore[call-overload]
    assert refused(address)
    assert not first_is_gone


def test_a_second_process_that_ends_by_itself_says_how(tmp_path: Path) -> None:
    runtime = runtime_for(tmp_path)

    async def scenario() -> int | None:
        async with runtime.running(), runtime.beside("front", {"DELAY": "no number"}) as second:
            with anyio.fail_after(10):
                await second.process.wait()
            assert runtime.died() == ()
            return second.exit_code

    assert anyio.run(scenario) == 1


def test_a_neighbours_address_may_be_asked_for_without_a_scheme(tmp_path: Path) -> None:
    runtime = runtime_for(tmp_path, TOML.replace('env = "BACK_URL"', 'env = "BACK_URL"\nurl = "{address}/v1"'))
    runtime.wire("front:back", "http://127.0.0.1:1")

    async def scenario() -> dict[str, str]:
        async with runtime.running():
            return await anyio.to_thread.run_sync(environment_of, runtime.addresses["front"])

    assert anyio.run(scenario)["BACK_URL"] == "127.0.0.1:1/v1"


def test_nothing_listens_after_the_end(tmp_path: Path) -> None:
    runtime = runtime_for(tmp_path)

    async def scenario() -> None:
        async with runtime.running():
            assert not refused(runtime.addresses["front"])

    anyio.run(scenario)

    assert all(refused(url) for url in runtime.addresses.values())


def test_a_service_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    toml = TOML.replace('["python", "server.py", "{port}"]', '["python", "-c", "raise SystemExit(\'no licence\')"]')
    runtime = runtime_for(tmp_path, toml)

    with pytest.raises(StartError) as caught:
        anyio.run(start_and_stop, runtime)

    assert "service back did not start: its process ended with exit code 1" in str(caught.value)
    assert "no licence" in str(caught.value)


def test_a_service_that_never_becomes_ready_is_told_with_what_was_seen(tmp_path: Path) -> None:
    toml = TOML.replace('port_env = "OTHER"', 'port_env = "OTHER"\nenv = { READY_STATUS = "503" }').replace("10s", "1s")
    runtime = runtime_for(tmp_path, toml)

    with pytest.raises(StartError, match=r"back did not start: waited 1 s for /ready to answer 2xx.*HTTP 503"):
        anyio.run(start_and_stop, runtime)
    assert all(refused(url) for url in runtime.addresses.values())


def test_a_service_that_listens_elsewhere_is_told_how_to_learn_its_port(tmp_path: Path) -> None:
    deaf = (
        "import socket, time; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); "
        "open('port', 'w').write(str(s.getsockname()[1])); time.sleep(60)"
    )
    toml = TOML.replace('["python", "server.py", "{port}"]', f'["python", "-c", "{deaf}"]').replace("10s", "1s")
    runtime = runtime_for(tmp_path, toml)

    with pytest.raises(StartError) as caught:
        anyio.run(start_and_stop, runtime)

    port = (tmp_path / "port").read_text()
    assert f"It listens on port {port} instead of" in str(caught.value)
    assert "services.back.port_env" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('["python", "server.py", "{port}"]', '["no-such"]', 'back.command: there is no command "no-such"'),
        ('port_env = "OTHER"', 'cwd = "nowhere"', 'services.back.cwd: there is no folder "nowhere"'),
    ],
)
def test_what_cannot_be_started_is_told_before_anything_starts(tmp_path: Path, old: str, new: str, says: str) -> None:
    runtime = runtime_for(tmp_path, TOML.replace(old, new))

    with pytest.raises(ConfigError) as caught:
        anyio.run(runtime.start)

    assert says in str(caught.value)
    assert not runtime.pids()


def test_a_fixed_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        runtime = runtime_for(tmp_path, TOML.replace('port_env = "OTHER"', f"port = {port}"))

        with pytest.raises(ConfigError, match=rf"services.back.port: port {port} on 127.0.0.1 is taken"):
            anyio.run(runtime.start)


def test_services_that_use_each_other_still_start(tmp_path: Path) -> None:
    runtime = runtime_for(tmp_path, TOML + '[services.back.uses.front]\nenv = "FRONT_URL"\n')

    async def scenario() -> tuple[str, ...]:
        async with runtime.running():
            return runtime.died()

    assert anyio.run(scenario) == ()


def test_a_service_that_dies_is_noticed_and_can_be_started_again(tmp_path: Path) -> None:
    runtime = runtime_for(tmp_path)

    async def scenario() -> None:
        async with runtime.running():
            os.kill(runtime.pids()["back"], signal.SIGKILL)
            with anyio.fail_after(5):
                while runtime.died() != ("back",):  # noqa: ASYNC110 - a process that dies has no event
                    await anyio.sleep(0.01)
            await runtime.restart("back")
            assert runtime.died() == ()
            assert not refused(runtime.addresses["back"])

    anyio.run(scenario)


def wait_for(condition: Callable[[], bool], limit_s: float = 10) -> bool:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_up_leaves_nothing_behind_however_it_ends(tmp_path: Path, how: signal.Signals) -> None:
    import json

    write_project(tmp_path, TOML, {"server.py": SERVER})
    with subprocess.Popen([*HARNESS, "up", "--json"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        addresses = json.loads(up.stdout.readline())
        assert not refused(addresses["back"])

        up.send_signal(how)
        up.wait(15)

    assert wait_for(lambda: all(refused(url) for url in addresses.values()))


def test_up_refuses_an_unknown_service(tmp_path: Path) -> None:
    write_project(tmp_path, TOML, {"server.py": SERVER})

    done = subprocess.run(
        [*HARNESS, "up", "bak"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30
    )

    assert done.returncode == 2
    assert 'there is no service "bak". Did you mean "back"?' in done.stderr


def test_python_of_this_environment_runs_the_services(tmp_path: Path) -> None:
    toml = TOML.replace(
        '["python", "server.py"]', '["python", "-c", "import sys; print(sys.executable); raise SystemExit(1)"]'
    )
    runtime = runtime_for(tmp_path, toml)

    with pytest.raises(StartError) as caught:
        anyio.run(start_and_stop, runtime)

    assert sys.executable in str(caught.value)
