"""How soon the command line answers; told as CPU time, beside what an empty Python needs."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT_S = 0.4


def cpu_seconds(arguments: list[str]) -> float:
    """User and system time of one run, in seconds: what a quiet machine would take at most."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(arguments, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("command", [["--help"], ["plan"]])
def test_the_command_line_answers_at_once(command: list[str]) -> None:
    python = [sys.executable, "-c", "pass"]
    ours, empty = [], []
    for _ in range(7):
        ours.append(cpu_seconds([sys.executable, "-m", "harness", *command]))
        empty.append(cpu_seconds(python))

    took, base = statistics.median(ours), statistics.median(empty)
    print(f"\nharness {' '.join(command)}: {took:.3f} s CPU, {took / base:.1f} times an empty Python ({base:.3f} s)")

    assert took < LIMIT_S
