"""Plan, scheduler, gates and verdict; knows the Stage protocol and no stage."""

from harness.pipeline.events import (
    Event,
    EventHandler,
    FindingFound,
    Note,
    PlannedStage,
    RunFinished,
    RunStarted,
    StageFinished,
    StageProgress,
    StageStarted,
)
from harness.pipeline.stage import Environment, Need, Stage, StageContext

__all__ = [
    "Environment",
    "Event",
    "EventHandler",
    "FindingFound",
    "Need",
    "Note",
    "PlannedStage",
    "RunFinished",
    "RunStarted",
    "Stage",
    "StageContext",
    "StageFinished",
    "StageProgress",
    "StageStarted",
]
