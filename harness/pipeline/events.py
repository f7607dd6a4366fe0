"""Typed events a run emits; terminal, reports and stores are handlers of them. Nothing here prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, Protocol

from pydantic import Field

from harness.evidence import Finding, GateOutcome, RunResult, StageResult

__all__ = [
    "Event",
    "EventHandler",
    "FindingFound",
    "Note",
    "PlannedStage",
    "RunFinished",
    "RunStarted",
    "SecretLearned",
    "StageEvent",
    "StageFinished",
    "StageProgress",
    "StageStarted",
    "WireEvent",
]


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """One stage as the plan has it; `skip` is the reason it will not run, empty when it will."""

    KNOWN_BY: ClassVar[frozenset[str]] = frozenset({"name", "after", "requires"})

    name: str
    title: str
    after: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    exclusive: bool = False
    skip: str = ""
    time_limit_s: float = 0.0
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """The run begins; `expected_s` is how long it took last time, 0 when unknown."""

    run_id: str
    system: str
    profile: str
    seed: int
    started: str
    stages: tuple[PlannedStage, ...]
    expected_s: Mapping[str, float] = field(default_factory=dict)
    kind: Literal["run_started"] = "run_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStarted:
    """A stage begins; `at` in seconds since the epoch."""

    stage: str
    at: float
    kind: Literal["stage_started"] = "stage_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageProgress:
    """How far a stage is: `done` of `total` (0 when unknown), and what it does just now."""

    stage: str
    done: float
    total: float
    note: str = ""
    kind: Literal["stage_progress"] = "stage_progress"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingFound:
    """A finding, as it comes; it is in the stage's result as well."""

    stage: str
    finding: Finding
    kind: Literal["finding_found"] = "finding_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something worth a line of chatter: a service that is ready, a tool that was chosen."""

    stage: str
    text: str
    kind: Literal["note"] = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFinished:
    """A stage has ended, or was skipped; `gates` is what the gates on it said (nothing yet, in what its process sends)."""

    result: StageResult
    gates: tuple[GateOutcome, ...] = ()
    kind: Literal["stage_finished"] = "stage_finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The run has ended; `directory` holds its artifacts."""

    result: RunResult
    directory: str
    kind: Literal["run_finished"] = "run_finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretLearned:
    """A worker got hold of a credential: the run masks it too. Goes from process to process only, to no handler, on no disk."""

    value: str = field(repr=False)
    kind: Literal["secret_learned"] = "secret_learned"


Event = RunStarted | StageStarted | StageProgress | FindingFound | Note | StageFinished | RunFinished
#: What a stage's own process may send to the harness: a union tagged by `kind`, one JSON text per line.
StageEvent = StageProgress | FindingFound | Note | StageFinished | SecretLearned
WireEvent = Annotated[StageEvent, Field(discriminator="kind")]


class EventHandler(Protocol):
    """Something that takes every event of a run, in order."""

    def handle(self, event: Event) -> None:
        """Take one event; must not raise for lack of a terminal, and must be quick."""

    def close(self) -> None:
        """Release what the handler holds; called once, also when the run was interrupted."""
