"""What was seen of a service while its store was away, beside what is seen under any failure; values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.chaos.client import Call
from harness.chaos.explore.observation import Observation
from harness.system.drive import Sample

__all__ = ["Started", "StoreObservation"]


@dataclass(frozen=True, slots=True)
class Started:
    """How a start went while the store was away.

    Args:
        ready: whether the service said it was ready; None where it has nothing to say so with.
        exit_code: how it ended by itself; negative for a signal, None when it did not.
        late: whether it was not ready in time once the store was back.
    """

    ready: bool | None = None
    exit_code: int | None = None
    late: bool = False


@dataclass(slots=True)
class StoreObservation(Observation):
    """As any observation; the failure is the store's, and what is looked at is the service in front of it.

    Args:
        given: calls to the service while the store was away.
        started: how a second process of it started meanwhile; None when that was not tried.
        untold: walks that went well and whose events the service had not taken in time, by who sent them.
    """

    given: Sequence[Call] = ()
    started: Started | None = None
    untold: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
