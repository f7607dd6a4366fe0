"""Every rule that a finding of the fuzz stage may carry; a test looks that none is missing."""

from __future__ import annotations

import os
from pathlib import Path

from harness.fuzz.failures import NO_ANSWER
from harness.system.files import there
from harness.system.toml import read_toml

__all__ = ["CONFIG_FILE", "OWN", "rules"]

CONFIG_FILE = "schemathesis.toml"
#: What the stage itself says; the others are named after Schemathesis' checks.
OWN = frozenset(
    {
        "fuzz.all_refused",
        "fuzz.crash",
        "fuzz.document",
        "fuzz.ended_early",
        "fuzz.engine",
        "fuzz.never_accepted",
        "fuzz.never_reached",
        "fuzz.not_checked",
        "fuzz.not_reproduced",
        "fuzz.out_of_time",
        "fuzz.too_much",
        f"fuzz.{NO_ANSWER}",
    }
)
_HOOKS = "SCHEMATHESIS_HOOKS"


def rules(root: Path) -> frozenset[str] | None:
    """The rules; None where the project has hooks, in which it may register checks of its own.

    Raises:
        ConfigError: when `schemathesis.toml` cannot be read.
    """
    config = root / CONFIG_FILE
    settings = read_toml(config) if there(config, CONFIG_FILE) else {}
    if os.environ.get(_HOOKS) or "hooks" in settings:
        return None
    from schemathesis.checks import CHECKS, load_all_checks  # heavy; asked for only where a gate is on findings of fuzz

    load_all_checks()
    return OWN | {f"fuzz.{name}" for name in CHECKS.get_all_names()}
