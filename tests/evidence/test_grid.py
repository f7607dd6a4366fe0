"""A grid is read as it was written, and is refused when it is none."""

from __future__ import annotations

from pathlib import Path

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evidence.grid import Grid, GridCell, GridState, read_grid, write_grid
from harness.evidence.wire import from_json, to_json

GRID = Grid(
    title="Promises under failure",
    rows=("a -> b", "b -> c"),
    columns=("hang",),
    cells=(GridCell(row="a -> b", column="hang", state=GridState.BROKEN, text="budget", detail="<b>\n2.1 s"),),
)


def test_a_grid_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_grid(write_grid(tmp_path / "deep/grid.json", GRID)) == GRID


def test_a_combination_is_found_and_a_blank_one_is_none() -> None:
    assert GRID.cell("a -> b", "hang") is GRID.cells[0]
    assert GRID.cell("b -> c", "hang") is None


@pytest.mark.parametrize("text", ["", "[]", '{"title": 1}', '{"title": "x", "rows": [], "columns": [], "cells": [{}]}'])
def test_what_is_no_grid_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "grid.json").write_text(text)

    with pytest.raises(pydantic.ValidationError):
        read_grid(tmp_path / "grid.json")


_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
_CELLS = st.builds(GridCell, row=_TEXT, column=_TEXT, state=st.sampled_from(GridState), text=_TEXT, detail=_TEXT)


@given(st.builds(Grid, title=_TEXT, rows=st.tuples(_TEXT), columns=st.tuples(_TEXT), cells=st.tuples(_CELLS, _CELLS)))
def test_whatever_it_says_survives_the_way(grid: Grid) -> None:
    assert from_json(Grid, to_json(grid)) == grid
