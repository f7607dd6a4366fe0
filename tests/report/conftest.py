"""A run with its artifacts, made once per test."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.evidence import RunResult
from tests.report.fakes import fake_result


@pytest.fixture
def run_directory(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture
def result(run_directory: Path) -> RunResult:
    return fake_result(run_directory)


@pytest.fixture
def hostile(run_directory: Path) -> RunResult:
    return fake_result(run_directory, hostile=True)
