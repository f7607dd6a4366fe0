"""The door to where contracts come from, under the name it always had; the sources themselves are in `sources`."""

from harness.contracts.sources.files import FolderSource
from harness.contracts.sources.model import Contracts, ContractSource, UnreadablePact

__all__ = ["ContractSource", "Contracts", "FolderSource", "UnreadablePact"]
