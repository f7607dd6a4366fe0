"""Invariants: journeys in `<experiments>/invariants.py` that must all go well once the faults are over."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import anyio

from harness.chaos.experiments import INVARIANTS_FILE
from harness.chaos.trial import Ground
from harness.system.arrivals import seed_alone
from harness.system.drive import Sample

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
        walker = self.ground.walker
        wanted = names or tuple(k.name for k in await walker.known(self.file))
        while True:
            # One after the other, each with the same data every time.
            seen = [
                sample
                for name in wanted
                for sample in await walker.walk(
                    self.file, name, [seed_alone(self.ground.seed, name)], timeout_s=_TIMEOUT_S
                )
            ]
            failed = [s.journey for s in seen if not s.ok]
            self.ground.journal.write("invariants walked", walked=len(seen), failed=failed)
            if not failed or time.monotonic() + _AGAIN_S > limit:
                return seen
            await anyio.sleep(_AGAIN_S)
