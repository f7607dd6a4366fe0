"""Faults: a Toxiproxy server and client, experiments on edges and services, and what becomes of the users meanwhile.

For experiments in Python: `from harness.chaos import Chaos, experiment`.
"""

from harness.chaos.script import Chaos, experiment

__all__ = ["Chaos", "experiment"]
