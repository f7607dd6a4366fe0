"""Every planted defect is caught by the stage that should see it, in words a stranger understands."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import run_harness

ROOT = Path(__file__).parents[2]
PARTS = ("target_system", "contracts", "load", "chaos", "synthetic", "harness.toml", "schemathesis.toml")
#: One cell is tried at a time, and what never comes right again is not waited for longer than the shop takes to mend
#: what can be mended: a lease of 3 s runs out, and the sweeper comes by.
IMPATIENT = '\n[stages.chaos]\ncopies = 1\nrecovery_within = "3s"\ninvariants_within = "6s"\n'
DEFECTS: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "defects.toml").read_text())["defects"]

pytestmark = [pytest.mark.slow, pytest.mark.target]


def copy_shop(folder: Path) -> None:
    ignore = shutil.ignore_patterns("*.db*")  # what is compiled goes along: seven services need not do it again
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=ignore)
        else:
            shutil.copy(source, folder / part)
    with (folder / "harness.toml").open("a", encoding="utf-8") as file:
        file.write(IMPATIENT)


def plant(folder: Path, defect: dict[str, Any]) -> None:
    for edit in defect.get("edits", [defect]):
        file = folder / edit["file"]
        text = file.read_text(encoding="utf-8")
        assert text.count(edit["find"]) == 1, f"{edit['file']} has changed: plant {defect['name']!r} anew"
        file.write_text(text.replace(edit["find"], edit["replace"]), encoding="utf-8")


def titles(result: dict[str, Any], stage: str, rule: str) -> list[str]:
    findings = next(s for s in result["stages"] if s["name"] == stage)["findings"]
    return [f["title"] for f in findings if fnmatchcase(f["rule"], rule) and f["severity"] == "error"]


@pytest.mark.parametrize(
    "defect", [pytest.param(d, id=d["name"], marks=[pytest.mark.drill] * d.get("drill", False)) for d in DEFECTS]
)
def test_a_planted_defect_turns_the_run_red(tmp_path: Path, defect: dict[str, Any]) -> None:
    copy_shop(tmp_path)
    plant(tmp_path, defect)

    done = run_harness("run", *defect["run"], "--out", "out", cwd=tmp_path, timeout=280)

    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert done.returncode == 1, done.stdout[-3000:]
    for wanted in defect["expect"]:
        seen = titles(result, wanted["stage"], wanted["rule"])
        assert any(re.search(re.escape(wanted["says"]), t) for t in seen), (wanted, seen)
    if defect.get("nothing_else"):
        errors = {f["rule"] for s in result["stages"] for f in s["findings"] if f["severity"] == "error"}
        assert errors == {wanted["rule"] for wanted in defect["expect"]}
