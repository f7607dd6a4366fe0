"""Contracts of which nothing can be learnt, seen before anybody is asked. What the provider answers is not in here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.contracts.edges import edge_name
from harness.contracts.pacts import Interaction, InteractionKind, Pact, file_name
from harness.contracts.provider.emptiness import any_status, any_values, asks_readiness, checks_nothing
from harness.evidence import Finding, Place, Severity

if TYPE_CHECKING:
    from harness.system.model import System

__all__ = ["vacuous"]


def vacuous(system: System, pacts: Sequence[Pact]) -> list[Finding]:
    """Interactions that expect nothing, that hide behind another of the same name, or that no answer could break."""
    found = []
    for pact in pacts:
        found += [f for i in pact.interactions if not _is_bare(i) for f in _unbreakable(system, pact, i)]
        service = system.services.get(pact.provider)
        if asks_readiness(pact.interactions, service.ready if service else ""):
            found.append(_only_readiness(system, pact))
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


def _unbreakable(system: System, pact: Pact, interaction: Interaction) -> Iterator[Finding]:
    """What of an interaction accepts whatever comes; legitimate where it is meant, and then better left out."""
    if interaction.pending:
        return
    what, answer = f'"{interaction.description}" of {pact.consumer}', interaction.raw.get("response", interaction.raw)
    if checks_nothing(interaction):
        yield _warned(
            system,
            pact,
            interaction,
            "checks_nothing",
            f"{what} takes any answer of {pact.provider} for kept: any status, and nothing is said of the rest",
            "No answer could break it, so that it shows nothing. Expect the status the consumer relies on.",
        )
    elif interaction.kind is InteractionKind.HTTP and any_status(answer):
        yield _warned(
            system,
            pact,
            interaction,
            "any_status",
            f"{what} takes any status of {pact.provider}, of success as of failure",
            "A provider that fails would keep it. Expect the status, or the class of statuses, the consumer relies on.",
        )
    loose = any_values(answer)
    if loose:
        yield _warned(
            system,
            pact,
            interaction,
            "any_value",
            f"{what} takes any text of {pact.provider} for {', '.join(loose[:3])}{' and more' if len(loose) > 3 else ''}",
            "The pattern there accepts every text, so that it checks no more than that it is one: say what the consumer "
            "relies on, or ask for the type alone (match.str).",
        )


def _only_readiness(system: System, pact: Pact) -> Finding:
    return _warned(
        system,
        pact,
        pact.interactions[0],
        "only_readiness",
        f"the contract of {pact.consumer} with {pact.provider} asks only whether it is ready",
        "Any service that runs keeps it. Write down what the consumer asks for in its work.",
    )


def _warned(system: System, pact: Pact, interaction: Interaction, rule: str, title: str, detail: str) -> Finding:
    return replace(_finding(system, pact, interaction, rule, title, detail), severity=Severity.WARNING)


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
