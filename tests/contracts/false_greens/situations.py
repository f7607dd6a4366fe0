"""What the tables of false greens are made of: situations, how each is brought about, and what has to be said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import anyio

from harness.contracts.stage import ProviderStage
from harness.errors import HarnessError, InfrastructureError, UsageError, first_of
from harness.evidence import Finding, Severity, StageResult, Status
from harness.pipeline.stage import Stage
from harness.system.config import Project
from tests.contracts.shop import TOML, project
from tests.helpers import make_context

Arrange = Callable[[Path], StageResult]
_F = TypeVar("_F", bound=Arrange)


@dataclass(frozen=True)
class Row:
    """One situation.

    Args:
        arrange: brings it about in an empty folder, possibly together with others, and runs the stage.
        says: a rule, or words of the title or of the reason.
        about: the file or the consumer that the finding names, where others of the same run say the same.
    """

    arrange: Arrange
    says: str
    about: str = ""

    def is_told_by(self, result: StageResult) -> None:
        """Fail unless the stage did not pass, and says why."""
        assert result.status in {Status.FAIL, Status.INCONCLUSIVE}, result
        errors = [f for f in result.findings if f.severity is Severity.ERROR and self._fits(f)]
        told = [*(f"{f.rule} {f.title}" for f in errors), *([] if self.about else [result.reason])]
        assert any(self.says in text for text in told), (told, result)

    def _fits(self, finding: Finding) -> bool:
        place = finding.place
        return self.about in {"", place.file, place.consumer}


@dataclass
class Situations:
    """A table of them, in the order in which they are written down."""

    rows: dict[str, Row] = field(default_factory=dict)

    def __call__(self, what: str, says: str, about: str = "") -> Callable[[_F], _F]:
        """Add a row; one function may bring about several."""

        def add(arrange: _F) -> _F:
            assert what not in self.rows
            self.rows[what] = Row(arrange, says, about)
            return arrange

        return add

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __getitem__(self, what: str) -> Row:
        return self.rows[what]


def run(made: Project, stage: Stage, only: Mapping[str, str] | None = None) -> StageResult:
    """Run one stage; what stops it from outside ends it inconclusive, as in a pipeline."""
    context = make_context(made, stage, [], only=only, jobs=1)

    async def limited() -> StageResult:
        with anyio.fail_after(90):
            return await stage.run(context)

    try:
        return anyio.run(limited)
    except (HarnessError, ExceptionGroup) as raised:
        error = first_of(raised)
        assert isinstance(error, UsageError | InfrastructureError), error
        return StageResult(name=stage.name, status=Status.INCONCLUSIVE, reason=str(error))


def verify(
    root: Path,
    *pacts: dict[str, Any],
    toml: str = TOML,
    only: Mapping[str, str] | None = None,
    files: dict[str, str] | None = None,
) -> StageResult:
    """The provider stage over these pacts."""
    return run(project(root, toml, pacts, files), ProviderStage(), only)
