"""What a document describes: every operation, parameter, header and field, in its order. Who uses it is not known here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.contracts.compat.asyncapi import messages
from harness.contracts.compat.changes import Part, PartKind
from harness.contracts.compat.rules import Direction
from harness.contracts.compat.views import View, Views
from harness.documents.nodes import Node
from harness.documents.operations import OpenApiOperation, Operations

__all__ = ["Described", "described"]

_MAX_DEPTH = 40
# Schemas that share schemas can describe more fields than anybody could read; what is past this counts as described.
_MAX_FIELDS = 5_000


@dataclass(frozen=True, slots=True)
class Described:
    """One place of a document.

    Args:
        path: field within the part; `[]` for every item of a list, `*` for fields the schema does not name.
        open: whether more may stand inside that is not listed: free-form values, and schemas that hold themselves.
    """

    operation: str
    part: Part
    path: tuple[str, ...] = ()
    open: bool = False


def described(document: Mapping[str, Any]) -> Iterator[Described]:
    """Every place of an OpenAPI 3 or AsyncAPI document; alternatives are laid together, `allOf` is merged."""
    views = Views()
    if "asyncapi" in document:
        for message in messages(document):
            name = message.name
            yield Described(message.operation, Part(PartKind.MESSAGE, name))
            for kind, schema in (
                (PartKind.MESSAGE_HEADERS, message.node.here("headers")),
                (PartKind.MESSAGE_PAYLOAD, message.payload()),
            ):
                if kind is PartKind.MESSAGE_HEADERS and not schema.exists:
                    continue
                for path, more in _fields(views, schema, message.direction):
                    yield Described(message.operation, Part(kind, name), path, more)
        return
    root = Node(document, document)
    for operation in Operations(root).all:
        yield Described(operation.name, Part())
        yield from _credentials(root, operation)
        yield from _requests(views, operation)
        yield from _responses(views, operation)


def _credentials(root: Node, operation: OpenApiOperation) -> Iterator[Described]:
    """Headers, query parameters and cookies a key is sent in: a security scheme describes them, no parameter does."""
    own = operation.node.here("security")
    for alternative in (own if own.exists else root.here("security")).list():
        for name in alternative.raw if isinstance(alternative.raw, Mapping) else ():
            scheme = root.get("components").get("securitySchemes").get(str(name))
            place, key = scheme.text("in"), scheme.text("name")
            if scheme.text("type") == "apiKey" and place and key:
                key = key.lower() if place == "header" else key
                yield Described(operation.name, Part(PartKind.PARAMETER, key, place))


def _requests(views: Views, operation: OpenApiOperation) -> Iterator[Described]:
    for parameter in operation.parameters():
        place, name = parameter.text("in"), parameter.text("name")
        if place and name:
            name = name.lower() if place == "header" else name
            yield Described(operation.name, Part(PartKind.PARAMETER, name, place))
    for media in operation.node.get("requestBody").get("content").values():
        for path, more in _fields(views, media.here("schema"), Direction.REQUEST):
            yield Described(operation.name, Part(PartKind.REQUEST_BODY), path, more)


def _responses(views: Views, operation: OpenApiOperation) -> Iterator[Described]:
    for status, response in operation.node.get("responses").items():
        yield Described(operation.name, Part(PartKind.RESPONSE, status=status))
        for name, header in response.get("headers").items():
            if header.exists:
                yield Described(operation.name, Part(PartKind.RESPONSE_HEADER, name.lower(), status=status))
        for media in response.get("content").values():
            for path, more in _fields(views, media.here("schema"), Direction.RESPONSE):
                yield Described(operation.name, Part(PartKind.RESPONSE_BODY, status=status), path, more)


def _fields(views: Views, schema: Node, way: Direction) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Paths of a schema, the value itself first; whether there is more inside than is listed."""
    if not schema.exists:
        yield (), True
        return
    found: dict[tuple[str, ...], bool] = {}
    _collect(_Walk(views, way, found), (schema,), (), frozenset())
    yield from found.items()


@dataclass(frozen=True, slots=True)
class _Walk:
    """What stays the same while one schema is walked."""

    views: Views
    way: Direction
    found: dict[tuple[str, ...], bool]


def _collect(
    walk: _Walk, nodes: Sequence[Node], path: tuple[str, ...], above: frozenset[tuple[int, ...]], level: int = 0
) -> None:
    key = tuple(id(node.followed().raw) for node in nodes)
    walk.found.setdefault(path, False)
    if key in above or level > _MAX_DEPTH or len(walk.found) >= _MAX_FIELDS:
        walk.found[path] = True
        return
    view, above = walk.views.of(nodes), above | {key}
    for choice in view.choices:
        _collect(walk, (choice,), path, above, level + 1)
    for name, below in view.fields.items():
        inside = walk.views.of(below)
        if not (inside.read_only if walk.way is Direction.REQUEST else inside.write_only):
            _collect(walk, below, (*path, name), above, level + 1)
    if not isinstance(view.extra, bool):
        _collect(walk, view.extra, (*path, "*"), above, level + 1)
    for items in (view.items, *view.prefix):
        if items:
            _collect(walk, items, (*path, "[]"), above, level + 1)
    walk.found[path] = walk.found[path] or _free(view)


def _free(view: View) -> bool:
    """Whether a value may hold what its schema says nothing about: an object or a list without a description."""
    names_nothing = not (view.fields or view.items or view.prefix or view.choices or not isinstance(view.extra, bool))
    may_hold = ("object" in view.types and view.extra is not False) or "array" in view.types
    return names_nothing and may_hold and view.enum is None
