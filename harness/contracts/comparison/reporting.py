"""Puts a name, a contract and a place to what the checks find; they say only what is wrong and where in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.contracts.comparison.results import Incompatibility, pointer_of
from harness.contracts.comparison.schemas import Problem
from harness.contracts.documents.nodes import Node
from harness.contracts.pacts import Interaction, Pact

__all__ = ["Reporter"]


@dataclass(frozen=True, slots=True)
class Reporter:
    """Words the findings of one interaction.

    Args:
        pointer: RFC 6901 pointer to the interaction in its contract.
        file: the contract's address.
        method, path: the operation; empty when there is none.
    """

    pact: Pact
    interaction: Interaction
    pointer: str
    file: str = ""
    method: str = ""
    path: str = ""

    def at(
        self, code: str, message: str, where: tuple[object, ...], spec: Node | str, value: Any = None
    ) -> Incompatibility:
        """A finding.

        Args:
            where: steps from the interaction to the place in the contract.
            spec: the place in the document.
        """
        return Incompatibility(
            code=code,
            message=message,
            consumer=self.pact.consumer,
            provider=self.pact.provider,
            description=self.interaction.description,
            states=self.interaction.states,
            pact=self.file,
            pact_pointer=self.pointer + pointer_of(*where),
            spec_pointer=spec if isinstance(spec, str) else spec.pointer,
            value=value,
            method=self.method,
            path=self.path,
        )

    def problem(self, code: str, what: str, where: tuple[object, ...], problem: Problem) -> Incompatibility:
        """A finding about a value that does not fit its schema."""
        field = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in problem.path).lstrip(".")
        named = f"{what}, `{field}`" if field else what
        return self.at(code, f"{named}: {problem.text}", (*where, *problem.path), problem.pointer, problem.value)
