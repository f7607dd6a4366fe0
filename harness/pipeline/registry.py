"""Finds stages through the entry point group `harness.stages`; the built-in ones come the same way as anybody's."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from harness.errors import InfrastructureError, UsageError, did_you_mean
from harness.pipeline.stage import Stage

__all__ = ["GROUP", "load_stage", "stage_names"]

GROUP = "harness.stages"


@cache
def _points() -> dict[str, EntryPoint]:
    return {p.name: p for p in entry_points(group=GROUP)}


def stage_names() -> tuple[str, ...]:
    """Names of all installed stages, sorted."""
    return tuple(sorted(_points()))


@cache
def load_stage(name: str) -> Stage:
    """Import a stage and make one.

    Raises:
        UsageError: when no stage has this name.
        InfrastructureError: when it does not import.
    """
    points = _points()
    if name not in points:
        known = ", ".join(stage_names())
        raise UsageError(f'there is no stage "{name}".{did_you_mean(name, points)} Known stages: {known}.')
    try:
        stage: Stage = points[name].load()()
    except (ImportError, AttributeError) as error:
        raise InfrastructureError(f'stage "{name}" ({points[name].value}) does not import: {error}') from error
    return stage
