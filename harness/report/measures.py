"""Measures of a stage arranged into tables people can read across; values stay as they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.evidence import Measure
from harness.report.text import value_text

__all__ = ["MeasureTable", "measure_tables"]

_COLUMNS = 8


@dataclass(frozen=True, slots=True)
class MeasureTable:
    """Rows of label values, columns of measures; a cell is empty where nothing was measured."""

    labels: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]


def measure_tables(stage: str, measures: Iterable[Measure]) -> tuple[list[tuple[str, str]], list[MeasureTable]]:
    """Split into single figures (no labels) and one table per set of label names.

    Returns:
        `(name, value)` of each single figure, and the tables; a table with too many columns is split.
    """
    single: list[tuple[str, str]] = []
    groups: dict[tuple[str, ...], list[Measure]] = {}
    for measure in measures:
        if measure.labels:
            groups.setdefault(tuple(sorted(measure.labels)), []).append(measure)
        else:
            single.append((_short(stage, measure.name), value_text(measure)))
    tables = []
    for labels, group in groups.items():
        names = list(dict.fromkeys(m.name for m in group))
        slices = [names[start : start + _COLUMNS] for start in range(0, len(names), _COLUMNS)]
        tables += [_table(stage, labels, some, group) for some in slices]
    return single, tables


def _table(stage: str, labels: tuple[str, ...], names: list[str], group: list[Measure]) -> MeasureTable:
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for measure in group:
        if measure.name in names:
            cells.setdefault(tuple(measure.labels[k] for k in labels), {})[measure.name] = value_text(measure)
    rows = tuple((key, tuple(row.get(n, "") for n in names)) for key, row in cells.items())
    return MeasureTable(labels, tuple(_short(stage, n) for n in names), rows)


def _short(stage: str, name: str) -> str:
    return name.removeprefix(f"{stage}.").replace("_", " ")
