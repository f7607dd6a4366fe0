"""A command in a fork is told from one in a process of its own by nothing but the time it takes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.helpers import HARNESS, run_harness, write_project

TOML = '[system]\nname = "one"\n[services.web]\ncommand = ["python", "web.py"]\n'


@pytest.mark.parametrize("arguments", [("plan",), ("plan", "nope"), ("run", "--dry", "--json"), ("nope",)])
def test_a_fork_says_and_ends_as_a_process_of_its_own_does(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    write_project(tmp_path, TOML)
    env = {**os.environ, "NO_COLOR": "1"}

    real = subprocess.run([*HARNESS, *arguments], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    forked = run_harness(*arguments, cwd=tmp_path)

    assert (forked.returncode, forked.stdout, forked.stderr) == (real.returncode, real.stdout, real.stderr)


def test_a_fork_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    write_project(tmp_path, TOML.replace("web.py", "-c").replace('"-c"', '"-c", "import time; time.sleep(60)"'))

    with pytest.raises(subprocess.TimeoutExpired):
        run_harness("up", cwd=tmp_path, timeout=1)
