"""What docs/how-to/chaos.md shows can be done as it stands: each block of code in it is tried."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.chaos.experiments import load_experiments
from harness.chaos.explore.judging import Kind
from harness.chaos.script import load_scripts
from tests.chaos.tiny import HARNESS, SERVICE
from tests.helpers import write_project

PAGE = (Path(__file__).parents[2] / "docs/how-to/chaos.md").read_text(encoding="utf-8")
STORE = """
import socket, threading
import pytest

@pytest.fixture
def store_address():
    with socket.create_server(("127.0.0.1", 0)) as store:
        yield f"127.0.0.1:{store.getsockname()[1]}"
"""


def blocks() -> dict[str, str]:
    """Code of the page that says in its first line which file it is."""
    found = re.findall(r"^```(?:toml|python)\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return dict(found)


@pytest.mark.parametrize("kind", Kind)
def test_every_promise_that_can_be_broken_is_told_of(kind: Kind) -> None:
    assert f"| `chaos.promise.{kind}` |" in PAGE


def toml() -> str:
    text = HARNESS.format(env="", runtime="").replace("front", "orders").replace("back", "payments")
    return text.replace("budget", "# budget")


def test_the_experiments_of_the_page_are_experiments(tmp_path: Path) -> None:
    shown = {name: text for name, text in blocks().items() if name.startswith("chaos/")}
    project = write_project(tmp_path, toml(), shown)

    found = [*load_experiments(project.system, tmp_path), *load_scripts(project.system, tmp_path, 1)]

    assert [(e.name, e.where, e.fault) for e in found] == [
        ("payments-hang", "orders -> payments", "timeout"),
        ("payments-killed", "payments", "kill"),
        ("payments-flaps", "orders -> payments, payments", "refused+kill"),
    ]


def test_the_tests_of_the_page_pass_on_a_system_that_keeps_its_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOXIPROXY_URL", raising=False)
    shown = {name: text for name, text in blocks().items() if name.startswith("tests/")}
    service = SERVICE.replace('"/page"', '"/orders/1"')
    files = {"service.py": service, "pytest.ini": "[pytest]\n", "tests/conftest.py": STORE, **shown}
    write_project(tmp_path, toml(), files)
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "harness.testing.plugin", "tests"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert "3 passed" in done.stdout, done.stdout
