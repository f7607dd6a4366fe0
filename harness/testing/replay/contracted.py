"""Finds the interaction an answer comes from, and what its contract says about the body; knows the pact versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.contracts.pacts import Interaction, InteractionKind, pact_from_json
from harness.testing.replay.edits import Answer

__all__ = ["body_rules"]

_V2_BODY = "$.body"


def body_rules(answer: Answer, pacts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The matching rules of an answer's body, by path; None when it cannot be told which interaction it comes from.

    Args:
        pacts: decoded, of any version.
    """
    body = answer.decoded()
    parts = [part for pact in pacts for part in _parts(pact, answer.status)]
    alike = [(content, rules) for content, rules in parts if _shape(content) == _shape(body)]
    return next((rules for content, rules in alike if content == body), alike[0][1] if alike else None)


def _parts(raw: Mapping[str, Any], status: int) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Content and rules of whatever a consumer is shown with this status: responses, or messages where it is 0."""
    pact = pact_from_json(raw)
    for interaction in pact.interactions:
        for part in _shown(interaction, status):
            content = part.get("body", part.get("contents"))
            if pact.version >= 4:
                content = content.get("content") if isinstance(content, Mapping) else None
            yield content, _rules(part)


def _shown(interaction: Interaction, status: int) -> list[Mapping[str, Any]]:
    """The parts of an interaction that a consumer is shown: a response, a message, or the replies to one."""
    response = interaction.raw.get("response")
    if interaction.kind is InteractionKind.HTTP:
        return [response] if isinstance(response, Mapping) and response.get("status", 200) == status else []
    if status:
        return []
    return [part for part in response if isinstance(part, Mapping)] if isinstance(response, list) else [interaction.raw]


def _rules(part: Mapping[str, Any]) -> Mapping[str, Any]:
    rules = part.get("matchingRules")
    if not isinstance(rules, Mapping):
        return {}
    if isinstance(rules.get("body"), Mapping):
        return rules["body"]  # type: ignore[no-any-return]  # decoded JSON
    # Before version 3 one map holds the rules of all parts of an answer, with paths that begin with the part.
    return {f"${path[len(_V2_BODY) :]}": rule for path, rule in rules.items() if path.startswith(_V2_BODY)}


def _shape(value: Any) -> Any:
    """A value without its values, for bodies whose parts are generated anew each time."""
    if isinstance(value, dict):
        return {key: _shape(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_shape(member) for member in value]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
