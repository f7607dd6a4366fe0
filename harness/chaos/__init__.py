"""Faults: a Toxiproxy server and client, experiments on edges and services, and what becomes of the users meanwhile.

For experiments in Python: `from harness.chaos import Chaos, experiment`.
"""

from typing import TYPE_CHECKING

from harness.doors import opened_when_asked

if TYPE_CHECKING:
    from harness.chaos.script import Chaos, experiment

__all__ = ["Chaos", "experiment"]

__getattr__ = opened_when_asked(__name__, dict.fromkeys(__all__, ".script"))
