"""Compares two OpenAPI documents (3.0 and 3.1), operation by operation. Schemas are compared in `schemas`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.contracts.compat.changes import At, Change, Comparison, change, gather
from harness.contracts.compat.nodes import Node, escape
from harness.contracts.compat.rules import Direction
from harness.contracts.compat.schemas import SchemaComparer, Spot

__all__ = ["compare_openapi"]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_PLACEHOLDER = re.compile(r"\{[^}]*\}")
_REQUEST, _RESPONSE = Direction.REQUEST, Direction.RESPONSE


@dataclass(frozen=True, slots=True)
class _Operation:
    """One operation; `shared` holds what its path says for all of its methods."""

    name: str
    node: Node
    shared: Node

    def parameters(self) -> dict[tuple[str, str], Node]:
        """Parameters by place and name; those in the path by their position, as renaming one changes nothing."""
        found: dict[tuple[str, str], Node] = {}
        order = _PLACEHOLDER.findall(self.name)
        for holder in (self.shared, self.node):
            for listed in holder.get("parameters").list():
                parameter = listed.followed()
                place, name = parameter.text("in"), parameter.text("name")
                if place == "path" and f"{{{name}}}" in order:
                    found[place, str(order.index(f"{{{name}}}"))] = parameter
                elif name:
                    found[place, name.lower() if place == "header" else name] = parameter
        return found


def compare_openapi(old: Mapping[str, Any], new: Mapping[str, Any]) -> Comparison:
    """Compare two documents; both must be OpenAPI 3.x, they need not be valid."""
    before, after = _operations(Node(old, old)), _operations(Node(new, new))
    comparer = _Comparer(Node(old, old), Node(new, new))
    found: list[Change] = []
    for key, operation in before.items():
        if key in after:
            found += comparer.operation(operation, after[key])
        else:
            found.append(_whole("operation_removed", operation))
    found += [_whole("operation_added", after[key]) for key in after if key not in before]
    return Comparison(len(before.keys() | after.keys()), gather(found))


def _operations(root: Node) -> dict[tuple[str, str], _Operation]:
    found: dict[tuple[str, str], _Operation] = {}
    for path, item in root.get("paths").items():
        for method in _METHODS:
            node = item.get(method)
            if isinstance(node.raw, Mapping):
                key = (_PLACEHOLDER.sub("{}", path).rstrip("/") or "/", method)
                found[key] = _Operation(f"{method.upper()} {path}", node, item)
    return found


def _whole(rule: str, operation: _Operation) -> Change:
    return change(rule, _REQUEST, At(operation.name, operation.name, operation.node.pointer))


class _Comparer:
    """Compares operations of two documents."""

    def __init__(self, old: Node, new: Node) -> None:
        self._old, self._new = old, new
        self._schemas = SchemaComparer()

    def operation(self, old: _Operation, new: _Operation) -> Iterator[Change]:
        """Every change of one operation."""
        if new.node.raw.get("deprecated") is True and old.node.raw.get("deprecated") is not True:
            yield _whole("operation_deprecated", old)
        yield from self._parameters(old, new)
        yield from self._body(old, new)
        yield from self._responses(old, new)
        yield from self._security(old, new)

    def _parameters(self, old: _Operation, new: _Operation) -> Iterator[Change]:
        before, after = old.parameters(), new.parameters()
        for key, one in before.items():
            label, other = _label(one), after.get(key)
            at = At(old.name, old.name, one.pointer, label)
            if other is None:
                if one.text("in") != "path":
                    yield change("parameter_removed", _REQUEST, at)
                continue
            if _required(one) != _required(other):
                rule = "parameter_required" if _required(other) else "parameter_optional"
                yield change(rule, _REQUEST, at)
            spot = Spot(_REQUEST, old.name, old.name, f"the {label}")
            yield from self._schemas.compare(_parameter_schema(one), _parameter_schema(other), spot)
        for key in after.keys() - before.keys():
            one = after[key]
            if one.text("in") != "path":
                rule = "required_parameter_added" if _required(one) else "parameter_added"
                at = At(old.name, old.name, one.pointer, _label(one))
                yield change(rule, _REQUEST, at)

    def _body(self, old: _Operation, new: _Operation) -> Iterator[Change]:
        before, after = old.node.get("requestBody"), new.node.get("requestBody")
        at = At(old.name, old.name, f"{old.node.pointer}/requestBody")
        if before.exists != after.exists:
            rule = "body_removed" if before.exists else "body_required" if _required(after) else "body_added"
            yield change(rule, _REQUEST, at)
        if not before.exists or not after.exists:
            return
        if _required(before) != _required(after):
            yield change("body_required" if _required(after) else "body_optional", _REQUEST, at)
        yield from self._content(before, after, Spot(_REQUEST, old.name, f"the body of {old.name}"))

    def _content(self, old: Node, new: Node, spot: Spot) -> Iterator[Change]:
        """Media types and their schemas."""
        before, after = _media_types(old), _media_types(new)
        for name, one in before.items():
            other = after.get(name)
            if other is None:
                yield _media(spot, "media_type_removed", one, "gone", name)
            elif one.here("schema").exists and other.here("schema").exists:
                yield from self._schemas.compare(one.here("schema"), other.here("schema"), spot)
        for name in after.keys() - before.keys():
            yield _media(spot, "media_type_added", after[name], "added", name)

    def _responses(self, old: _Operation, new: _Operation) -> Iterator[Change]:
        before, after = dict(old.node.get("responses").items()), dict(new.node.get("responses").items())
        for status, one in before.items():
            other = after.get(status)
            if other is None:
                yield _status(old, "removed", "gone", status, one)
                continue
            spot = Spot(_RESPONSE, old.name, f"{status} of {old.name}")
            yield from self._content(one, other, spot)
            yield from self._headers(one, other, spot)
        for status in after.keys() - before.keys():
            yield _status(old, "added", "added", status, after[status])

    def _headers(self, old: Node, new: Node, spot: Spot) -> Iterator[Change]:
        before = {name.lower(): (name, node) for name, node in old.get("headers").items()}
        after = {name.lower(): (name, node) for name, node in new.get("headers").items()}
        for key, (name, one) in before.items():
            at = At(spot.operation, spot.where, one.pointer, name)
            if key not in after:
                rule = "header_removed" if _required(one) else "optional_header_removed"
                yield change(rule, _RESPONSE, at)
                continue
            other = after[key][1]
            if _required(one) and not _required(other):
                yield change("header_optional", _RESPONSE, at)
            named = Spot(_RESPONSE, spot.operation, spot.where, f"the header {name}")
            yield from self._schemas.compare(one.here("schema"), other.here("schema"), named)
        for key in after.keys() - before.keys():
            name, one = after[key]
            at = At(spot.operation, spot.where, one.pointer, name)
            yield change("header_added", _RESPONSE, at)

    def _security(self, old: _Operation, new: _Operation) -> Iterator[Change]:
        """Whoever was let in before must be let in again: for each old alternative, a new one that asks no more."""
        before, after = _alternatives(self._old, old.node), _alternatives(self._new, new.node)
        at = At(old.name, old.name, f"{old.node.pointer}/security")
        shut_out = [one for one in before if not any(other <= one for other in after)]
        if shut_out:
            needed = " or ".join(_credentials(a) for a in after)
            facts = (("old", _credentials(shut_out[0])), ("new", needed))
            yield change("security_tightened", _REQUEST, at, facts)
        elif any(not any(one <= other for one in before) for other in after):
            yield change("security_loosened", _REQUEST, at)


def _label(parameter: Node) -> str:
    kind = {"query": "query parameter", "header": "header", "path": "path parameter", "cookie": "cookie"}
    return f"{kind.get(parameter.text('in'), 'parameter')} `{parameter.text('name')}`"


def _required(node: Node) -> bool:
    return isinstance(node.raw, Mapping) and node.raw.get("required") is True


def _parameter_schema(parameter: Node) -> Node:
    """A parameter's schema stands in `schema`, or in the one entry of `content`."""
    schema = parameter.here("schema")
    if not schema.exists:
        schema = next((media.here("schema") for _, media in parameter.get("content").items()), schema)
    return schema


