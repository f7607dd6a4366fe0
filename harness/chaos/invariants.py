"""Invariants: journeys in `<experiments>/invariants.py` that must all go well once the faults are over."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import anyio

from harness.chaos.experiments import INVARIANTS_FILE
from harness.chaos.trial import Ground
from harness.system.drive import DriveSpec, Sample, drive

__all__ = ["Invariants"]

_TIMEOUT_S = 5.0
_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True)
class Invariants:
    """The project's invariants.

    Args:
        file: `<experiments>/invariants.py`; it need not exist.
        within_s: the longest to wait for them: what was under way when a fault hit may take a moment to be made good.
    """

    file: Path
    ground: Ground
    within_s: float

    @staticmethod
    def file_of(root: Path, experiments: str) -> Path:
        """Where a project keeps its invariants."""
        return root / experiments / INVARIANTS_FILE

    async def check(self, names: tuple[str, ...] = ()) -> list[Sample]:
        """Walk them until all go well, or the time is up.

        Args:
            names: these only; all when empty.

        Returns:
            The last walk of each; empty when there is no such file.

        Raises:
            UsageError: when the file does not import or a name is unknown.
        """
        if not self.file.is_file():
            return []
        limit = time.monotonic() + self.within_s
        while True:
            seen: list[Sample] = []
            spec = DriveSpec(
                journeys_file=str(self.file),
                base_urls=self.ground.rig.runtime.addresses,
                entry=self.ground.entry,
                allowed=self.ground.rig.runtime.system.runtime.allow_targets,
                names=names,
                seed=self.ground.seed,
                timeout_s=_TIMEOUT_S,
            )
            await drive(
                spec,
                root=self.ground.root,
                log=self.ground.log,
                time_limit_s=self.within_s + 30.0,
                on_sample=seen.append,
            )
            failed = [s.journey for s in seen if not s.ok]
            self.ground.journal.write("invariants walked", walked=len(seen), failed=failed)
            if not failed or time.monotonic() + _AGAIN_S > limit:
                return seen
            await anyio.sleep(_AGAIN_S)
