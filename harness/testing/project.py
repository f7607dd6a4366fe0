"""Which harness.toml a pytest run is about: `--harness-config`, the ini option `harness_config`, or the nearest one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.system.config import Project

__all__ = ["add_options", "find_project"]


def add_options(parser: pytest.Parser) -> None:
    """Add the option and the ini option."""
    text = "the harness.toml that describes the system (default: the nearest one in the rootdir or above it)"
    parser.getgroup("harness").addoption("--harness-config", metavar="FILE", help=text)
    parser.addini("harness_config", text, default="")


def find_project(config: pytest.Config) -> Project | None:
    """Read the project; None when no file is named and none is found.

    Raises:
        pytest.UsageError: when it has a mistake, or the file that was named is not there.
    """
    root, typed = config.rootpath, config.getoption("--harness-config")
    written = config.getini("harness_config")
    if typed:
        found = config.invocation_params.dir / typed
    elif written:
        found = (config.inipath.parent if config.inipath else root) / written
    else:
        nearest = next((f for d in (root, *root.parents) if (f := d / "harness.toml").is_file()), None)
        if nearest is None:
            return None
        found = nearest
    from harness.errors import HarnessError
    from harness.system.config import load_project

    try:
        return load_project(found)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None
