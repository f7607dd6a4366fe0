"""Grids as data: something tried in every combination of two things, and what came of each; drawing them is the report's job.

A grid is one JSON artifact of media type `GRID_MEDIA_TYPE`:

    {"schema_version": 1, "title": "Promises under failure", "rows": ["orders -> payments"], "columns": ["hang"],
     "cells": [{"row": "orders -> payments", "column": "hang", "state": "broken", "text": "waited 2.1 s", "detail": "..."}]}
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.evidence.wire import from_json, to_json

__all__ = ["GRID_MEDIA_TYPE", "Grid", "GridCell", "GridState", "read_grid", "write_grid"]

GRID_MEDIA_TYPE = "application/vnd.harness.grid+json"


class GridState(StrEnum):
    """What came of a combination."""

    HELD = "held"
    DOUBTFUL = "doubtful"
    BROKEN = "broken"
    NOT_TRIED = "not_tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class GridCell:
    """One combination.

    Args:
        row, column: as in the grid's `rows` and `columns`.
        text: a figure or a few words; may be empty.
        detail: what there is to know of it, a line each.
        reproduce: the command that tries just this again.
    """

    row: str
    column: str
    state: GridState
    text: str = ""
    detail: str = ""
    reproduce: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Rows and columns in the order to be shown; a combination without a cell is left blank.

    Args:
        note: a sentence on what is in it and what is not; may be empty.
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[GridCell, ...]
    note: str = ""
    schema_version: int = 1

    def cell(self, row: str, column: str) -> GridCell | None:
        """The cell of a combination; None when there is none."""
        return next((c for c in self.cells if c.row == row and c.column == column), None)


def write_grid(path: Path, grid: Grid) -> Path:
    """Write a grid as JSON; returns `path`, ready for `context.artifact(path, name, GRID_MEDIA_TYPE)`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(grid), encoding="utf-8")
    return path


def read_grid(path: Path) -> Grid:
    """Read what `write_grid` wrote.

    Raises:
        pydantic.ValidationError: when it is not that.
    """
    return from_json(Grid, path.read_bytes())
