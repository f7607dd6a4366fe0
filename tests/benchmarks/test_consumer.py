"""What the `pact` fixture, publishing and the replays of the tolerant reader cost, beside plain pact-python."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

TESTS = 60
ROUNDS = 3
LIMIT_MS = 60.0
#: As the consumer stage asks for.
REPLAYS = 10
SUITE = """
import urllib.request
import pytest
from pact import Pact, match

@pytest.mark.parametrize("number", range({tests}))
def test_a_record({fixture}number):
    contract = {make}("orders", "catalog")
    asked = contract.upon_receiving(f"record {{number}}").with_request("GET", f"/records/{{number}}")
    asked.will_respond_with(200).with_body({{"price": match.int(1)}}, content_type="application/json")
    with contract.serve("127.0.0.1") as server:
        assert urllib.request.urlopen(f"{{server.url}}/records/{{number}}", timeout=10).status == 200
    {publish}
"""


def write(folder: Path, **parts: str) -> Path:
    suite = folder / "contracts"
    suite.mkdir(parents=True)
    (suite / "test_records.py").write_text(SUITE.format(tests=TESTS, **parts))
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


def run(folder: Path, *plugin: str) -> tuple[float, float]:
    """Seconds of wall clock and of CPU for the whole suite."""
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PACT_DO_NOT_TRACK="true")
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, "contracts"],
        cwd=folder,
        env=env,
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=300,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_fixture_and_replays_cost_little_beside_plain_pact_python(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain", fixture="", make="Pact", publish='contract.write_file("pacts")')
    ours = write(tmp_path / "ours", fixture="pact, ", make="pact", publish="")
    plugin = ("-p", "harness.testing.plugin")
    ways = {"the fixture": plugin, "with the tolerant reader": (*plugin, f"--tolerant-reader={REPLAYS}")}
    runs = [(run(plain), {name: run(ours, *way) for name, way in ways.items()}) for _ in range(ROUNDS)]

    for name in ways:
        over = statistics.median((b[name][0] - a[0]) / TESTS * 1000 for a, b in runs)
        over_cpu = statistics.median((b[name][1] - a[1]) / TESTS * 1000 for a, b in runs)
        ratio = statistics.median(b[name][0] / a[0] for a, b in runs)
        print(f"\n{name}: {over:+.1f} ms a test ({over_cpu:+.1f} ms CPU), {ratio:.2f} times plain pact-python")
        assert over_cpu < LIMIT_MS
