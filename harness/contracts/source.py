"""Where contracts come from. A folder today; a URL or a broker is a further implementation of `ContractSource`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.contracts.pacts import Pact, PactError, read_pact

__all__ = ["ContractSource", "Contracts", "FolderSource", "UnreadablePact"]


@dataclass(frozen=True, slots=True)
class UnreadablePact:
    """Something among the contracts that is no pact.

    Args:
        name: how the source calls it, e.g. a file's path below the project.
        problem: why it is no pact.
    """

    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class Contracts:
    """What a source holds, each part sorted by name."""

    pacts: tuple[Pact, ...]
    unreadable: tuple[UnreadablePact, ...] = ()


class ContractSource(Protocol):
    """Something that holds pacts.

    `name`: how messages call it.
    """

    @property
    def name(self) -> str:
        """How messages call it."""

    def contracts(self) -> Contracts:
        """Read everything it holds."""


@dataclass(frozen=True, slots=True)
class FolderSource:
    """The `*.json` files of one folder (not of the folders in it).

    Args:
        folder: need not exist.
        root: file names in messages are relative to this.
    """

    folder: Path
    root: Path

    @property
    def name(self) -> str:
        """The folder, as the user would type it."""
        return self._relative(self.folder)

    def contracts(self) -> Contracts:
        """Read every file."""
        pacts: list[Pact] = []
        unreadable: list[UnreadablePact] = []
        for file in sorted(self.folder.glob("*.json")):
            try:
                pacts.append(read_pact(file))
            except PactError as error:
                unreadable.append(UnreadablePact(self._relative(file), str(error)))
        return Contracts(tuple(pacts), tuple(unreadable))

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)
