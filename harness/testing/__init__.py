"""Test helpers for people who use the harness: the pytest plugin and its fixtures. Nothing heavy is imported here."""

from harness.contracts.provider.states import StateChange
from harness.testing.consumer import PactFactory

__all__ = ["PactFactory", "StateChange"]
