"""Fuzzing: Schemathesis on every service with an OpenAPI document. No generator or check of our own is in this room."""

from harness.fuzz.stage import FuzzSettings, FuzzStage

__all__ = ["FuzzSettings", "FuzzStage"]