def _media_types(holder: Node) -> dict[str, Node]:
    """Media types without their parameters, in lower case: `application/json; charset=utf-8` is application/json."""
    return {name.split(";", 1)[0].strip().lower(): node for name, node in holder.get("content").items()}


def _media(spot: Spot, rule: str, node: Node, fact: str, name: str) -> Change:
    return change(rule, spot.direction, At(spot.operation, spot.where, node.pointer), ((fact, name),))


def _status(operation: _Operation, verb: str, fact: str, status: str, node: Node) -> Change:
    kind = "success" if status[:1] in {"2", "3"} else "error"
    at = At(operation.name, operation.name, node.pointer or f"{operation.node.pointer}/responses/{escape(status)}")
    return change(f"{kind}_status_{verb}", _RESPONSE, at, ((fact, status),))


def _alternatives(root: Node, operation: Node) -> list[frozenset[str]]:
    """What an operation asks for: one set of scheme and scheme-with-scope for each alternative."""
    said = operation.here("security") if operation.here("security").exists else root.here("security")
    found: list[frozenset[str]] = []
    for item in said.raw if isinstance(said.raw, list) else ():
        schemes = item.items() if isinstance(item, Mapping) else ()
        wanted = [f"{name}:{scope}" if scope else name for name, scopes in schemes for scope in (scopes or [""])]
        found.append(frozenset(wanted))
    return found or [frozenset[str]()]


def _credentials(alternative: frozenset[str]) -> str:
    return " and ".join(sorted(alternative)) or "none"
