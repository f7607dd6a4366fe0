"""Contracts of which nothing can be learnt, seen before anybody is asked. What the provider answers is not in here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.contracts.edges import edge_name
from harness.contracts.pacts import Interaction, InteractionKind, Pact, file_name
from harness.evidence import Finding, Place, Severity

if TYPE_CHECKING:
    from harness.system.model import System

__all__ = ["vacuous"]


def vacuous(system: System, pacts: Sequence[Pact]) -> list[Finding]:
    """Interactions that expect nothing, and ones that hide behind another of the same name."""
    found = []
    for pact in pacts:
        found += [_expects_nothing(system, pact, i) for i in pact.interactions if _is_bare(i)]
        found += [_ambiguous(system, pact, i) for i in _hidden(_asked(system, pact))]
    return found


def _is_bare(interaction: Interaction) -> bool:
    response = interaction.raw.get("response")
    return interaction.kind is InteractionKind.HTTP and not response


def _asked(system: System, pact: Pact) -> list[Interaction]:
    """Those a verifier comes to; messages only where there is an endpoint to ask for them."""
    service = system.services.get(pact.provider)
    messages = service is not None and bool(service.messages)
    return [i for i in pact.interactions if messages or i.kind is InteractionKind.HTTP]


def _hidden(interactions: Sequence[Interaction]) -> list[Interaction]:
    """Those that differ from an earlier one with the same description and states: a verifier reports by these two."""
    first: dict[str, Interaction] = {}
    hidden: dict[str, Interaction] = {}
    for interaction in interactions:
        known = first.setdefault(interaction.key, interaction)
        if known.raw != interaction.raw:
            hidden.setdefault(interaction.key, interaction)
    return list(hidden.values())


def _expects_nothing(system: System, pact: Pact, interaction: Interaction) -> Finding:
    return _finding(
        system,
        pact,
        interaction,
        "expects_nothing",
        f'"{interaction.description}" of {pact.consumer} expects nothing of the answer of {pact.provider}',
        "Neither a status, nor a header, nor a body: whatever the provider answers, the consumer is not said to need it.",
    )


def _ambiguous(system: System, pact: Pact, interaction: Interaction) -> Finding:
    return _finding(
        system,
        pact,
        interaction,
        "ambiguous",
        f'the contract of {pact.consumer} with {pact.provider} says "{interaction.description}" twice, and not the same',
        "Two interactions with one description and the same provider states: the result of one would pass for the other's. "
        "Give them different descriptions.",
    )


def _finding(system: System, pact: Pact, interaction: Interaction, rule: str, title: str, detail: str) -> Finding:
    edge = edge_name(system, pact)
    return Finding(
        rule=f"provider.{rule}",
        severity=Severity.ERROR,
        title=title,
        detail=detail,
        place=Place(
            service=pact.provider if pact.provider in system.services else "",
            edge=edge,
            consumer=pact.consumer,
            operation=interaction.operation,
            file=f"{system.suites.pacts}/{pact.file.name if pact.file else file_name(pact.consumer, pact.provider)}",
        ),
        reproduce=f"harness run provider --only edge={edge.replace(' -> ', ':')}",
        key=interaction.key,
    )
