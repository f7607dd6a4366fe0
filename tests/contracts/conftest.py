"""For tests of stages that start pytest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def fast_children() -> Iterator[None]:
    """Other packages' pytest plugins take seconds to load in every child, and have no part in this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.setenv("PYTEST_ADDOPTS", "-p harness.testing.plugin -p xdist.plugin")
        yield
