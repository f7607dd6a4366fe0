"""Contracts: pacts, provider verification, documents and their compatibility. The door for the pipeline is `stage`."""

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
