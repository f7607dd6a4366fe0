"""The grids of a run, read from its artifacts and made ready to be shown; how they look in each format is decided elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.evidence import Artifact, Finding, RunResult, StageResult
from harness.evidence.grid import GRID_MEDIA_TYPE, Grid, GridCell, GridState, read_grid
from harness.report.text import first_line, line

__all__ = ["SIGNS", "WORDS", "GridView", "grids_of"]

SIGNS = {GridState.HELD: "✓", GridState.BROKEN: "✗", GridState.DOUBTFUL: "~", GridState.NOT_TRIED: "–"}
WORDS = {
    GridState.HELD: "held",
    GridState.BROKEN: "broken",
    GridState.DOUBTFUL: "doubtful",
    GridState.NOT_TRIED: "not tried",
}
#: Worst first: of two cells of one combination, the worse one is shown.
_RANK = {
    state: i for i, state in enumerate((GridState.BROKEN, GridState.DOUBTFUL, GridState.NOT_TRIED, GridState.HELD))
}


@dataclass(frozen=True, slots=True)
class GridView:
    """A grid as reports take it; `problem` says why there is none.

    Args:
        rows, columns: in the order to be shown; those only a cell names come last.
        cells: by row and column.
        findings: of the same stage, by `place.edge` (the row) and `place.experiment` (the column).
        note: a sentence on what is in it and what is not.
    """

    stage: str
    title: str
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    cells: Mapping[tuple[str, str], GridCell] = field(default_factory=dict)
    findings: Mapping[tuple[str, str], Sequence[Finding]] = field(default_factory=dict)
    problem: str = ""
    note: str = ""

    @property
    def summary(self) -> str:
        """`Promises under failure: 104 of 117 held, 5 broken, 8 doubtful`."""
        if self.problem:
            return f"{line(self.title, 80)}: {self.problem}"
        counts = Counter(c.state for c in self.cells.values())
        rest = [f"{counts[s]:,} {WORDS[s]}" for s in _RANK if counts[s] and s is not GridState.HELD]
        held = f"{counts[GridState.HELD]:,} of {len(self.cells):,} held"
        return f"{line(self.title, 80)}: {', '.join([held, *rest])}"

    @property
    def all_held(self) -> bool:
        """Whether there is nothing to look into."""
        return not self.problem and all(c.state is GridState.HELD for c in self.cells.values())

    def row(self, name: str) -> list[GridCell | None]:
        """The cells of a row, one for each column; None where there is none."""
        return [self.cells.get((name, column)) for column in self.columns]

    def rows_not_held(self) -> tuple[str, ...]:
        """Rows in which anything did not hold."""
        bad = {c.row for c in self.cells.values() if c.state is not GridState.HELD}
        return tuple(r for r in self.rows if r in bad)

    def columns_not_held(self) -> tuple[str, ...]:
        """Columns in which anything did not hold."""
        bad = {c.column for c in self.cells.values() if c.state is not GridState.HELD}
        return tuple(c for c in self.columns if c in bad)


def grids_of(result: RunResult, run_directory: Path) -> list[GridView]:
    """Every grid among the artifacts that has a cell; one that cannot be read is a grid with a problem, not an error."""
    views = [
        _view(stage, artifact, run_directory)
        for stage in result.stages
        for artifact in stage.artifacts
        if artifact.media_type == GRID_MEDIA_TYPE
    ]
    return [v for v in views if v.cells or v.problem]


def _view(stage: StageResult, artifact: Artifact, run_directory: Path) -> GridView:
    try:
        base = run_directory.resolve()
        path = (base / artifact.path).resolve()
        if not path.is_relative_to(base):
            return GridView(stage.name, artifact.name, problem="is not in the folder of the run")
        grid = read_grid(path)
    except OSError as error:
        return GridView(stage.name, artifact.name, problem=f"cannot be read: {error.strerror}")
    except ValueError as error:  # also a NUL in the path
        return GridView(stage.name, artifact.name, problem=f"is not a grid: {first_line(str(error))}")
    return _indexed(stage, grid)


def _indexed(stage: StageResult, grid: Grid) -> GridView:
    cells: dict[tuple[str, str], GridCell] = {}
    for cell in grid.cells:
        there = cells.get((cell.row, cell.column))
        if there is None or _RANK[cell.state] < _RANK[there.state]:
            cells[cell.row, cell.column] = cell
    findings: dict[tuple[str, str], list[Finding]] = {}
    for finding in stage.findings:
        findings.setdefault((finding.place.edge, finding.place.experiment), []).append(finding)
    return GridView(
        stage.name,
        grid.title,
        tuple(dict.fromkeys((*grid.rows, *(c.row for c in grid.cells)))),
        tuple(dict.fromkeys((*grid.columns, *(c.column for c in grid.cells)))),
        cells,
        {key: found for key, found in findings.items() if key in cells},
        note=grid.note,
    )
