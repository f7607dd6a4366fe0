"""Compares one operation of two documents: parameters, bodies, responses. Which operations belong together is said in
`openapi`, what a schema means in `schemas`.

Callbacks and webhooks go the other way round: there the service sends requests and takes responses. Whoever compares
says so once; every rule then judges by the way the data really goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.contracts.compat.changes import At, Change, Part, PartKind, change
from harness.contracts.compat.rules import Direction
from harness.contracts.compat.schemas import SchemaComparer, Spot
from harness.documents.nodes import Node, escape

__all__ = ["ExchangeComparer", "Operation"]

PLACEHOLDER = re.compile(r"\{[^}]*\}")
#: How a parameter is written where its style is not said (OpenAPI 3.1, section 4.8.12).
_STYLE = {"query": "form", "cookie": "form", "path": "simple", "header": "simple"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; `shared` holds what its path says for all of its methods.

    Args:
        name: `GET /orders/{order_id}`, `callback paid: POST {$request.body#/url}` and the like.
    """

    name: str
    node: Node
    shared: Node

    def parameters(self) -> dict[tuple[str, str], Node]:
        """Parameters by place and name; those in the path by their position, as renaming one changes nothing."""
        found: dict[tuple[str, str], Node] = {}
        order = PLACEHOLDER.findall(self.name)
        for holder in (self.shared, self.node):
            for listed in holder.get("parameters").list():
                parameter = listed.followed()
                place, name = parameter.text("in"), parameter.text("name")
                if place == "path" and f"{{{name}}}" in order:
                    found[place, str(order.index(f"{{{name}}}"))] = parameter
                elif name:
                    found[place, name.lower() if place == "header" else name] = parameter
        return found


