"""Fuzzing: Schemathesis on every service with an OpenAPI document. No generator or check of our own is in this room."""

from typing import TYPE_CHECKING

from harness.doors import opened_when_asked

if TYPE_CHECKING:
    from harness.fuzz.stage import FuzzSettings, FuzzStage

__all__ = ["FuzzSettings", "FuzzStage"]

# The process that Schemathesis runs in finds its hooks in this room, and has no use for the stage.
__getattr__ = opened_when_asked(__name__, dict.fromkeys(__all__, ".stage"))
