"""Test helpers for people who use the harness: the pytest plugin and its fixtures. Nothing heavy is imported here."""

from typing import TYPE_CHECKING, Any

from harness.contracts.provider.states import StateChange
from harness.testing.consumer import PactFactory

if TYPE_CHECKING:
    from harness.chaos.toxics import Toxics

__all__ = ["PactFactory", "StateChange", "Toxics"]


def __getattr__(name: str) -> Any:
    """`Toxics`, for annotations of tests: loaded when it is asked for, because it brings an HTTP client along."""
    if name != "Toxics":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from harness.chaos.toxics import Toxics

    return Toxics
