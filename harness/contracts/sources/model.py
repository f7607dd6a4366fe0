"""What a source of contracts is and gives; the kinds of sources are beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harness.contracts.pacts import Pact

__all__ = ["ContractSource", "Contracts", "UnreadablePact"]


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
    """What a source holds, each part sorted by name.

    Args:
        remarks: what is worth a line although nothing is wrong with it, such as a contract that replaces another.
    """

    pacts: tuple[Pact, ...]
    unreadable: tuple[UnreadablePact, ...] = ()
    remarks: tuple[str, ...] = ()


class ContractSource(Protocol):
    """Something that holds pacts.

    `name`: how messages call it.
    """

    @property
    def name(self) -> str:
        """How messages call it."""

    def contracts(self) -> Contracts:
        """Read everything it holds; may use the network, within time limits, so it is not for the event loop.

        Raises:
            UsageError: when it cannot be as it was written down.
            InfrastructureError: when it cannot be reached.
        """
