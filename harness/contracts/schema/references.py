"""What a document refers to beyond itself, and where its references go round in circles. Nothing is ever fetched for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from harness.documents.nodes import Node, escape

__all__ = ["NOWHERE", "OutsideError", "circle", "outside"]

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
#: Keys whose members apply to the very same value: a circle of these alone never comes to anything.
_SAME_VALUE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else")
#: What stands under these keys is data, in which `$ref` is a word like another; below these names it is not.
_DATA = frozenset({"const", "enum", "example", "examples"})
_NAMES = frozenset({"$defs", "definitions", "patternProperties", "properties", "schemas"})
_SHOWN = 200


class OutsideError(Exception):
    """A validator wanted to fetch something."""


def _refuse(uri: str) -> NoReturn:
    raise OutsideError(uri)


class _Nowhere(dict[str, Callable[[str], NoReturn]]):
    """Knows every scheme: one that is not known would be left to urllib."""

    def __contains__(self, scheme: object) -> bool:
        return True

    def __missing__(self, scheme: str) -> Callable[[str], NoReturn]:
        return _refuse


#: For a validator, instead of what fetches references of each scheme.
NOWHERE = _Nowhere()


def outside(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """References that lead out of a document: RFC 6901 pointer and what stands there, in the document's order."""
    found, own = [], set()
    for pointer, key, value in _strings(content):
        if key in {"$id", "id"}:
            own.add(value.partition("#")[0])
        elif key in _REFERENCES or "/discriminator/mapping/" in pointer:
            found.append((pointer, key, value))
    return [
        (pointer, value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…")
        for pointer, key, value in found
        if _leads_out(value, own, named=key not in _REFERENCES)
    ]


def _leads_out(reference: str, own: set[str], *, named: bool) -> bool:
    """Whether a reference leads to another document; a discriminator may also map to a schema's bare name."""
    base = reference.partition("#")[0]
    if not base or base in own:
        return False
    return not named or "/" in base or "." in base


def _strings(content: object) -> Iterator[tuple[str, str, str]]:
    """Every text below an object's key that is no data, with its pointer and its key; without recursion."""
    todo: list[tuple[str, object, bool]] = [("", content, False)]
    while todo:
        pointer, value, names = todo.pop()
        if isinstance(value, list):
            todo += [(f"{pointer}/{number}", item, False) for number, item in reversed(list(enumerate(value)))]
        elif isinstance(value, Mapping):
            below = [(f"{pointer}/{escape(str(key))}", str(key), item) for key, item in value.items()]
            yield from ((at, key, item) for at, key, item in below if isinstance(item, str))
            todo += [
                (at, item, key in _NAMES and not names)
                for at, key, item in reversed(below)
                if not isinstance(item, str) and (names or key not in _DATA)
            ]


def circle(content: Mapping[str, Any]) -> list[str]:
    """References that lead back to where they stand without ever saying anything: their pointers, each once; empty for none."""
    root = Node(content, content)
    done: set[str] = set()
    starts = dict.fromkeys(value for _, key, value in _strings(content) if key == "$ref" and value.startswith("#"))
    for start in starts:
        found = _back_to_itself(root, start, done)
        if found:
            return found
    return []


def _back_to_itself(root: Node, start: str, done: set[str]) -> list[str]:
    """Follow what applies to the same value, depth first, with a stack of our own: documents nest as they like."""
    path: list[str] = []
    todo: list[tuple[str, int]] = [(start, 0)]
    while todo:
        reference, depth = todo.pop()
        del path[depth:]
        if reference in path:
            return [*path[path.index(reference) :], reference]
        if reference in done:
            continue  # whatever could be reached from there has been
        done.add(reference)
        path.append(reference)
        todo += [(other, len(path)) for other in _beside(root.target(reference).raw)]
    return []


def _beside(schema: object) -> Iterator[str]:
    """References to what a schema's own value has to be as well."""
    todo = [schema]
    while todo:
        value = todo.pop()
        if isinstance(value, list):
            todo += value
        elif isinstance(value, Mapping):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            todo += [value[key] for key in _SAME_VALUE if key in value]
