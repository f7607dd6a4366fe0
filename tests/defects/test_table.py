"""The table of docs/how-to/chaos.md tells of every defect that is planted for the chaos stage, and of its cell."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DEFECTS = {d["name"]: d for d in tomllib.loads((HERE / "defects.toml").read_text(encoding="utf-8"))["defects"]}
CHAOS = [n for n, d in DEFECTS.items() if d["run"][0] == "chaos"]
ROWS = dict(
    re.findall(r"^\| (.+?) \| (`\S+:\S+ \S+` \| .+) \|$", (HERE.parents[1] / "docs/how-to/chaos.md").read_text(), re.M)
)


def test_the_table_has_these_defects_and_no_others() -> None:
    assert list(ROWS) == CHAOS


@pytest.mark.parametrize("name", CHAOS)
def test_a_row_names_the_cell_and_shows_what_is_found(name: str) -> None:
    defect = DEFECTS[name]
    _, _, edge, _, fault = defect["run"]

    assert ROWS[name].startswith(f"`{edge} {fault}` |")
    assert all(wanted["says"] in ROWS[name] for wanted in defect["expect"])
