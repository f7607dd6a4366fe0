"""What users get wrong, through the real command line: one clear message, the right exit code, nothing left behind."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cli.shop import write_shop
from tests.helpers import HARNESS, run_harness

Spoil = Callable[[Path], None]
MARK = "BAD_INPUT_TEST"


def replace(file: str, old: str, new: str) -> Spoil:
    def spoil(root: Path) -> None:
        text = (root / file).read_text(encoding="utf-8")
        assert old in text
        (root / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    return spoil


def append(file: str, text: str) -> Spoil:
    return lambda root: write(file, (root / file).read_text(encoding="utf-8") + text)(root)


def write(file: str, content: str | bytes, mode: int = 0o644) -> Spoil:
    def spoil(root: Path) -> None:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        (root / file).chmod(mode)

    return spoil


def remove(file: str) -> Spoil:
    return lambda root: (root / file).unlink()


def both(*spoils: Spoil) -> Spoil:
    def spoil(root: Path) -> None:
        for one in spoils:
            one(root)

    return spoil


def store_command(words: str) -> Spoil:
    return replace("harness.toml", '["python", "service.py", "store"]', words)


def nothing(root: Path) -> None:
    """Nothing is spoilt: the command line itself is the mistake."""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write_shop(tmp_path)


@pytest.fixture
def mark(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Marks whatever a test starts, and fails the test when some of it is left."""
    name = f"{os.getpid()}-{request.node.name}"
    monkeypatch.setenv(MARK, name)
    yield name
    monkeypatch.delenv(MARK)
    deadline = time.monotonic() + 5
    while (left := marked(name)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


def marked(name: str) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == name and process.pid != os.getpid():
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


STAGES = "chaos, consumer, fuzz, load, provider, schema, smoke, synthetic"
REFUSED: dict[str, tuple[Spoil, str, str]] = {
    # the command line
    "no command": (nothing, "", "Commands:"),
    "unknown command": (nothing, "rum", 'there is no command "rum". Did you mean "run"?'),
    "unknown stage": (nothing, "run smoek", 'there is no stage "smoek". Did you mean "smoke"?'),
    "seed below 0": (nothing, "run --seed -1", "-1 is not in the range"),
    "seed too large": (nothing, "run --seed 4294967296", "4294967296 is not in the range"),
    "only without a value": (nothing, "run --only service", '"service" is not KEY=VALUE'),
    "only with an unknown key": (nothing, "run --only servce=web", 'unknown key "servce". Did you mean "service"?'),
    "only an unknown service": (nothing, "run --only service=wev", 'there is no service "wev". Did you mean "web"?'),
    "only an unknown edge": (nothing, "run --only edge=web:stor", 'Did you mean "web:store"?'),
    "out is a file": (nothing, "run --out harness.toml", "is a file"),
    "store nobody knows": (nothing, "run --store nonsense", "cannot use 'nonsense' as an evidence store"),
    "up an unknown service": (nothing, "up stor", 'there is no service "stor". Did you mean "store"?'),
    "toxiproxy with a wrong flag": (nothing, "toxiproxy -prot 1", "unrecognized arguments: -prot 1"),
    "report of no run": (nothing, "report", "no run has been recorded"),
    # harness.toml
    "no harness.toml": (remove("harness.toml"), "run", "no harness.toml in"),
    "broken TOML": (append("harness.toml", "[x\n"), "run", "harness.toml: is not valid TOML"),
    "not UTF-8": (write("harness.toml", b"name = '\xff'"), "run", "harness.toml: is not UTF-8 text"),
    "an empty file": (write("harness.toml", ""), "run", "harness.toml: system: is missing"),
    "unknown key": (replace("harness.toml", "ready", "redy"), "run", 'unknown key "redy". Did you mean "ready"?'),
    "unknown stage's table": (append("harness.toml", "[stages.lod]\n"), "run", f"Accepted: {STAGES}"),
    "a table that is none": (
        append("harness.toml", "[profiles.full]\nstages = 3\n"),
        "plan",
        "profiles.full.stages: must be a table, found 3",
    ),
    "unknown setting of a profile that is not run": (
        append("harness.toml", '[profiles.full.stages.load]\nduratoin = "1s"\n'),
        "plan --profile quick",
        'profiles.full.stages.load.duratoin: unknown key "duratoin". Did you mean "duration"?',
    ),
    "unknown gate": (
        append("harness.toml", '[[gates]]\nmeasure = "laod.latency.p99"\nmax = "1s"\n'),
        "run",
        'gates.0.measure: "laod.latency.p99" belongs to no stage',
    ),
    "a gate without a number": (
        append("harness.toml", '[[gates]]\nmeasure = "load.latency.p99"\nmax = "fast"\n'),
        "run",
        "gates.0.max: a number, or text such as 400ms",
    ),
    "unknown service in an edge": (
        replace("harness.toml", "uses.store", "uses.stor"),
        "run",
        'services.web.uses.stor: there is no service or resource "stor". Did you mean "store"?',
    ),
    "cycle of stages": (
        append("harness.toml", '[stages.smoke]\nafter = ["load"]\n'),
        "run",
        "wait for each other in a circle: smoke -> load -> smoke",
    ),
    "URL without http": (store_command('[]\nurl = "localhost:80"'), "run", "must start with http:// or https://"),
    # start commands and ports
    "start command that does not exist": (store_command('["pyton"]'), "run", 'there is no command "pyton"'),
    "start command that is not executable": (
        both(write("start.sh", "exit"), store_command('["./start.sh"]')),
        "run",
        'services.store.command: "./start.sh" in',
    ),
    "one port twice": (
        both(store_command('["true"]\nport = 21001'), replace("harness.toml", '"web"]\n', '"web"]\nport = 21001\n')),
        "run",
        "services.store.port: 21001 is the port of web already",
    ),
    "a folder that does not exist": (store_command('["true"]\ncwd = "x"'), "run", 'there is no folder "x" below'),
    # files of the stages, told before anything starts
    "an experiment on an edge that does not exist": (
        replace("chaos/store-down.toml", "-> store", "-> stor"),
        "run",
        'chaos/store-down.toml: edge: there is no edge "web -> stor" in the system. Did you mean "web -> store"?',
    ),
    "an unknown toxic": (replace("chaos/store-down.toml", "refused", "refuzed"), "plan", 'Did you mean "refused"?'),
    "a negative toxic": (
        replace("chaos/store-down.toml", '"refused"', '"latency"\nattributes = { latency = -3 }'),
        "doctor",
        "faults.0.attributes.latency: found -3. Accepted: 0 or more",
    ),
    "an invariant nobody wrote": (
        replace("chaos/store-down.toml", "journeys =", 'after = ["sold_once"]\njourneys ='),
        "run chaos",
        "chaos/store-down.toml: after: names invariants, but there is no invariants.py in chaos/",
    ),
    "broken objectives": (write("synthetic/slos.toml", "[[slos]\n"), "run", "synthetic/slos.toml: is not valid TOML"),
    "an objective of 100%": (
        replace("synthetic/slos.toml", "95%", "100%"),
        "run",
        "slos.0.objective: must be a percent",
    ),
    "a locustfile that is not Python": (
        write("load/locustfile.py", "def x(:\n"),
        "run",
        "load/locustfile.py: is not valid Python: invalid syntax, line 1 (def x(:)",
    ),
    "journeys that are not Python": (
        write("synthetic/journeys.py", "def x(:\n"),
        "run",
        "synthetic/journeys.py: is not valid Python",
    ),
}


@pytest.mark.parametrize(("spoil", "arguments", "says"), REFUSED.values(), ids=REFUSED)
def test_a_mistake_that_can_be_seen_is_told_before_anything_starts(
    shop: Path, spoil: Spoil, arguments: str, says: str
) -> None:
    spoil(shop)

    done = run_harness(*arguments.split(), cwd=shop)

    assert done.returncode == 2, done.stderr
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (shop / ".harness").exists()


def test_a_file_that_begins_with_a_byte_order_mark_is_read(shop: Path) -> None:
    write("harness.toml", b"\xef\xbb\xbf" + (shop / "harness.toml").read_bytes())(shop)

    assert run_harness("plan", cwd=shop).returncode == 0


def test_only_the_files_of_stages_that_will_run_are_looked_at(shop: Path) -> None:
    write("load/locustfile.py", "def x(:\n")(shop)

    assert run_harness("plan", "smoke", cwd=shop).returncode == 0


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
def test_certificates_that_are_not_there_are_named(shop: Path, variable: str) -> None:
    done = run_harness("run", "--dry", cwd=shop, env={variable: "/nowhere"})
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{variable} names /nowhere, which is not there" in done.stderr


@pytest.mark.parametrize("command", ["run", "up"])
def test_a_port_that_is_taken_is_named(shop: Path, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        store_command(f'["python", "service.py", "store"]\nport = {port}')(shop)

        done = run_harness(command, cwd=shop)

    assert done.returncode == 2
    assert f"services.store.port: port {port} on 127.0.0.1 is taken" in done.stderr
    assert "Traceback" not in done.stderr


def test_toxiproxy_on_a_port_that_is_taken_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run_harness("toxiproxy", "-port", str(taken.getsockname()[1]), cwd=tmp_path)

    assert done.returncode == 2
    assert "address already in use" in done.stdout + done.stderr


JOURNEYS = "synthetic/journeys.py"
TOLD: dict[str, tuple[Spoil, str, int, str]] = {
    "a start command that exits at once": (
        store_command('["python", "-c", "raise SystemExit(\'no such table\')"]'),
        "smoke",
        2,
        "service store did not start: its process ended with exit code 1 before it was ready.",
    ),
    "a start command that is never ready": (
        store_command('["sleep", "60"]\nstart_timeout = "300ms"'),
        "smoke",
        2,
        "service store did not start: waited 0.3 s for /health to answer 2xx",
    ),
    "a start script without an interpreter": (
        both(write("start.sh", "#!/no/such/shell\n", 0o755), store_command('["./start.sh"]')),
        "smoke",
        2,
        "service store did not start: cannot start './start.sh'",
    ),
    "journeys that do not import": (
        write(JOURNEYS, "import nope_x\n"),
        "smoke",
        2,
        f"{JOURNEYS}: does not import: Mod",
    ),
    "journeys that exit": (write(JOURNEYS, "raise SystemExit('no way')\n"), "smoke", 2, "SystemExit: no way"),
    "a journeys file without journeys": (write(JOURNEYS, "x = 1\n"), "smoke", 2, f"{JOURNEYS}: registers no journey"),
    "an async journey": (replace(JOURNEYS, "def look", "async def look"), "smoke", 2, "journey look is async"),
    "a journey that asks nothing": (
        replace(JOURNEYS, 'user.get("/item")', "pass"),
        "smoke",
        3,
        "none of them made a req",
    ),
    "a journey that ends its process": (
        append(JOURNEYS, "    import os; os._exit(4)\n"),
        "smoke",
        3,
        "the journeys' process ended with 4",
    ),
    "no journeys file": (remove(JOURNEYS), "smoke", 3, f"there is no {JOURNEYS}"),
    "an unknown journey": (append("harness.toml", '[stages.smoke]\njourneys = ["lok"]\n'), "smoke", 2, 'mean "look"?'),
    "a locustfile that does not import": (
        write("load/locustfile.py", "import nope_x\n"),
        "load",
        2,
        "load/locustfile.py does not import: ModuleNotFoundError",
    ),
    "a locustfile that exits": (
        write("load/locustfile.py", "raise SystemExit('no way')\n"),
        "load",
        2,
        "load/locustfile.py ends Locust (exit code 1) before it has started: no way",
    ),
    "no locustfile": (remove("load/locustfile.py"), "load", 3, "there is no load/locustfile.py"),
    "a document that is not JSON": (
        replace("service.py", "json.dumps(body)", '("<p>hi" if "paths" in body else json.dumps(body))'),
        "schema",
        1,
        "the OpenAPI document of store is not JSON",
    ),
    "a document that is not OpenAPI": (
        replace("service.py", '"/openapi.json": DOCUMENT', '"/openapi.json": {}'),
        "schema",
        1,
        "the OpenAPI document of store is not OpenAPI",
    ),
    "no contracts": (nothing, "consumer", 3, "there is no folder contracts/"),
    "an empty contracts/": (write("contracts/README.md", ""), "consumer", 3, "contracts/ holds no consumer tests"),
    "contracts with a syntax error": (
        write("contracts/test_x.py", "def x(:\n"),
        "consumer",
        1,
        "contracts/test_x.py cannot be collected: SyntaxError",
    ),
    "an unknown option for pytest": (
        both(
            write("contracts/test_x.py", "def test_x(): pass\n"),
            append("harness.toml", '[stages.consumer]\narguments = ["--nope"]\n'),
        ),
        "consumer",
        1,
        "pytest cannot run contracts/: unrecognized arguments: --nope",
    ),
    "a pact naming a provider nobody has": (
        write(
            "contracts/pacts/web-stor.json",
            '{"consumer": {"name": "web"}, "provider": {"name": "stor"}, "interactions": [{"description": "x"}]}',
        ),
        "provider",
        1,
        'web has a contract with "stor", but there is no such service. Did you mean "store"?',
    ),
    "a broken pact": (
        write("contracts/pacts/web-store.json", "{"),
        "provider",
        1,
        "contracts/pacts/web-store.json is not",
    ),
    "a broken history": (write(".harness/evidence.db", "x" * 4096), "smoke", 3, "is not a database"),
}


@pytest.mark.usefixtures("mark")
@pytest.mark.parametrize(("spoil", "stage", "code", "says"), TOLD.values(), ids=TOLD)
def test_a_mistake_that_only_a_run_can_see_is_one_message(
    shop: Path, spoil: Spoil, stage: str, code: int, says: str
) -> None:
    spoil(shop)

    done = run_harness("run", stage, cwd=shop)

    assert done.returncode == code, done.stderr
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.usefixtures("mark")
def test_a_service_that_dies_in_the_middle_of_a_stage_is_named(shop: Path) -> None:
    replace(
        "service.py",
        'if self.path == "/item" and STORE',
        'if self.path == "/item" and not STORE: os._exit(7)\n        if self.path == "/item"',
    )(shop)

    done = run_harness("run", "smoke", cwd=shop)

    assert done.returncode == 1
    assert "The process of store ended in the middle of the stage" in done.stdout


def limited(size: int) -> Callable[[], None]:
    """No file may grow beyond `size` bytes: a full disk, for those who may not mount one."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def run_limited(shop: Path, size: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HARNESS, "run", *arguments],
        cwd=shop,
        preexec_fn=limited(size),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.usefixtures("mark")
def test_a_report_that_cannot_be_written_loses_no_verdict(shop: Path) -> None:
    done = run_limited(shop, 24_000, "smoke", "--store", "sqlite://")

    assert done.returncode == 3
    assert "PASS" in done.stdout
    assert "report.html: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    [result] = (shop / ".harness" / "runs").glob("*/result.json")
    assert json.loads(result.read_text())["verdict"] == "pass"


@pytest.mark.usefixtures("mark")
def test_a_disk_that_takes_nothing_leaves_every_stage_inconclusive(shop: Path) -> None:
    done = run_limited(shop, 0, "smoke", "schema", "--store", "sqlite://")

    assert done.returncode == 3
    assert "the machine is in the way" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["--help", "plan", "schema", "doctor"])
def test_a_reader_that_has_gone_is_fine(shop: Path, command: str) -> None:
    process = subprocess.Popen([*HARNESS, command], cwd=shop, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()

    with process.stderr:
        said = process.stderr.read()

    assert (process.wait(30), said) == (0, "")


def test_standard_output_that_is_full_is_told(shop: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*HARNESS, "plan"], cwd=shop, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert (done.returncode, done.stderr) == (3, "harness: No space left on device\n")


@pytest.mark.usefixtures("mark")
def test_standard_streams_that_are_closed_do_not_end_a_run(shop: Path) -> None:
    words = " ".join(HARNESS)

    done = subprocess.run(["sh", "-c", f"{words} run smoke --out out <&- >&- 2>&-"], cwd=shop, timeout=60, check=False)

    assert done.returncode == 0
    assert json.loads((shop / "out" / "result.json").read_text())["verdict"] == "pass"


@pytest.mark.usefixtures("mark")
def test_a_path_with_spaces_and_a_poor_environment_change_nothing(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "späce ü 目" / ("x" * 120))
    kept = {MARK: os.environ[MARK], "PATH": "/usr/bin:/bin", "LC_ALL": "C"}

    done = subprocess.run(
        [*HARNESS, "run", "smoke", "--out", "ö ut"],
        cwd=shop / "synthetic",
        env=kept,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert (shop / "synthetic" / "ö ut" / "report.html").is_file()


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("after", ["system", "load"])
def test_however_and_whenever_a_run_is_ended_nothing_is_left(
    shop: Path, mark: str, sig: signal.Signals, after: str
) -> None:
    replace("harness.toml", 'duration = "1s"', 'duration = "30s"')(shop)
    run = subprocess.Popen(
        [*HARNESS, "run", "smoke", "load", "--out", "out"],
        cwd=shop,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    log = {"system": "system/store.log", "load": "load/locust.log"}[after]
    while not list(shop.glob(f".harness/runs/*/{log}")) and time.monotonic() < deadline:
        time.sleep(0.02)

    os.killpg(run.pid, sig)  # as a terminal does: everybody in the group
    code = run.wait(30)

    assert code == (-9 if sig is signal.SIGKILL else 130)
    if sig is not signal.SIGKILL:
        assert statuses(shop)["load"] == "inconclusive"
        assert statuses(shop)["smoke"] == ("inconclusive" if after == "system" else "pass")


def statuses(shop: Path) -> dict[str, Any]:
    result = json.loads((shop / "out" / "result.json").read_text())
    return {s["name"]: s["status"] for s in result["stages"]}
