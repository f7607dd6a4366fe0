"""The system under test: its model, `harness.toml`, journeys, runtimes and child processes; knows no stage."""

from typing import TYPE_CHECKING

from harness.doors import opened_when_asked

if TYPE_CHECKING:
    from harness.system.journeys import Journey, JourneyFailed, Response, Step, User, journey
    from harness.system.model import Edge, EdgeKind, OnFailure, ResilienceContract, Resource, Service, System

__all__ = [
    "Edge",
    "EdgeKind",
    "Journey",
    "JourneyFailed",
    "OnFailure",
    "ResilienceContract",
    "Resource",
    "Response",
    "Service",
    "Step",
    "System",
    "User",
    "journey",
]

_OF_JOURNEYS = ("Journey", "JourneyFailed", "Response", "Step", "User", "journey")
__getattr__ = opened_when_asked(__name__, {name: ".journeys" if name in _OF_JOURNEYS else ".model" for name in __all__})
