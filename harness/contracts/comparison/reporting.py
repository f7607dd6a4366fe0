"""Puts a name, a contract and a place to what the checks find; they say only what is wrong and where in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.contracts.comparison.results import Incompatibility, pointer_of
from harness.contracts.comparison.schemas import Problem
from harness.contracts.pacts import Interaction, Pact
from harness.documents.nodes import Node, unescape

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

    def at(self, code: str, message: str, where: tuple[object, ...], spec: Node, value: Any = None) -> Incompatibility:
        """A finding. Its places are there to be looked at: of what is missing, it names what it is missing in.

        Args:
            where: steps from the interaction to the place in the contract, those of a body as if it were decoded.
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
            pact_pointer=self.pointer + pointer_of(*self._there(where)),
            spec_pointer=_there(spec),
            value=value,
            method=self.method,
            path=self.path,
        )

    def problem(self, code: str, what: str, where: tuple[object, ...], problem: Problem) -> Incompatibility:
        """A finding about a value that does not fit its schema."""
        field = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in problem.path).lstrip(".")
        named = f"{what}, `{field}`" if field else what
        place = Node(problem.root, None, problem.pointer)
        return self.at(code, f"{named}: {problem.text}", (*where, *problem.path), place, problem.value)

    def _there(self, where: Iterable[object]) -> Iterator[str]:
        """The steps as far as the contract has them, in its own notation: names of headers have no case."""
        here: Any = self.interaction.raw
        before, steps = "", [str(step) for step in where]
        for at, step in enumerate(steps, start=1):
            key = _key(here, step, caseless=before == "headers")
            if key is None:
                return
            here, before = here[int(key)] if isinstance(here, list) else here[key], step
            yield key
            wrapped = step == "body" and self.pact.version >= 4 and at < len(steps)
            if wrapped and isinstance(here, Mapping) and "content" in here:
                here = here["content"]
                yield "content"


def _key(holder: Any, step: str, *, caseless: bool) -> str | None:
    if isinstance(holder, list):
        return step if step.isdigit() and int(step) < len(holder) else None
    if not isinstance(holder, Mapping):
        return None
    if step in holder:
        return step
    return next((k for k in holder if caseless and str(k).lower() == step.lower()), None)


def _there(spec: Node) -> str:
    """A pointer as far as the document has it."""
    here: Any = spec.root
    kept: list[str] = []
    for token in spec.pointer.split("/")[1:]:
        key = _key(here, unescape(token), caseless=False)
        if key is None:
            break
        here = here[int(key)] if isinstance(here, list) else here[key]
        kept.append(token)
    return "".join(f"/{token}" for token in kept)