class ExchangeComparer:
    """Compares operations.

    Args:
        schemas: shared by all comparisons of two documents, so that a shared schema costs once.
        inverted: whether the service sends the requests, as in callbacks and webhooks.
    """

    def __init__(self, schemas: SchemaComparer, *, inverted: bool = False) -> None:
        self._schemas = schemas
        self._asks = Direction.RESPONSE if inverted else Direction.REQUEST
        self._answers = Direction.REQUEST if inverted else Direction.RESPONSE

    def compare(self, old: Operation, new: Operation) -> Iterator[Change]:
        """Every change of parameters, body and responses."""
        yield from self._parameters(old, new)
        yield from self._body(old, new)
        yield from self._responses(old, new)

    def _parameters(self, old: Operation, new: Operation) -> Iterator[Change]:
        before, after = old.parameters(), new.parameters()
        for key, one in before.items():
            other = after.get(key)
            if other is not None:
                yield from self._parameter(old, one, other)
            elif one.text("in") != "path":
                yield change("parameter_removed", self._asks, _parameter_at(old, one))
        for key, one in after.items():
            if key not in before and one.text("in") != "path":
                rule = "required_parameter_added" if _required(one) else "parameter_added"
                yield change(rule, self._asks, _parameter_at(old, one, new=True))

    def _parameter(self, old: Operation, one: Node, other: Node) -> Iterator[Change]:
        at = _parameter_at(old, one, other.pointer)
        if _required(one) != _required(other):
            yield change("parameter_required" if _required(other) else "parameter_optional", self._asks, at)
        before, after = self._writings(one, other)
        if before != after:
            yield change("parameter_style_changed", self._asks, at, (("old", before), ("new", after)))
        if _true(other, "deprecated") and not _true(one, "deprecated"):
            yield change("parameter_deprecated", self._asks, at)
        spot = Spot(self._asks, old.name, old.name, f"the {_label(one)}", _parameter_part(one))
        yield from self._schemas.compare(_parameter_schema(one), _parameter_schema(other), spot)

    def _writings(self, one: Node, other: Node) -> tuple[str, str]:
        """How a value is put on the wire; a single one looks the same, exploded or not."""
        single = any(self._schemas.is_single(_parameter_schema(node)) for node in (one, other))
        return _writing(one, single=single), _writing(other, single=single)

    def _body(self, old: Operation, new: Operation) -> Iterator[Change]:
        before, after = old.node.get("requestBody"), new.node.get("requestBody")
        pointer = before.pointer if before.exists else ""
        part = Part(PartKind.REQUEST_BODY)
        at = At(
            old.name, old.name, pointer or after.pointer, part=part, new_pointer=after.pointer if after.exists else ""
        )
        if before.exists != after.exists:
            rule = "body_removed" if before.exists else "body_required" if _required(after) else "body_added"
            yield change(rule, self._asks, at)
        if not before.exists or not after.exists:
            return
        if _required(before) != _required(after):
            yield change("body_required" if _required(after) else "body_optional", self._asks, at)
        spot = Spot(self._asks, old.name, f"the body of {old.name}", part=part)
        yield from self._content(before, after, spot)

    def _content(self, old: Node, new: Node, spot: Spot) -> Iterator[Change]:
        """Media types and their schemas; a range such as `application/*` stands for every type in it."""
        before, after = _media_types(old), _media_types(new)
        for name, one in before.items():
            others = _counterparts(name, after, narrowed=spot.direction is Direction.RESPONSE)
            here = _with_media(spot, name)
            if not others:
                yield _media(here, "media_type_removed", one, "gone", name)
            for other in others:
                # No schema is any value: what is said for the first time, or not any more, is a change like another.
                yield from self._schemas.compare(one.here("schema"), other.here("schema"), here)
                if one.get("encoding").raw != other.get("encoding").raw:
                    yield _media(here, "encoding_changed", one, "media", name)
        for name in after:
            if name not in before and not _counterparts(name, before, narrowed=False):
                yield _media(_with_media(spot, name), "media_type_added", after[name], "added", name)

    def _responses(self, old: Operation, new: Operation) -> Iterator[Change]:
        before, after = dict(old.node.get("responses").items()), dict(new.node.get("responses").items())
        for status, one in before.items():
            still = after.get(status) or _covering_status(status, after)
            if still is not None:
                yield from self._response(old, status, one, still)
            elif not _narrowed(status, after):
                yield _status(self._answers, old, "removed", "gone", status, one)
        for status, other in after.items():
            if status in before:
                continue
            covering = _covering_status(status, before)
            if covering is not None:
                yield from self._response(old, status, covering, other)
            elif not _narrowed(status, before):
                yield _status(self._answers, old, "added", "added", status, other)

    def _response(self, old: Operation, status: str, one: Node, other: Node) -> Iterator[Change]:
        part = Part(PartKind.RESPONSE_BODY, status=status)
        spot = Spot(self._answers, old.name, f"{status} of {old.name}", part=part)
        yield from self._content(one, other, spot)
        yield from self._headers(one, other, spot, status)

    def _headers(self, old: Node, new: Node, spot: Spot, status: str) -> Iterator[Change]:
        before, after = _headers(old), _headers(new)
        for key, (name, one) in before.items():
            part = Part(PartKind.RESPONSE_HEADER, name, "header", status)
            if key not in after:
                rule = "header_removed" if _required(one) else "optional_header_removed"
                yield change(rule, self._answers, At(spot.operation, spot.where, one.pointer, f"`{name}`", part))
                continue
            other = after[key][1]
            at = At(spot.operation, spot.where, one.pointer, f"`{name}`", part, new_pointer=other.pointer)
            if _required(one) != _required(other):
                yield change("header_required" if _required(other) else "header_optional", self._answers, at)
            writing, now = self._writings(one, other)
            if writing != now:
                told = replace(at, field=f"header `{name}`")
                yield change("parameter_style_changed", self._answers, told, (("old", writing), ("new", now)))
            named = Spot(self._answers, spot.operation, spot.where, f"the header `{name}`", part)
            yield from self._schemas.compare(_parameter_schema(one), _parameter_schema(other), named)
        for key, (name, one) in after.items():
            if key not in before:
                part = Part(PartKind.RESPONSE_HEADER, name, "header", status)
                at = At(spot.operation, spot.where, one.pointer, f"`{name}`", part, new_pointer=one.pointer)
                yield change("required_header_added" if _required(one) else "header_added", self._answers, at)


def _parameter_at(operation: Operation, node: Node, other: str = "", *, new: bool = False) -> At:
    pointer = node.pointer if new else other
    return At(operation.name, operation.name, node.pointer, _label(node), _parameter_part(node), new_pointer=pointer)


def _parameter_part(node: Node) -> Part:
    return Part(PartKind.PARAMETER, node.text("name"), node.text("in"))


def _label(parameter: Node) -> str:
    kind = {"query": "query parameter", "header": "header", "path": "path parameter", "cookie": "cookie"}
    return f"{kind.get(parameter.text('in'), 'parameter')} `{parameter.text('name')}`"


