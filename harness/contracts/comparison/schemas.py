"""Validates values against schemas of a document, each schema compiled when it is first needed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, cast

from harness.contracts.comparison.translation import Translation, null_beside_parts
from harness.documents.nodes import Node, escape

__all__ = ["Problem", "Schemas", "shown"]

_MAX_PROBLEMS = 50
_CLOSING = ("additionalProperties", "unevaluatedProperties")


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that does not fit.

    Args:
        path: keys and positions that lead to it.
        text: what is wrong with it.
        pointer: place in the document that says so.
        root: the document.
        unknown: whether the schema does not name it at all.
    """

    path: tuple[str | int, ...]
    text: str
    pointer: str
    root: Mapping[str, Any] = field(repr=False, compare=False)
    value: Any = None
    unknown: bool = False


class _Validator(Protocol):
    def is_valid(self, instance: Any) -> bool: ...

    def iter_errors(self, instance: Any) -> Iterator[Any]: ...


class Schemas:
    """The schemas of one document.

    Args:
        root: the document.
    """

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._translation = Translation(root, old=_is_old(root))
        self._validators: dict[tuple[str, bool], _Validator | None] = {}
        self._unresolved: set[str] = set()

    def usable(self, schema: Node, *, expected: bool = False) -> bool:
        """Whether values can be checked against a schema; not so where it is no schema at all."""
        return self._validator(schema, expected) is not None

    @property
    def unresolved(self) -> tuple[str, ...]:
        """References that point at nothing, in the schemas that were used: what they stand for was not checked."""
        return tuple(sorted(self._unresolved))

    def fits(self, schema: Node, value: Any, *, expected: bool = False) -> bool:
        """Whether a value fits; also when the schema cannot be used."""
        validator = self._validator(schema, expected)
        try:
            return validator is None or validator.is_valid(value)
        except ValueError:  # text no encoding can hold
            return False

    def problems(self, schema: Node, value: Any, *, expected: bool = False) -> list[Problem]:
        """What does not fit, at most 50 places.

        Args:
            expected: whether the value is part of what is expected to come, not the whole of what is sent.
        """
        validator = self._validator(schema, expected)
        found: list[Problem] = []
        try:
            if validator is None or validator.is_valid(value):
                return []
            for error in validator.iter_errors(value):
                found += self._told(error, value, schema)
                if len(found) >= _MAX_PROBLEMS:
                    break
        except ValueError:  # it can tell of a value nested this deeply that it does not fit, but not repeat it
            return [Problem((), "does not fit, and is nested too deeply to say where", schema.pointer, schema.root)]
        return _essential(found[:_MAX_PROBLEMS])

    def _validator(self, schema: Node, expected: bool) -> _Validator | None:
        key = (schema.pointer, expected)
        if key not in self._validators:
            whole, missing = self._translation.schema(schema.raw, expected=expected)
            self._unresolved.update(missing)
            self._validators[key] = _compiled(whole)
        return self._validators[key]

    def _told(self, error: Any, value: Any, schema: Node) -> Iterator[Problem]:
        closest = _closest(error)
        if closest is not None:
            for inner in closest:
                yield from self._told(inner, value, schema)
            return
        path = tuple(error.instance_path)
        steps = [str(s) for s in error.schema_path]
        pointer = self._pointer(steps, schema)
        extra = getattr(error.kind, "unexpected", None)
        if steps and steps[-1] in _CLOSING and extra is None and path:
            path, extra = path[:-1], [path[-1]]
        if extra is None:
            yield Problem(path, _text(error, schema.root, pointer), pointer, schema.root, _at(value, path))
        for name in extra or ():
            where = (*path, str(name))
            yield Problem(where, f"the schema has no `{name}`", pointer, schema.root, _at(value, where), unknown=True)

    def _pointer(self, steps: list[str], schema: Node) -> str:
        """The place in the document that a place in the translated schema comes from, as far down as it is there."""
        if steps[:1] == ["$defs"]:
            here = Node(schema.root, None).target(f"#{self._translation.place(steps[1])}")
            steps = steps[2:]
        else:
            here, steps = schema, steps[2:] if steps[:2] == ["allOf", "0"] else steps
        if steps[:1] == ["anyOf"] and null_beside_parts(here.raw):
            steps = steps[2:]
        for step in steps:
            raw = here.raw
            name = "oneOf" if step == "anyOf" and isinstance(raw, Mapping) and step not in raw else step
            if isinstance(raw, Mapping) and name in raw:
                here = here.here(name)
            elif isinstance(raw, list) and name.isdigit() and int(name) < len(raw):
                here = Node(here.root, raw[int(name)], f"{here.pointer}/{escape(name)}")
            else:
                break
        return here.pointer


