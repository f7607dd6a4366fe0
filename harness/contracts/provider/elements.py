"""Asks for at least one element where a contract matches the elements of a list: of an empty one none can be checked.

`match.each_like` says that "the minimum is always 1", but pact writes no minimum down and takes an empty list for kept.
Where a consumer is content with an empty list, its contract says `min` 0, and is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["with_elements"]

_TOKEN = re.compile(r"\.([^.\[\]]+)|\['([^']*)'\]|\[(\d+|\*)\]")
_BODY = "$.body"


def with_elements(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """An interaction that asks for what its contract means; the answer's part of it only."""
    response = raw.get("response")
    if isinstance(response, Mapping):
        return {**raw, "response": _asking(response, "body")}
    if isinstance(response, list):
        return {**raw, "response": [_asking(r, "contents") if isinstance(r, Mapping) else r for r in response]}
    return _asking(raw, "contents")


def _asking(answer: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    rules, example = answer.get("matchingRules"), answer.get(where)
    if not isinstance(rules, Mapping):
        return answer
    if isinstance(example, Mapping) and "content" in example:
        example = example["content"]
    changed = {k: _at_least_one(v, k.replace(_BODY, "$", 1), example) if k.startswith(_BODY) else v
               for k, v in rules.items()}  # fmt: skip
    body = rules.get("body")
    if isinstance(body, Mapping):
        changed["body"] = {path: _of_rule(rule, path, example) for path, rule in body.items()}
    return {**answer, "matchingRules": changed}


def _of_rule(rule: Any, path: str, example: object) -> Any:
    """A rule as V3 and V4 write it, `{"matchers": [...]}`; V2 has the matcher alone."""
    matchers = rule.get("matchers") if isinstance(rule, Mapping) else None
    if not isinstance(matchers, list):
        return rule
    return {**rule, "matchers": [_at_least_one(m, path, example) for m in matchers]}


def _at_least_one(matcher: Any, path: str, example: object) -> Any:
    by_type = isinstance(matcher, Mapping) and matcher.get("match") == "type" and matcher.get("min") is None
    if not by_type or not isinstance(value := _at(example, path), list) or not value:
        return matcher
    return {**matcher, "min": 1}


def _at(example: object, path: str) -> object:
    """What stands at a matcher's path in the example; None where it leads nowhere."""
    here, end = example, 1
    for found in _TOKEN.finditer(path, 1):
        name = found[1] if found[1] is not None else found[2]
        index = 0 if found[3] in {None, "*"} else int(found[3])
        if found.start() != end:
            return None
        end = found.end()
        if isinstance(here, list) and found[3] is not None and index < len(here):
            here = here[index]
        elif isinstance(here, Mapping) and name is not None:
            here = here.get(name, next(iter(here.values()), None) if name == "*" else None)
        else:
            return None
    return here if end == len(path) and path.startswith("$") else None
