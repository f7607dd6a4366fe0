"""What both kinds of interactions share: their places in a contract, and the fields of a value. Knows no document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.contracts.documents.nodes import escape
from harness.contracts.pacts import Interaction, InteractionKind, Pact, file_name
from harness.contracts.usage.model import Touch

__all__ = ["by_key", "contents", "file_of", "object_at", "placed", "touches"]


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
