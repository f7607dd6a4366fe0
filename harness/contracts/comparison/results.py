"""What a comparison gives: one value per incompatibility, with its place in the contract and in the document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.contracts.comparison.codes import CODES, Severity
from harness.documents.nodes import escape, unescape

__all__ = ["Compared", "Incompatibility", "location", "pointer_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incompatibility:
    """One thing in a contract that the provider's document does not promise.

    Args:
        code: id in the table of codes.
        message: what is wrong, in a sentence.
        consumer, provider: the two sides of the contract.
        description, states: of the interaction.
        pact: file the contract was read from; empty when it was not.
        pact_pointer, spec_pointer: RFC 6901 pointers to the places in contract and document.
        value: what the contract holds there.
        method, path: the operation it was compared with; empty when there is none.
    """

    code: str
    message: str
    consumer: str
    provider: str
    description: str
    states: tuple[str, ...]
    pact: str
    pact_pointer: str
    spec_pointer: str
    value: Any = field(default=None, compare=False)
    method: str = ""
    path: str = ""

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return CODES[self.code].severity

    def as_dict(self, document: str = "") -> dict[str, Any]:
        """The shape the field's tools print, and JSON pointers beside their own notation of a place.

        Args:
            document: address of the document.
        """
        return {
            "code": self.code,
            "message": self.message,
            "mockDetails": {
                "interactionDescription": self.description,
                "interactionState": ", ".join(self.states) or "[none]",
                "location": location(self.pact_pointer),
                "pointer": self.pact_pointer,
                "mockFile": self.pact,
                "value": self.value,
            },
            "specDetails": {
                "location": location(self.spec_pointer),
                "pointer": self.spec_pointer,
                "pathMethod": self.method or None,
                "pathName": self.path or None,
                "specFile": document,
            },
            "source": "spec-mock-validation",
            "type": self.severity.value,
        }


@dataclass(frozen=True, slots=True)
class Compared:
    """What comparing contracts with one document gave.

    Args:
        interactions: how many were compared; those of a kind the document does not describe do not count.
        found: by contract and interaction, in their order.
        skipped: interactions of a kind the document does not describe.
        unresolved: references that point at nothing in the document, where they were needed: anything fits them.
    """

    interactions: int
    found: tuple[Incompatibility, ...]
    skipped: int = 0
    unresolved: tuple[str, ...] = ()

    def count(self, severity: Severity) -> int:
        """How many there are of one severity."""
        return sum(one.severity is severity for one in self.found)


def pointer_of(*steps: object) -> str:
    """An RFC 6901 pointer."""
    return "".join(f"/{escape(str(step))}" for step in steps)


def location(pointer: str) -> str:
    """A pointer in the notation of the field's tools: `[root].interactions[0].request.body`."""
    text = "[root]"
    for token in pointer.split("/")[1:]:
        name = unescape(token)
        text += f"[{name}]" if name.isdigit() and not text.endswith("responses") else f".{name}"
    return text
