"""Test helpers for people who use the harness: the pytest plugin and its fixtures. Nothing heavy is imported here."""

from typing import TYPE_CHECKING

from harness.doors import opened_when_asked

if TYPE_CHECKING:
    from harness.chaos.toxics import Toxics
    from harness.contracts.provider.states import StateChange
    from harness.testing.consumer import PactFactory

__all__ = ["PactFactory", "StateChange", "Toxics"]

__getattr__ = opened_when_asked(
    __name__,
    {
        "PactFactory": ".consumer",
        "StateChange": "harness.contracts.provider.states",
        "Toxics": "harness.chaos.toxics",  # it brings an HTTP client along
    },
)
