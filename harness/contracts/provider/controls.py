"""Negative controls: what a provider must refuse, asked of it beside its contracts. Judges no interaction."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection

from harness.contracts.provider.judging import reproduce
from harness.contracts.provider.upstream import exchange
from harness.evidence import Finding, Place, Severity

__all__ = ["control"]


#: What a service commonly says to everybody it does not know, or of everything it does not have.
_REFUSALS = frozenset({401, 403, 404, 405})


def control(
    name: str, base_url: str, states_url: str, timeout_s: float, expected: Collection[int] = ()
) -> list[Finding]:
    """Ask a provider for what it cannot know; a refusal, or no answer, is as it should be.

    Args:
        name: the provider.
        base_url: where it answers.
        states_url: its provider-state handler; empty when none of its contracts relies on a state.
        timeout_s: the longest one answer may take, in seconds.
        expected: the statuses that its contracts ask for over HTTP.

    Returns:
        One finding for each control that it failed.
    """
    found = []
    alike = _answer_to_anything(base_url, timeout_s)
    if 200 <= alike < 300 or (alike in expected and alike not in _REFUSALS):
        found.append(_answers_anything_finding(name, alike))
    elif alike and set(expected) == {alike}:
        found.append(_answers_alike_finding(name, alike))
    if states_url and _takes_any_state(states_url, timeout_s):
        found.append(_any_state_finding(name))
    return found


def _answer_to_anything(base_url: str, timeout_s: float) -> int:
    """The status of the one answer to whatever is asked; 0 where answers differ, or there is none."""
    # Two methods: a route for every path is common for GET (pages, files), but not with the same answer to a POST.
    path = f"{base_url.rstrip('/')}/{secrets.token_hex(8)}/{secrets.token_hex(8)}"
    answers = [exchange(method, path, {}, body, timeout_s) for method, body in (("GET", None), ("POST", b"{}"))]
    (status, _, body), (other, _, other_body) = answers
    return status if status == other and body == other_body else 0


def _takes_any_state(states_url: str, timeout_s: float) -> bool:
    made_up = {"state": f"harness control {secrets.token_hex(8)}", "params": {}, "action": "setup"}
    kind = {"Content-Type": "application/json"}
    status, _, _ = exchange("POST", states_url, kind, json.dumps(made_up).encode(), timeout_s)
    return 200 <= status < 300


def _answers_alike_finding(name: str, status: int) -> Finding:
    return Finding(
        rule="provider.answers_alike",
        severity=Severity.WARNING,
        title=f"every contract with {name} expects {status}, which it answers to whatever is asked",
        detail=f"A GET and a POST to a made-up path were answered with {status} and the same body as well, so that a service "
        "that can do nothing would keep these contracts. Add one about what it does.",
        place=Place(service=name),
        reproduce=reproduce(name),
    )


def _answers_anything_finding(name: str, status: int) -> Finding:
    return Finding(
        rule="provider.answers_anything",
        severity=Severity.ERROR,
        title=f"{name} gives one and the same {'successful answer' if status < 300 else f'answer, {status},'} to requests that "
        "it cannot know",
        detail=f"A GET and a POST to a made-up path were both answered with {status} and the same body. What answers there is "
        "probably a stub or another service, so that a kept contract would prove nothing.",
        place=Place(service=name),
        reproduce=reproduce(name),
    )


def _any_state_finding(name: str) -> Finding:
    return Finding(
        rule="provider.states_unchecked",
        severity=Severity.ERROR,
        title=f"the provider-state handler of {name} accepts a state that does not exist",
        detail="A made-up state was answered with 2xx. A state that was misspelt or never written would pass as set up: "
        "let the handler answer 400 to names it does not know.",
        place=Place(service=name),
        reproduce=reproduce(name),
    )
