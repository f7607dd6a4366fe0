"""Contracts: pacts, provider verification, documents and their compatibility. The door for the pipeline is `stage`.

What is offered here is loaded when it is asked for: every process that verifies, and every pytest with our plugin, comes
through this door and wants none of it.
"""

from typing import TYPE_CHECKING

from harness.doors import opened_when_asked

if TYPE_CHECKING:
    from harness.contracts.pacts import Interaction, InteractionKind, Pact, PactError, read_pact
    from harness.contracts.sources import Contracts, ContractSource, FolderSource

__all__ = [
    "ContractSource",
    "Contracts",
    "FolderSource",
    "Interaction",
    "InteractionKind",
    "Pact",
    "PactError",
    "read_pact",
]

_OF_SOURCES = ("ContractSource", "Contracts", "FolderSource")
__getattr__ = opened_when_asked(__name__, {name: ".sources" if name in _OF_SOURCES else ".pacts" for name in __all__})
