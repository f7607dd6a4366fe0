"""JSON pointers (RFC 6901): take a place out of a document, or give it another value; LookupError when there is no such place."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

__all__ = ["dropped", "is_pointer", "with_value"]

_POINTER = re.compile(r"(/([^~/]|~[01])*)*")


def is_pointer(text: str) -> bool:
    """Whether it is a pointer; the empty one is, and means the whole document."""
    return _POINTER.fullmatch(text) is not None


def dropped(document: Any, pointer: str) -> Any:
    """The document without that place."""
    changed = deepcopy(document)
    parent, last = _parent(changed, pointer)
    key = _key(parent, last)
    parent[key]
    del parent[key]
    return changed


def with_value(document: Any, pointer: str, value: Any) -> Any:
    """The document with that value there; a key that is missing is added, and `-` adds to the end of an array."""
    if not pointer:
        return value
    changed = deepcopy(document)
    parent, last = _parent(changed, pointer)
    if isinstance(parent, list) and last == "-":
        parent.append(value)
    else:
        parent[_key(parent, last)] = value
    return changed


def _parent(document: Any, pointer: str) -> tuple[Any, str]:
    *way, last = (p.replace("~1", "/").replace("~0", "~") for p in pointer.split("/")[1:])
    for part in way:
        document = document[_key(document, part)]
    return document, last


def _key(parent: Any, part: str) -> str | int:
    if isinstance(parent, dict):
        return part
    if isinstance(parent, list) and re.fullmatch(r"0|[1-9]\d{0,9}", part):
        return int(part)
    raise LookupError(part)
