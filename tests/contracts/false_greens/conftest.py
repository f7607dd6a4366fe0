"""For every table of false greens: fast children, and one run for the situations that are brought about together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from harness.evidence import StageResult
from tests.contracts.false_greens.situations import Arrange


@pytest.fixture(autouse=True, scope="module")
def _fast() -> Iterator[None]:
    """Other packages' pytest plugins take seconds to load in every child, and have no part in this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.setenv("PYTEST_ADDOPTS", "-p harness.testing.plugin -p xdist.plugin")
        yield


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Arrange], StageResult]:
    """What the stage says of an arrangement; each is run once."""
    return cache(lambda arrange: arrange(tmp_path_factory.mktemp("situation")))
