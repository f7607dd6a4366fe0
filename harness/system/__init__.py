"""The system under test: its model, `harness.toml`, journeys, runtimes and child processes; knows no stage."""

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
