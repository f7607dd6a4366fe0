"""What both kinds of interactions share: their places in a contract, and the fields of a value. Knows no document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.contracts.pacts import Interaction, InteractionKind, Pact, file_name
from harness.contracts.usage.model import Touch
from harness.documents.nodes import escape

__all__ = ["by_key", "contents", "file_of", "object_at", "placed", "ruled", "touches"]

_STEP = re.compile(r"""\.([^.\[\]]+)|\[(?:'([^']*)'|"([^"]*)"|(\d+|\*))\]""")


_OF_ANY_NAME = {"eachkey", "eachvalue", "values"}


def placed(pact: Pact) -> Iterator[tuple[str, Interaction]]:
    """Interactions with the RFC 6901 pointer to each in its file."""
    key = "messages" if pact.version < 4 and any(i.kind is InteractionKind.ASYNC for i in pact.interactions) else ""
    for position, interaction in enumerate(pact.interactions):
        yield f"/{key or 'interactions'}/{position}", interaction


def file_of(pact: Pact) -> str:
    """Name of the contract's file."""
    return pact.file.name if pact.file else file_name(pact.consumer, pact.provider)


def object_at(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The object under a key; an empty one when there is something else."""
    value = raw.get(key)
    return value if isinstance(value, Mapping) else {}


def contents(pact: Pact, holder: Mapping[str, Any], key: str, below: str) -> tuple[Any, str]:
    """What a body or a message holds, and the pointer to it; None for nothing.

    Version 4 wraps it: `{"content": ..., "contentType": ...}`.
    """
    value, pointer = holder.get(key), f"{below}/{key}"
    if pact.version >= 4 and isinstance(value, Mapping) and "content" in value:
        return value["content"], f"{pointer}/content"
    return value, pointer


def by_key(holder: Mapping[str, Any]) -> bool:
    """Whether a matcher speaks of keys or values whatever their names, so that it is not known which fields are used."""
    todo = [holder.get("matchingRules")]
    while todo:
        here = todo.pop()
        if isinstance(here, Mapping):
            if str(here.get("match")).replace("-", "").lower() in _OF_ANY_NAME:
                return True
            todo += here.values()
        elif isinstance(here, list):
            todo += here
    return False


def touches(value: object, touch: Touch) -> Iterator[Touch]:
    """The value itself and everything in it."""
    yield touch
    items: Iterable[tuple[str, str, object]] = ()
    if isinstance(value, Mapping):
        items = ((str(k), escape(str(k)), v) for k, v in value.items())
    elif isinstance(value, list):
        items = (("[]", str(i), v) for i, v in enumerate(value))
    for token, key, below in items:
        path = (*touch.path, token)
        yield from touches(below, Touch(touch.use, touch.part, path, f"{touch.pointer}/{key}", opaque=touch.opaque))


def ruled(holder: Mapping[str, Any], below: str, whole: Touch) -> Iterator[Touch]:
    """Places that matchers speak of: an example need not show them all, and `$.*.name` speaks of more than it shows.

    Args:
        holder: the request, response or message whose matchers are meant. below: RFC 6901 pointer to it.
        whole: the touch of its body or contents as a whole.
    """
    rules = object_at(holder, "matchingRules")
    grouped = next((k for k in ("body", "contents") if isinstance(rules.get(k), Mapping)), "")
    pointer = f"{below}/matchingRules" + (f"/{grouped}" if grouped else "")
    for said, matcher in object_at(rules, grouped).items() if grouped else rules.items():
        expression = str(said)
        if not grouped:  # version 2 has one list for everything
            if not expression.startswith("$.body"):
                continue
            expression = "$" + expression.removeprefix("$.body")
        yield from _ruled(expression, matcher, (), Touch(whole.use, whole.part, (), f"{pointer}/{escape(str(said))}"))


def _ruled(expression: str, matcher: object, base: tuple[str, ...], touch: Touch) -> Iterator[Touch]:
    path = _steps(expression)
    if path is None:  # in doubt, everything is used
        yield Touch(touch.use, touch.part, base, touch.pointer, opaque=True)
        return
    path = (*base, *path)
    yield Touch(touch.use, touch.part, path, touch.pointer)
    listed = matcher.get("matchers") if isinstance(matcher, Mapping) else None
    for one in listed if isinstance(listed, list) else ():
        variants = one.get("variants") if isinstance(one, Mapping) else None
        for variant in variants if isinstance(variants, list) else ():
            inside = object_at(variant, "rules") if isinstance(variant, Mapping) else {}
            for said, inner in inside.items():
                yield from _ruled(str(said), inner, (*path, "[]"), touch)


def _steps(expression: str) -> tuple[str, ...] | None:
    """A JSON path as the steps of a place in a schema; None for one that says more than names and positions."""
    found: list[str] = []
    at = 1 if expression[:1] == "$" else 0
    while at < len(expression):
        step = _STEP.match(expression, at)
        if step is None:
            return None
        named = next((text for text in step.groups()[:3] if text is not None), None)
        found.append("[]" if named is None else named)
        at = step.end()
    return tuple(found)
