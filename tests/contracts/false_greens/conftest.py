"""For every table of false greens: fast children, and one run for the situations that are brought about together."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from harness.evidence import StageResult
from tests.contracts.false_greens.situations import Arrange


@pytest.fixture(autouse=True, scope="module")
def _fast(fast_children: None) -> None:
    """As `fast_children`, for every table."""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Arrange], StageResult]:
    """What the stage says of an arrangement; each is run once."""
    return cache(lambda arrange: arrange(tmp_path_factory.mktemp("situation")))
