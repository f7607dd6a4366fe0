"""Where contracts come from, files, URLs and a Pact Broker, and where results go. The door is `source_for`."""

from typing import TYPE_CHECKING

from harness.doors import opened_when_asked

if TYPE_CHECKING:
    from harness.contracts.sources.combined import CombinedSource, source_for
    from harness.contracts.sources.files import FolderSource, PathSource, overlooked
    from harness.contracts.sources.model import Contracts, ContractSource, UnreadablePact

__all__ = [
    "CombinedSource",
    "ContractSource",
    "Contracts",
    "FolderSource",
    "PathSource",
    "UnreadablePact",
    "overlooked",
    "source_for",
]

__getattr__ = opened_when_asked(
    __name__,
    dict.fromkeys(("CombinedSource", "source_for"), ".combined")
    | dict.fromkeys(("FolderSource", "PathSource", "overlooked"), ".files")
    | dict.fromkeys(("ContractSource", "Contracts", "UnreadablePact"), ".model"),
)
