"""Grids as the HTML report shows them: which cell gets details and an anchor, and the findings it leads to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.evidence.grid import GridCell, GridState
from harness.report.grids import SIGNS, WORDS, GridView
from harness.report.text import clip, line
from harness.report.views import FindingView, Group

__all__ = ["CellView", "GridPage", "RowView", "grid_pages"]

#: Cells that get details: those that did not hold first; a grid of thousands would make the page slow.
_DETAILS = 400
_TIP, _TEXT = 480, 40


@dataclass(frozen=True, slots=True)
class CellView:
    """A cell; `anchor` is empty when it has no details on the page."""

    cell: GridCell
    anchor: str
    found: tuple[FindingView, ...] = ()

    @property
    def state(self) -> str:
        """Its class in the style sheet."""
        return self.cell.state.value

    @property
    def sign(self) -> str:
        """One character, so that colours are not needed."""
        return SIGNS[self.cell.state]

    @property
    def word(self) -> str:
        """What the sign means."""
        return WORDS[self.cell.state]

    @property
    def text(self) -> str:
        """A few words, short enough for the table."""
        return line(self.cell.text, _TEXT)

    @property
    def tip(self) -> str:
        """What is told when the pointer rests on it."""
        told = f"{line(self.cell.row, 100)} · {line(self.cell.column, 100)}: {self.word}"
        return clip(f"{told}\n{self.cell.detail}".rstrip(), _TIP)


@dataclass(frozen=True, slots=True)
class RowView:
    """A row, with None where nothing was to be tried."""

    name: str
    cells: tuple[CellView | None, ...]


@dataclass(frozen=True, slots=True)
class GridPage:
    """A grid on the page.

    Args:
        tally: state, sign, word and number of cells, for every state there is.
        open: cells with details that did not hold, worst first; `held` are those that did.
        untold: how many cells have no details.
    """

    anchor: str
    grid: GridView
    rows: tuple[RowView, ...]
    tally: tuple[tuple[str, str, str, int], ...]
    open: tuple[CellView, ...]
    held: tuple[CellView, ...]
    untold: int


def grid_pages(grids: Sequence[GridView], groups: Sequence[Group]) -> list[GridPage]:
    """Every grid, its cells linked to findings in `groups`."""
    found = {id(v.finding): v for g in groups for v in g.members}
    return [_page(number, grid, found) for number, grid in enumerate(grids, 1)]


def _page(number: int, grid: GridView, found: dict[int, FindingView]) -> GridPage:
    order = (GridState.BROKEN, GridState.DOUBTFUL, GridState.NOT_TRIED, GridState.HELD)
    places = [(row, column) for row in grid.rows for column in grid.columns if (row, column) in grid.cells]
    worst = sorted(places, key=lambda place: order.index(grid.cells[place].state))
    told = {key: f"grid-{number}-{i}" for i, key in enumerate(worst[:_DETAILS], 1)}
    views = {
        key: CellView(
            grid.cells[key],
            told.get(key, ""),
            tuple(found[id(f)] for f in grid.findings.get(key, ()) if id(f) in found),
        )
        for key in worst
    }
    counts = Counter(c.state for c in grid.cells.values())
    with_details = [v for v in views.values() if v.anchor]
    return GridPage(
        anchor=f"grid-{number}",
        grid=grid,
        rows=tuple(RowView(row, tuple(views.get((row, c)) for c in grid.columns)) for row in grid.rows),
        tally=tuple((s.value, SIGNS[s], WORDS[s], counts[s]) for s in SIGNS if counts[s]),
        open=tuple(v for v in with_details if v.cell.state is not GridState.HELD),
        held=tuple(v for v in with_details if v.cell.state is GridState.HELD),
        untold=len(views) - len(with_details),
    )
