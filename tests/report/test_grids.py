"""Grids in every report: drawn where something did not hold, told in a line where all did, and never obeyed."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from syrupy.assertion import SnapshotAssertion

from harness.evidence import Artifact, RunResult
from harness.evidence.grid import GRID_MEDIA_TYPE, Grid, GridCell, GridState, read_grid
from harness.pipeline.events import RunFinished
from harness.report import write_reports
from harness.report.closing import print_closing, render
from harness.report.grids import GridView, grids_of
from harness.report.markdown import summary_markdown
from harness.report.matrix import ASCII, UNICODE, Signs, matrix
from tests.report.fakes import (
    HOSTILE,
    all_held,
    fake_grid,
    fake_plan,
    fake_result,
    fake_system,
    grid_of_size,
    hostile_grid,
    with_grid,
)
from tests.report.test_html import Page, page_of

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e\ud800-\udfff]")


@pytest.fixture
def shown(result: RunResult, run_directory: Path) -> Callable[[Grid], GridView]:
    """The grid as reports see it, after it was written and read back."""
    return lambda grid: grids_of(with_grid(result, run_directory, grid), run_directory)[0]


def drawn(view: GridView, width: int) -> str:
    return "\n".join(row.plain.rstrip() for row in matrix(view, width))


def page_with(result: RunResult, run_directory: Path, grid: Grid) -> Page:
    return page_of(with_grid(result, run_directory, grid), run_directory)


def cells_in(page: Page) -> list[dict[str, str]]:
    states = {s.value for s in GridState}
    return [a for tag, a in page.tags if tag == "td" and a.get("class") in states]


# In a terminal.


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_terminal_shows_the_matrix_within_its_width(
    shown: Callable[[Grid], GridView], width: int, snapshot: SnapshotAssertion
) -> None:
    told = drawn(shown(fake_grid()), width)
    assert max(map(len, told.splitlines())) <= width
    assert told == snapshot


def test_a_terminal_too_narrow_is_told_what_did_not_hold_in_words(
    shown: Callable[[Grid], GridView], snapshot: SnapshotAssertion
) -> None:
    assert drawn(shown(fake_grid()), 44) == snapshot


def test_what_all_held_is_one_line(shown: Callable[[Grid], GridView]) -> None:
    assert drawn(shown(all_held(fake_grid())), 100) == "promises under failure: 115 of 115 held"


def test_a_note_is_told_in_every_report_and_within_the_width(
    shown: Callable[[Grid], GridView], result: RunResult, run_directory: Path
) -> None:
    note = (
        f"3 pairs of 40 possible were tried; {HOSTILE} the rest cannot differ from what was tried, for these reasons."
    )
    grid = replace(all_held(grid_of_size(30, 2)), note=note)
    page = page_with(result, run_directory, grid)

    lines = drawn(shown(grid), 40).splitlines()

    assert "3 pairs of 40 possible" in lines[1]
    assert all(cell_len(row) <= 40 for row in lines[1:])
    assert "3 pairs of 40 possible" in summary_markdown(result, [shown(grid)])
    assert "3 pairs of 40 possible" in " ".join(page.text)


def test_a_few_cells_are_drawn_even_when_all_held(shown: Callable[[Grid], GridView]) -> None:
    cell = GridCell(row="orders -> payments", column="hang", state=GridState.HELD, text="waited 0.9 s")
    told = drawn(shown(Grid(title="Promises", rows=(cell.row,), columns=(cell.column,), cells=(cell,))), 80)
    assert re.search(r"^orders -> payments  ✓ waited 0\.9 s$", told, re.MULTILINE)


def test_of_many_rows_those_with_something_to_look_into_are_drawn(shown: Callable[[Grid], GridView]) -> None:
    told = drawn(shown(grid_of_size(200, 20, broken=2)), 80)
    assert told.count("✗ ✓") == 2
    assert "198 rows with nothing to look into left out" in told
    assert max(map(len, told.splitlines())) <= 80


def test_rows_beyond_what_anybody_reads_are_counted(shown: Callable[[Grid], GridView]) -> None:
    told = drawn(shown(grid_of_size(200, 20, broken=60)), 80)
    assert told.count("✗ ✓") == 40
    assert "and 20 more rows in the report" in told


@pytest.mark.parametrize("name", ["caller" * 60, "呼び出し" * 60])
@pytest.mark.parametrize("width", [40, 80, 140])
def test_very_long_names_stay_within_the_width(shown: Callable[[Grid], GridView], name: str, width: int) -> None:
    cells = tuple(GridCell(row=name, column=f"{name}{i}", state=GridState.BROKEN) for i in range(8))
    grid = Grid(title="Promises", rows=(name,), columns=tuple(c.column for c in cells), cells=cells)
    assert all(cell_len(row.plain.rstrip()) <= width for row in matrix(shown(grid), width))


def test_a_stream_that_cannot_carry_the_signs_gets_ascii(result: RunResult, run_directory: Path) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    whole = with_grid(result, run_directory, fake_grid())
    print_closing(out, RunFinished(result=whole, directory=str(run_directory)))
    told = raw.getvalue().decode("ascii")
    assert re.search(r"^orders -> payments +\+ \+ \+ X \+ ", told, re.MULTILINE)
    assert "+ held  X broken  ~ doubtful  - not tried" in told


@pytest.mark.parametrize("signs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_every_state_has_a_sign_of_its_own_one_column_wide(signs: Signs) -> None:
    states = signs.states
    assert len({*states.values(), " "}) == len(GridState) + 1
    assert {cell_len(s) for s in states.values()} == {1}


def test_colours_only_where_there_is_a_terminal_and_nobody_minds(
    result: RunResult, run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = with_grid(result, run_directory, fake_grid())

    def told(*, terminal: bool) -> str:
        grids = grids_of(whole, run_directory)
        text = render(whole, Path("report.html"), terminal=terminal, width=100, grids=grids)
        return text[text.index("promises under") : text.index(" errors, ")]

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[1;31m✗\x1b[0m" in told(terminal=True)
    assert "\x1b" not in told(terminal=False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[(\d+;)*3[0-7]m", told(terminal=True))


def test_the_matrix_stands_between_the_stages_and_the_findings(result: RunResult, run_directory: Path) -> None:
    out = io.StringIO()
    whole = with_grid(result, run_directory, fake_grid())
    print_closing(out, RunFinished(result=whole, directory=str(run_directory)))
    told = out.getvalue()
    assert told.index("synthetic") < told.index("promises under failure") < told.index("9 errors")


def test_hostile_text_in_a_grid_cannot_drive_the_terminal(shown: Callable[[Grid], GridView]) -> None:
    for width in (20, 80, 400):
        assert not any(_CONTROLS.search(row.plain) for row in matrix(shown(hostile_grid()), width))


# In every report.


def test_a_grid_without_cells_is_shown_nowhere(result: RunResult, run_directory: Path) -> None:
    empty = with_grid(result, run_directory, replace(fake_grid(), cells=()))
    assert grids_of(empty, run_directory) == []
    assert "Promises under failure" not in page_of(empty, run_directory).shown


@pytest.mark.parametrize("content", ["", "no json", "{}", '{"title": 3}'])
def test_a_grid_that_cannot_be_read_says_so_in_its_place(result: RunResult, run_directory: Path, content: str) -> None:
    whole = with_grid(result, run_directory, fake_grid())
    (run_directory / "chaos" / "promises.json").write_text(content)
    [view] = grids_of(whole, run_directory)
    assert "promises under failure: is not a grid" in drawn(view, 80)
    assert "promises under failure: is not a grid" in summary_markdown(whole, [view])
    assert "This grid of the chaos stage is not a grid" in page_of(whole, run_directory).shown


def test_a_grid_that_is_gone_says_so(result: RunResult, run_directory: Path) -> None:
    whole = with_grid(result, run_directory, fake_grid())
    (run_directory / "chaos" / "promises.json").unlink()
    assert "cannot be read: No such file" in page_of(whole, run_directory).shown


@pytest.mark.parametrize("path", ["../outside.json", "/etc/passwd", "nul\x00"])
def test_a_grid_outside_of_the_runs_folder_is_not_read(run_directory: Path, path: str) -> None:
    result = fake_result()
    stage = replace(result.stages[0], artifacts=(Artifact("odd", path, GRID_MEDIA_TYPE),))
    (run_directory.parent / "outside.json").write_text('{"title": "x", "rows": [], "columns": [], "cells": []}')
    [view] = grids_of(replace(result, stages=(stage,)), run_directory)
    assert view.problem


def test_of_two_cells_of_one_combination_the_worse_is_shown(shown: Callable[[Grid], GridView]) -> None:
    held, broken = (GridCell(row="a -> b", column="hang", state=s) for s in (GridState.HELD, GridState.BROKEN))
    for cells in ((held, broken), (broken, held)):
        view = shown(Grid(title="t", rows=("a -> b",), columns=("hang",), cells=cells))
        assert [c.state for c in view.row("a -> b") if c] == [GridState.BROKEN]


def test_a_cell_beyond_the_declared_rows_and_columns_is_not_lost(shown: Callable[[Grid], GridView]) -> None:
    cell = GridCell(row="a -> b", column="hang", state=GridState.BROKEN)
    view = shown(Grid(title="t", rows=("x -> y",), columns=("slow",), cells=(cell,)))
    assert (view.rows, view.columns) == (("x -> y", "a -> b"), ("slow", "hang"))


def test_result_json_carries_the_path_of_the_grid_only(result: RunResult, run_directory: Path) -> None:
    whole = with_grid(result, run_directory, fake_grid())
    files = write_reports(whole, fake_plan(), fake_system(), run_directory, run_directory)
    stage = next(s for s in json.loads(files[0].read_text())["stages"] if s["name"] == "chaos")
    [told] = [a for a in stage["artifacts"] if a["media_type"] == GRID_MEDIA_TYPE]
    assert told == {
        "name": "promises under failure",
        "path": "chaos/promises.json",
        "media_type": GRID_MEDIA_TYPE,
    }
    assert read_grid(run_directory / told["path"]) == fake_grid()
    assert '"cells"' not in files[0].read_text()


# In the summary for CI.


def test_the_summary_draws_the_matrix_when_something_did_not_hold(
    shown: Callable[[Grid], GridView], result: RunResult, snapshot: SnapshotAssertion
) -> None:
    told = summary_markdown(result, [shown(fake_grid())])
    assert told[told.index("### Promises") : told.index("### Gates")] == snapshot


def test_the_summary_tells_in_a_line_what_all_held(shown: Callable[[Grid], GridView], result: RunResult) -> None:
    told = summary_markdown(result, [shown(all_held(fake_grid()))])
    assert "\nPromises under failure: 115 of 115 held\n" in told
    assert "| gateway -&gt; catalog |" not in told


def test_a_summary_of_a_huge_grid_stays_small(shown: Callable[[Grid], GridView], result: RunResult) -> None:
    told = summary_markdown(result, [shown(grid_of_size(200, 60, broken=60))])
    assert len(told.encode()) < 100_000
    assert "Not shown here: 160 rows, 59 columns. The report has them." in told


def test_hostile_text_in_a_grid_is_no_markup_in_the_summary(
    shown: Callable[[Grid], GridView], result: RunResult
) -> None:
    told = summary_markdown(result, [shown(hostile_grid())])
    table = told[told.index("&lt;script&gt;alert(1)&lt;/script&gt;: 0 of 11 held") : told.index("### Gates")]
    assert not re.search(r"<script|<img|@someone|\n# ", table)
    widths = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines() if row.startswith("|")}
    assert widths == {len(HOSTILE) + 2}


# In the HTML report.


def test_the_page_has_a_cell_for_every_combination(result: RunResult, run_directory: Path) -> None:
    page = page_with(result, run_directory, fake_grid())
    assert page.unbalanced == []
    assert Counter(a["class"] for a in cells_in(page)) == {"held": 110, "broken": 3, "doubtful": 1, "not_tried": 1}
    assert any("orders -> payments · hang: broken\nthe budget is 1.5 s" in a["title"] for a in cells_in(page))


def test_a_cell_reads_without_colour(result: RunResult, run_directory: Path) -> None:
    page = page_with(result, run_directory, fake_grid())
    assert "✗broken waited 2.1 s" in page.shown
    assert "✓ 110 held" in page.shown


def test_every_cell_leads_to_its_details_and_they_to_command_and_finding(
    result: RunResult, run_directory: Path
) -> None:
    page = page_with(result, run_directory, fake_grid())
    anchors = [a["id"] for _, a in page.tags if "id" in a]
    targets = Counter(a["href"][1:] for tag, a in page.tags if tag == "a" and a.get("href", "").startswith("#"))
    details = {a["id"] for tag, a in page.tags if tag == "details" and a.get("class") == "tried"}
    assert len(anchors) == len(set(anchors))
    assert len(details) == len(fake_grid().cells)
    assert all(targets[d] == 1 for d in details)
    assert set(targets) <= set(anchors)
    assert "harness run chaos --edge orders:payments --fault fails-first --seed 42" in page.shown
    links = [a["href"] for tag, a in page.tags if tag == "a" and a.get("class") == "found error"]
    number = sum(len(s.findings) for s in result.stages[:6]) + len(result.stages[6].findings) + 1
    assert f"#finding-{number}" in links


def test_hostile_text_in_a_grid_becomes_neither_element_nor_attribute(result: RunResult, run_directory: Path) -> None:
    page, clean = (page_with(result, run_directory, g) for g in (hostile_grid(), fake_grid()))
    assert page.unbalanced == []
    assert {t for t, _ in page.tags} == {t for t, _ in clean.tags}
    assert Counter(t for t, _ in page.tags)["script"] == 3
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert not any(a.get("href", "").startswith(("javascript:", "http")) for _, a in page.tags)
    assert "<script>alert(1)</script>" in page.shown
    assert not _CONTROLS.search(page.shown)


def test_details_of_a_huge_grid_are_bounded_and_begin_with_what_did_not_hold(
    result: RunResult, run_directory: Path
) -> None:
    page = page_with(result, run_directory, grid_of_size(200, 20, broken=60))
    assert len(cells_in(page)) == 4_000
    assert sum(a.get("class") == "tried" for _, a in page.tags) == 400
    assert "60 combinations to look into" in page.shown
    assert "3,600 more cells have no details here" in page.shown
    assert page.unbalanced == []


def test_one_cell_is_a_table_too(result: RunResult, run_directory: Path) -> None:
    page = page_with(result, run_directory, grid_of_size(1, 1, broken=1))
    assert [a["class"] for a in cells_in(page)] == ["broken"]
    assert "✗ 1 broken" in page.shown
