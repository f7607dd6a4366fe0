"""The history as one run uses it: where the project's folder cannot be used, a run goes on without, and says so once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.errors import InfrastructureError
from harness.evidence.result import RunResult
from harness.evidence.store import EvidenceStore, PastRun

__all__ = ["RunHistory", "is_usable"]


def is_usable(folder: Path) -> bool:
    """Whether this user may read and write in a folder, or may make it."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK)


class RunHistory:
    """The evidence store, asked and told by a run.

    Args:
        optional: whether trouble with it is only told, once. Else asking raises; what a run found is never lost over it.
        tell: takes what there is to tell.
    """

    def __init__(self, store: EvidenceStore, *, optional: bool, tell: Callable[[str], object]) -> None:
        self._store, self._optional, self._tell, self._told = store, optional, tell, False

    def stage_durations(self, profile: str) -> Mapping[str, float]:
        """Seconds each stage usually takes; empty when that is not known."""
        try:
            return self._store.stage_durations(profile)
        except InfrastructureError as error:
            self._trouble(error)
            return {}

    def values(self, name: str, labels: Mapping[str, str], profile: str) -> list[float]:
        """Values of a measure in the last passing runs.

        Raises:
            InfrastructureError: when they cannot be read: a gate must not take that for "no earlier run".
        """
        return self._store.measure_history(name, labels, profile=profile)

    def runs(self) -> list[PastRun]:
        """The last runs, newest first."""
        try:
            return self._store.runs()
        except InfrastructureError as error:
            self._trouble(error)
            return []

    def known(self, result: RunResult) -> set[str] | None:
        """Which fingerprints of a run's findings earlier runs had; None when that is not known."""
        try:
            return self._store.seen_before({f.fingerprint for s in result.stages for f in s.findings})
        except InfrastructureError as error:
            self._trouble(error)
            return None

    def save(self, result: RunResult) -> None:
        """Keep a run; when that fails, what it found stands, and so does its verdict."""
        try:
            self._store.save(result)
        except InfrastructureError as error:
            self._tell(f"the run is not in the history: {error}")

    def _trouble(self, error: InfrastructureError) -> None:
        if not self._optional:
            raise error
        if not self._told:
            self._told = True
            self._tell(f"this run knows of no earlier ones: {error}")
