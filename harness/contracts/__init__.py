"""Contracts: pacts, provider verification, documents and their compatibility. The door for the pipeline is `stage`.

What is offered here is loaded when it is asked for: every process that verifies, and every pytest with our plugin, comes
through this door and wants none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    room = "sources" if name in {"ContractSource", "Contracts", "FolderSource"} else "pacts"
    return getattr(import_module(f"{__name__}.{room}"), name)
