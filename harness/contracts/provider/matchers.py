"""The matchers of an answer as every version of the specification writes them. What they mean is read elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.contracts.patterns import affordable

__all__ = ["Rule", "rules_of", "slow_pattern"]

_LONG = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """What a contract says of one place of an answer.

    Args:
        part: `status`, `header`, `body`.
        place: e.g. `$.lines[*].price`, `X-Total`; empty where the part is the place.
        matchers: each as the contract has it, `{"match": "regex", "regex": "..."}`.
        any_of: whether one of them is enough.
    """

    part: str
    place: str
    matchers: tuple[Mapping[str, Any], ...]
    any_of: bool = False


def rules_of(answer: object) -> Iterator[Rule]:
    """The rules of a response or of a message's contents, in the contract's order; what is no rule is left out."""
    rules = answer.get("matchingRules") if isinstance(answer, Mapping) else None
    for key, value in rules.items() if isinstance(rules, Mapping) else ():
        name = str(key)
        if name.startswith("$"):  # V2: `$.body.id`, `$.headers.X-Total`, with the matcher alone
            part, _, rest = name.removeprefix("$.").replace("[", ".[", 1).partition(".")
            place = f"${'' if rest.startswith('[') or not rest else '.'}{rest}" if part == "body" else rest
            yield _rule({"headers": "header"}.get(part, part), place, {"matchers": [value]})
        elif isinstance(value, Mapping) and "matchers" in value:
            yield _rule(name, "", value)
        elif isinstance(value, Mapping):
            for place, rule in value.items():
                yield _rule(name, str(place), rule)


def _rule(part: str, place: str, rule: object) -> Rule:
    given = rule.get("matchers") if isinstance(rule, Mapping) else None
    matchers = tuple(m for m in given if isinstance(m, Mapping)) if isinstance(given, list) else ()
    return Rule(part, place, matchers, isinstance(rule, Mapping) and rule.get("combine") == "OR")


def slow_pattern(answer: object) -> str:
    """A pattern among the matchers of an answer that a matcher may never come to an end with, and its place; empty for none."""
    for rule in rules_of(answer):
        for matcher in rule.matchers:
            pattern = matcher.get("regex")
            if isinstance(pattern, str) and not _affordable(pattern):
                return f"{pattern[:200]!r} of {' '.join(filter(None, (rule.part, rule.place)))}"
    return ""


def _affordable(pattern: str) -> bool:
    try:
        return affordable(pattern, _LONG)
    except (re.error, OverflowError):
        return False