def _writing(parameter: Node, *, single: bool) -> str:
    """Style, explode and, for `content`, the media type of a parameter or a header.

    Args:
        single: whether the value is neither a list nor an object.
    """
    media = next((name for name, _ in parameter.get("content").items()), "")
    if media:
        return media.split(";", 1)[0].strip().lower()
    style = parameter.text("style") or _STYLE.get(parameter.text("in"), "simple")
    if single and style in {"form", "simple"}:
        return style
    said = parameter.raw.get("explode") if isinstance(parameter.raw, Mapping) else None
    exploded = said if isinstance(said, bool) else style == "form"
    return f"{style}, {'exploded' if exploded else 'not exploded'}"


def _required(node: Node) -> bool:
    return _true(node, "required")


def _true(node: Node, key: str) -> bool:
    return isinstance(node.raw, Mapping) and node.raw.get(key) is True


def _parameter_schema(parameter: Node) -> Node:
    """A parameter's schema stands in `schema`, or in the one entry of `content`."""
    schema = parameter.here("schema")
    if not schema.exists:
        schema = next((media.here("schema") for _, media in parameter.get("content").items()), schema)
    return schema


def _headers(response: Node) -> dict[str, tuple[str, Node]]:
    """Headers by name in lower case; Content-Type is no header to OpenAPI, but the media type."""
    found = {name.lower(): (name, node) for name, node in response.get("headers").items()}
    found.pop("content-type", None)
    return found


def _media_types(holder: Node) -> dict[str, Node]:
    """Media types in lower case; a charset changes nothing, another parameter (`v=2`, a profile) makes another type."""
    return {_media_name(name): node for name, node in holder.get("content").items()}


def _media_name(written: str) -> str:
    kind, *parameters = (word.strip().lower() for word in written.split(";"))
    return "; ".join([kind, *sorted(p for p in parameters if p and not p.startswith("charset="))])


def _counterparts(name: str, media_types: Mapping[str, Node], *, narrowed: bool) -> list[Node]:
    """What says in another document what a media type holds: the type itself, else what it is part of.

    Args:
        narrowed: whether the types that are part of it will do, where it is a range: then it is each of them.
    """
    kind = name.split(";", 1)[0]
    for wanted in (name, kind, f"{kind.split('/', 1)[0]}/*", "*/*"):
        if wanted in media_types:
            return [media_types[wanted]]
    versions = [node for other, node in media_types.items() if other.split(";", 1)[0] == name]
    if len(versions) == 1:
        return versions  # the only one: whoever asks for the type without a parameter gets it
    if narrowed and kind.endswith("/*"):
        return [node for other, node in media_types.items() if kind in {f"{other.split('/', 1)[0]}/*", "*/*"}]
    return []


def _with_media(spot: Spot, name: str) -> Spot:
    part = Part(spot.part.kind, spot.part.name, spot.part.place, spot.part.status, name.split(";", 1)[0])
    return Spot(spot.direction, spot.operation, spot.where, spot.whole, part)


def _media(spot: Spot, rule: str, node: Node, fact: str, name: str) -> Change:
    new = node.pointer if fact == "added" else ""
    at = At(spot.operation, spot.where, node.pointer, part=spot.part, new_pointer=new)
    return change(rule, spot.direction, at, ((fact, name),))


def _covering_status(status: str, responses: Mapping[str, Node]) -> Node | None:
    """What says how `status` is answered where it is not named itself: its range, else the default."""
    if status == "default":
        return None
    return responses.get(f"{status[:1]}XX") or responses.get(f"{status[:1]}xx") or responses.get("default")


def _narrowed(status: str, responses: Mapping[str, Any]) -> bool:
    """Whether a range or the default is named one by one in the other document."""
    if status == "default":
        return False
    return status[1:].upper() == "XX" and any(s[:1] == status[:1] for s in responses)


def _status(way: Direction, operation: Operation, verb: str, fact: str, status: str, node: Node) -> Change:
    kind = "success" if status[:1] in {"2", "3"} else "error"
    pointer = node.pointer or f"{operation.node.pointer}/responses/{escape(status)}"
    part = Part(PartKind.RESPONSE, status=status)
    at = At(operation.name, operation.name, pointer, part=part, new_pointer=pointer if verb == "added" else "")
    return change(f"{kind}_status_{verb}", way, at, ((fact, status),))