def _is_old(root: Mapping[str, Any]) -> bool:
    """Whether the schemas are of a dialect before JSON Schema 2020-12, which came with OpenAPI 3.1."""
    version = str(root.get("openapi", ""))
    return not version.startswith("3.") or version.startswith("3.0")


def _compiled(schema: Any) -> _Validator | None:
    import jsonschema_rs

    for attempt in (schema, _without_patterns(schema)):
        try:
            made = jsonschema_rs.Draft202012Validator(attempt, validate_formats=True, formats=_formats())
        except (jsonschema_rs.ValidationError, ValueError):
            continue
        return cast("_Validator", made)
    return None


@cache
def _formats() -> dict[str, Any]:
    import base64
    import binascii

    def is_base64(text: str) -> bool:
        try:
            base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return False
        return True

    return {"byte": is_base64}


def _without_patterns(schema: Any) -> Any:
    """Regular expressions can be of a dialect nobody here knows; the rest of the schema still counts."""
    if isinstance(schema, list):
        return [_without_patterns(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        k: _without_patterns(v)
        for k, v in schema.items()
        if not (k == "pattern" and isinstance(v, str)) and k != "patternProperties"
    }


def _closest(error: Any) -> list[Any] | None:
    """Of several alternatives none of which fits: what is wrong with the one that fits best, if one clearly does."""
    if error.kind.name not in {"anyOf", "oneOf"}:
        return None
    branches = [list(b) for b in getattr(error.kind, "context", None) or [] if b]
    depth = len(error.instance_path)
    of_the_type = [b for b in branches if not any(e.kind.name == "type" and len(e.instance_path) == depth for e in b)]
    for chosen in (branches, of_the_type):
        if len(chosen) == 1:
            return chosen[0]
    return None


def _text(error: Any, root: Mapping[str, Any], pointer: str) -> str:
    name, message = error.kind.name, str(error.message)
    if name in {"anyOf", "oneOf"}:
        several = hasattr(error.kind, "context") and "more than one" in message
        return f"fits {'more than one' if several else 'none'} of the alternatives"
    said = Node(root, None).target(f"#{pointer}").raw if pointer else None
    subject = shown(error.instance)
    if name == "type":
        types = [said] if isinstance(said, str) else said if isinstance(said, list) else error.kind.types
        return f"{subject} is not of type {' or '.join(map(str, types))}"
    if name == "enum":
        return f"{subject} is none of {shown(said if isinstance(said, list) else error.kind.options)}"
    if name == "format":
        return f"{subject} is no {error.kind.format}"
    if name == "pattern":
        return f"{subject} does not match {error.kind.pattern}"
    return message if len(message) <= 200 else message[:197] + "..."


def shown(value: object) -> str:
    """A JSON value for people, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _at(value: Any, path: Iterable[str | int]) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _essential(found: list[Problem]) -> list[Problem]:
    """Each problem once; a field that is named and does not fit is not also told to be unknown, as validators do."""
    closest: dict[tuple[object, ...], Problem] = {}
    for one in found:
        before = closest.setdefault((one.path, one.text), one)
        if one.pointer.count("/") > before.pointer.count("/"):
            closest[one.path, one.text] = one
    kept = list(closest.values())
    places = [(p.path, p.unknown) for p in kept]

    def explained(one: Problem) -> bool:
        within = [(path, unknown) for path, unknown in places if path[: len(one.path)] == one.path]
        return any(not unknown or path != one.path for path, unknown in within)

    return [p for p in kept if not p.unknown or not explained(p)]
