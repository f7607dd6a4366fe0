"""A grid in a terminal: signs under heads that stand as stairs, so that twenty columns fit where names of two would not.

promises under failure: 1 of 4 held, 2 broken, 1 not tried
                       ┌ refused
                       │ ┌ hang
orders -> payments     ✓ ✗
payments -> psp        – ✗
✓ held  ✗ broken  – not tried
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

from harness.evidence.grid import GridCell, GridState
from harness.report.grids import SIGNS, WORDS, GridView
from harness.report.text import count, line

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["ASCII", "UNICODE", "Signs", "matrix"]

#: Grids of so few cells are drawn even where all held; of more rows, only those with something to look into are.
_FEW_CELLS, _MANY_ROWS = 20, 25
#: Rows drawn or told at most, columns a row's name may take, and the least room a head is given.
_MOST_ROWS, _NAME, _HEAD = 40, 44, 8
#: Characters of a grid's note.
_NOTE = 800
#: Characters of a cell's own text beside its sign, where there is room for all of them.
_TEXT = 24

_STYLES = {
    GridState.HELD: "green",
    GridState.BROKEN: "bold red",
    GridState.DOUBTFUL: "yellow",
    GridState.NOT_TRIED: "dim",
}


@dataclass(frozen=True, slots=True)
class Signs:
    """The characters a matrix is made of, each one column wide."""

    states: Mapping[GridState, str]
    corner: str
    stem: str
    more: str


UNICODE = Signs(SIGNS, "┌", "│", "…")
#: For streams that cannot carry the others: all of them would be the same question mark.
ASCII = Signs(
    {GridState.HELD: "+", GridState.BROKEN: "X", GridState.DOUBTFUL: "~", GridState.NOT_TRIED: "-"}, ".", "|", ">"
)


def matrix(view: GridView, width: int, signs: Signs = UNICODE) -> Iterator[Text]:
    """The lines of a grid: one when all held, else a summary, the matrix, and what its signs mean.

    Args:
        width: columns there are; where the matrix does not fit, rows with anything not held are told in words.
    """
    from rich.text import Text

    yield Text(_lowered(view.summary))
    for row in wrap(line(view.note, _NOTE), width):
        yield Text(row, style="dim")
    if view.problem or (view.all_held and len(view.cells) > _FEW_CELLS):
        return
    rows = view.rows_not_held() if len(view.rows) > _MANY_ROWS else view.rows
    if not rows:
        return
    shown = rows[:_MOST_ROWS]
    name = min(_widest(shown), _NAME, max(width // 3, 8))
    wide = _worded(view, shown, width - name - 2, signs)
    if wide is not None:
        yield from _table(view, shown, name, wide, signs)
    elif name + 2 + 2 * len(view.columns) + _HEAD <= width:
        yield from _stairs(view, shown, name, width, signs)
    else:
        rows = view.rows_not_held()
        shown = rows[:_MOST_ROWS]
        yield from _in_words(view, shown, signs)
    if len(shown) < len(rows):
        yield Text(f"{signs.more} and {count(len(rows) - len(shown), 'more row')} in the report", style="dim")
    if len(rows) < len(view.rows):
        yield Text(f"{count(len(view.rows) - len(rows), 'row')} with nothing to look into left out", style="dim")
    yield _legend(view, signs)


def _lowered(title: str) -> str:
    """Like the other lines of a summary; what is written in capitals stays so."""
    return title[:1].lower() + title[1:] if title[1:2].islower() else title


def _worded(view: GridView, rows: Sequence[str], room: int, signs: Signs) -> list[int] | None:
    """Widths of columns with heads and texts written out; None when that does not fit into `room`."""
    widths = []
    for column in view.columns:
        cells = [view.cells[row, column] for row in rows if (row, column) in view.cells]
        head = line(column)
        widths.append(max([_cells(head), *(_cells(_written(c, signs)) for c in cells)]))
    return widths if sum(w + 2 for w in widths) <= room else None


def _table(view: GridView, rows: Iterable[str], name: int, widths: Sequence[int], signs: Signs) -> Iterator[Text]:
    from rich.text import Text

    heads = "  ".join(_fit(line(c), w, signs) for c, w in zip(view.columns, widths, strict=True))
    yield Text(f"{'':{name}}  {heads}".rstrip(), style="dim")
    for row in rows:
        told = Text(_fit(line(row), name, signs))
        for cell, width in zip(view.row(row), widths, strict=True):
            told.append("  ")
            told.append(_fit(_written(cell, signs) if cell else "", width, signs), _STYLES[cell.state] if cell else "")
        yield told


def _stairs(view: GridView, rows: Iterable[str], name: int, width: int, signs: Signs) -> Iterator[Text]:
    from rich.text import Text

    for i, column in enumerate(view.columns):
        stems = f"{signs.stem} " * i
        head = line(column)
        room = max(width - name - 4 - len(stems), 1)
        yield Text(f"{'':{name}}  {stems}{signs.corner} {_fit(head, min(_cells(head), room), signs)}", style="dim")
    for row in rows:
        told = Text(f"{_fit(line(row), name, signs)} ")
        for cell in view.row(row):
            told.append(" ")
            told.append(signs.states[cell.state] if cell else " ", _STYLES[cell.state] if cell else "")
        yield told


def _in_words(view: GridView, rows: Iterable[str], signs: Signs) -> Iterator[Text]:
    from rich.text import Text

    for row in rows:
        told = Text(f"{line(row, _NAME)}:")
        cells = [c for c in view.row(row) if c]
        for state in (GridState.BROKEN, GridState.DOUBTFUL, GridState.NOT_TRIED):
            names = [line(c.column, 40) for c in cells if c.state is state]
            more = f" and {len(names) - 8} more" if len(names) > 8 else ""
            if names:
                told.append(f"  {signs.states[state]} ", _STYLES[state])
                told.append(f"{', '.join(names[:8])}{more}")
        yield told


def _legend(view: GridView, signs: Signs) -> Text:
    from rich.text import Text

    there = {c.state for c in view.cells.values()}
    told = Text()
    for state in SIGNS:
        if state in there:
            told.append("  " if told else "")
            told.append(signs.states[state], _STYLES[state])
            told.append(f" {WORDS[state]}", "dim")
    return told


def _written(cell: GridCell, signs: Signs) -> str:
    return f"{signs.states[cell.state]} {line(cell.text, _TEXT)}".rstrip()


def _widest(texts: Iterable[str]) -> int:
    return max((_cells(line(t)) for t in texts), default=0)


def _cells(text: str) -> int:
    """Columns a text takes in a terminal, where a CJK character takes two."""
    from rich.cells import cell_len

    return cell_len(text)


def _fit(text: str, width: int, signs: Signs) -> str:
    """Text of exactly `width` columns, cut or padded."""
    from rich.cells import set_cell_size

    if _cells(text) <= width:
        return set_cell_size(text, width)
    return f"{set_cell_size(text, max(width - 1, 0)).rstrip()}{signs.more}"
