from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from harness.evidence import Chart, Series, Window, read_chart, write_chart

CHART = Chart(
    "Latency", "ms", (Series("buy p99", ((1.0, 2.5), (2.0, 3.0))),), (Window(1.0, 2.0, "300 ms on orders -> payments"),)
)


def test_a_chart_survives_its_file(tmp_path):
    assert read_chart(write_chart(tmp_path / "below" / "series.json", CHART)) == CHART


def test_the_file_is_plain_json_with_a_version(tmp_path):
    data = json.loads(write_chart(tmp_path / "series.json", CHART).read_text())
    assert data == {
        "schema_version": 1,
        "title": "Latency",
        "unit": "ms",
        "series": [{"name": "buy p99", "points": [[1.0, 2.5], [2.0, 3.0]]}],
        "windows": [{"start": 1.0, "end": 2.0, "label": "300 ms on orders -> payments", "kind": "fault"}],
    }


def test_a_file_that_is_no_chart_is_refused(tmp_path):
    (tmp_path / "x.json").write_text('{"title": "x"}')
    with pytest.raises(ValidationError):
        read_chart(tmp_path / "x.json")
