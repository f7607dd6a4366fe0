"""`make steady`: does a clean system stay green on any machine? Quick runs in a row, idle, crowded and squeezed, as a table.

A run of the record shop takes minutes, so this is no test: `make steady ARGS="--runs 3 --condition crowded"`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_CGROUPS = Path("/sys/fs/cgroup")
#: Of each 100 ms: half a processor more than one.
_QUOTA_US, _PERIOD_US = 150_000, 100_000


@dataclass(frozen=True, slots=True)
class Run:
    """What one run came to; times in seconds."""

    verdict: str
    errors: int
    cells: int
    doubtful: int
    wall_s: float
    cpu_s: float


def run(seed: int, wanted: list[str], first: Callable[[], object] | None = None) -> Run:
    """One quick run.

    Args:
        wanted: further arguments of `harness run`.
        first: is called in the process before it runs.
    """
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "harness", "run", *wanted, "--seed", str(seed), "--json", "--out", out]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, preexec_fn=first, check=False)
    result: dict[str, Any] = json.loads(done.stdout)
    findings = [f for s in result["stages"] for f in s["findings"] if f["severity"] == "error"]
    for finding in findings:
        print(f"  seed {seed}: {finding['rule']}: {finding['title']}", file=sys.stderr)
    chaos = next((s for s in result["stages"] if s["name"] == "chaos"), {"measures": [], "work": {}})
    untold = sum(m["value"] for m in chaos["measures"] if m["name"] == "chaos.untold")
    used = result["resources"]
    return Run(
        verdict=result["verdict"],
        errors=len(findings),
        cells=chaos["work"].get("faults_injected", 0),
        doubtful=int(untold),
        wall_s=result["duration_s"],
        cpu_s=used["cpu_s"] + used["children_cpu_s"],
    )


@contextmanager
def crowd() -> Iterator[None]:
    """A busy loop beside it for each processor."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def on_one_processor() -> None:
    """Stay on the first of the processors there are."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@contextmanager
def quota() -> Iterator[Callable[[], object]]:
    """A group of processes that gets one and a half processors; what makes a process one of it.

    Raises:
        OSError: where this machine lets nobody make one.
    """
    unified = (_CGROUPS / "cgroup.controllers").exists()
    group = (_CGROUPS if unified else _CGROUPS / "cpu") / f"harness-steady-{os.getpid()}"
    group.mkdir()
    try:
        if unified:
            (group / "cpu.max").write_text(f"{_QUOTA_US} {_PERIOD_US}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(_QUOTA_US))
        yield lambda: (group / "cgroup.procs").write_text(str(os.getpid()))
    finally:
        group.rmdir()


CONDITIONS: dict[str, Callable[[], AbstractContextManager[Callable[[], object] | None]]] = {
    "idle": nullcontext,
    "crowded": crowd,
    "one processor": lambda: nullcontext(on_one_processor),
    "a quota of 1.5": quota,
}


def row(name: str, runs: list[Run]) -> str:
    """A line of the table."""
    verdicts = [r.verdict for r in runs]
    told = ", ".join(f"{verdicts.count(v)} {v}" for v in sorted(set(verdicts)))
    walls, cpu = [r.wall_s for r in runs], statistics.median(r.cpu_s for r in runs)
    cells, errors, doubtful = (sum(getattr(r, what) for r in runs) for what in ("cells", "errors", "doubtful"))
    wall = f"{statistics.median(walls):.0f} s, at most {max(walls):.0f} s"
    return f"| {name} | {len(runs)} | {told} | {cells} | {errors} | {doubtful} | {wall} | {cpu:.0f} s |"


def main() -> int:
    """Run, and print the table as it grows; 1 when a run had an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="of each kind")
    parser.add_argument("--condition", action="append", choices=CONDITIONS, help="all by default")
    parser.add_argument("wanted", nargs="*", help="further arguments of `harness run`, after --")
    options = parser.parse_args()
    print("| machine | runs | verdicts | failures tried | errors | doubtful | wall | CPU |\n" + "| --- " * 8 + "|")
    errors = 0
    for name in options.condition or CONDITIONS:
        try:
            with CONDITIONS[name]() as first:
                runs = [run(seed, options.wanted, first) for seed in range(1, options.runs + 1)]
        except OSError as error:
            print(f"| {name} | not possible here: {error} |" + " |" * 6)
            continue
        print(row(name, runs), flush=True)
        errors += sum(r.errors for r in runs)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
