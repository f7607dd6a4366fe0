"""What of a contract no answer could break: matchers that accept anything, any status, questions of mere readiness."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from harness.contracts.pacts import Interaction, InteractionKind
from harness.contracts.patterns import affordable
from harness.contracts.provider.matchers import rules_of

__all__ = ["any_status", "any_values", "asks_readiness", "checks_nothing", "is_readiness"]

#: What nobody would call alike; a pattern that takes each of them takes anything. Short, so that any pattern can be tried.
_PROBES = ("", "x", "0", "-1.5", " ", "é☃", '{"a": 1}', "<>\"'\\", "3f2a9c51d07b4e", "A" * 14)
#: A contract that takes an answer of each of these classes takes whatever happens.
_CLASSES = frozenset({2, 4, 5})
#: Pact V4, matcher `statusCode`: the classes a word stands for.
_WORDS = {
    "info": {1}, "success": {2}, "redirect": {3}, "clientError": {4}, "serverError": {5}, "nonError": {1, 2, 3},
    "error": {4, 5},
}  # fmt: skip
_READINESS = re.compile(
    r"/(.*/)?_*(health|healthz|healthcheck|health-check|live|livez|liveness|ready|readyz|readiness|alive|ping|heartbeat|up)"
    r"(/(live|liveness|ready|readiness|startup|check))?/?"
)


def any_status(response: object) -> bool:
    """Whether an answer of any class of statuses is fine with a contract."""
    accepted: set[int] = set()
    for rule in rules_of(response):
        if rule.part == "status":
            if len(rule.matchers) > 1 and not rule.any_of:
                return False  # all of them have to fit
            for matcher in rule.matchers:
                accepted |= _classes(matcher)
    return accepted >= _CLASSES


def _classes(matcher: Mapping[str, Any]) -> set[int]:
    said = matcher.get("status")
    if matcher.get("match") != "statusCode":
        pattern = matcher.get("regex")
        everything = matcher.get("match") in {"type", "integer", "number"} or _takes(pattern, ("200", "404", "500"))
        return set(_CLASSES) if everything else set()
    if isinstance(said, list):
        return {status // 100 for status in said if isinstance(status, int)}
    return set(_WORDS.get(str(said), ()))


def any_values(answer: object) -> list[str]:
    """Where an answer's text may be anything at all: parts and places of patterns that accept all of it."""
    found = []
    for rule in rules_of(answer):
        fits = [_takes(m.get("regex"), _PROBES) for m in rule.matchers if m.get("match") == "regex"]
        everything = any(fits) if rule.any_of else bool(fits) and all(fits) and len(fits) == len(rule.matchers)
        if everything and rule.part != "status":
            found.append(" ".join(filter(None, (rule.part, rule.place))))
    return found


def _takes(pattern: object, probes: Iterable[str]) -> bool:
    """Whether a pattern accepts every one of some texts, each as a whole."""
    if not isinstance(pattern, str):
        return False
    try:
        longest = max(map(len, probes))
        return affordable(pattern, longest) and all(re.fullmatch(pattern, p, re.DOTALL) for p in probes)
    except (re.error, RecursionError, OverflowError):  # it is written for another kind of matcher
        return False


def checks_nothing(interaction: Interaction) -> bool:
    """Whether an exchange over HTTP is as agreed whatever is answered: any status, and nothing said of the rest."""
    response = interaction.raw.get("response")
    if interaction.kind is not InteractionKind.HTTP or not isinstance(response, Mapping):
        return False
    loose = set(any_values(response))
    headers = response.get("headers")
    named = headers if isinstance(headers, Mapping) else {}
    spoken = [n for n in named if f"header {n}" not in loose]
    return any_status(response) and not spoken and ("body $" in loose or _is_empty(response.get("body")))


def _is_empty(body: object) -> bool:
    if isinstance(body, Mapping) and "content" in body:
        body = body["content"]
    return body in (None, "", {})


def is_readiness(path: str, ready: str = "") -> bool:
    """Whether a path asks only whether a service is there.

    Args:
        ready: the service's own readiness path; empty where it has none.
    """
    plain = path.partition("?")[0]
    return bool(ready and plain.rstrip("/") == ready.rstrip("/")) or bool(_READINESS.fullmatch(plain.lower()))


def asks_readiness(interactions: Iterable[Interaction], ready: str = "") -> bool:
    """Whether everything that is asked of a provider is whether it is there."""
    paths = [_path(i) for i in interactions]
    return bool(paths) and all(path is not None and is_readiness(path, ready) for path in paths)


def _path(interaction: Interaction) -> str | None:
    request = interaction.raw.get("request")
    if interaction.kind is not InteractionKind.HTTP or not isinstance(request, Mapping):
        return None
    return str(request.get("path", "/"))
