"""Fuzzing: Schemathesis on every service with an OpenAPI document. No generator or check of our own is in this room."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.fuzz.stage import FuzzSettings, FuzzStage

__all__ = ["FuzzSettings", "FuzzStage"]


def __getattr__(name: str) -> Any:
    # Only when asked for: the process that Schemathesis runs in finds its hooks in this room, and has no use for the stage.
    if name in __all__:
        from harness.fuzz import stage

        return getattr(stage, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
