"""Lays an HTTP interaction over an OpenAPI document: which operation it calls, what it sends and reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from harness.contracts.compat.changes import Part, PartKind
from harness.contracts.pacts import Interaction, Pact
from harness.contracts.usage.model import Touch, Unmatched, Use, Used
from harness.contracts.usage.touches import by_key, contents, file_of, object_at, ruled, touches
from harness.documents.nodes import Node, escape
from harness.documents.operations import Found, Operations

__all__ = ["lay_http"]


def lay_http(operations: Operations, pact: Pact, interaction: Interaction, place: str) -> Used | Unmatched:
    """Find the operation an interaction is about, and what it uses of it."""
    request, response = object_at(interaction.raw, "request"), object_at(interaction.raw, "response")
    method, path = str(request.get("method", "GET")), str(request.get("path", "/"))
    found = operations.find(method, path)
    if found is None:
        known = operations.methods(path)
        reason = f"the document has {path} only with {', '.join(known)}" if known else f"the document has no {path}"
        return Unmatched(pact.consumer, interaction.description, f"{file_of(pact)}:{place}", reason)
    status = str(response.get("status", 200))
    documented = _documented(found, status)
    found_touches = (*_parameters(request, found, place), *_bodies(pact, request, response, documented, place))
    exact = not object_at(response, "matchingRules").get("status")
    statuses = frozenset(_names(status, documented)) if exact else frozenset[str]()
    return Used(
        consumer=pact.consumer,
        description=interaction.description,
        file=file_of(pact),
        pointer=place,
        operation=found.operation.name,
        touches=found_touches,
        statuses=statuses,
        assumed=found.assumed,
    )


def _documented(found: Found, status: str) -> str:
    known = [name for name, _ in found.operation.node.get("responses").items()]
    return next((name for name in _wanted(status) if name in known), status)


def _wanted(status: str) -> tuple[str, ...]:
    return status, f"{status[:1]}XX", f"{status[:1]}xx", "default"


def _names(status: str, documented: str) -> tuple[str, ...]:
    """What a status may be called where another version of the document says more of it: any name before its own."""
    wanted = _wanted(status)
    return wanted[: wanted.index(documented) + 1]


def _parameters(request: Mapping[str, Any], found: Found, place: str) -> Iterator[Touch]:
    known = {p.text("name") for p in found.operation.parameters() if p.text("in") == "query"}
    names = {_parameter(name, known) for name in _query_names(request)}
    sent = {("query", name, "query") for name in (*names, *_spread(found, names))}
    headers = {str(name).lower(): value for name, value in object_at(request, "headers").items()}
    sent |= {("cookie", name, "headers") for name in _cookie_names(headers.pop("cookie", ""))}
    sent |= {("header", name, "headers") for name in headers}
    sent |= {("path", name, "path") for name in found.values}
    for kind, name, key in sorted(sent):
        yield Touch(Use.SENDS, Part(PartKind.PARAMETER, name, kind), (), f"{place}/request/{key}", opaque=True)


def _query_names(request: Mapping[str, Any]) -> set[str]:
    """Names in a query, which older contracts hold as text, or write into the path."""
    query = request.get("query") or str(request.get("path", "")).partition("?")[2]
    if isinstance(query, str):
        return {name for name, _ in parse_qsl(query.lstrip("?"), keep_blank_values=True)}
    return {unquote(str(name)) for name in object_at(request, "query")}


def _parameter(name: str, known: set[str]) -> str:
    """The parameter a name in a query belongs to: `ids[]`, `filter[min]` and `filter.min` can be parameters, or parts."""
    beginning = name.partition("[")[0]
    meant = (name, beginning, name.partition(".")[0], f"{name}[]")
    return next((one for one in meant if one in known), beginning)


def _cookie_names(header: Any) -> set[str]:
    texts = header if isinstance(header, list) else [header]
    pairs = [pair for text in texts for pair in str(text).split(";")]
    return {pair.partition("=")[0].strip() for pair in pairs if "=" in pair}


def _spread(found: Found, names: set[str]) -> list[str]:
    """Parameters that can be written as several: `?status=open&page=2` may be an object `filter` (style form, exploded).

    Which of them an undeclared name belongs to is not known, so all count as sent.
    """
    query = [p for p in found.operation.parameters() if p.text("in") == "query"]
    if not names - {p.text("name") for p in query}:
        return []
    return [p.text("name") for p in query if not _is_scalar(p.get("schema"))]


def _is_scalar(schema: Node) -> bool:
    return schema.text("type") in {"string", "integer", "number", "boolean", "array"}


def _bodies(
    pact: Pact, request: Mapping[str, Any], response: Mapping[str, Any], status: str, place: str
) -> Iterator[Touch]:
    for holder, key, use, part in (
        (request, "request", Use.SENDS, Part(PartKind.REQUEST_BODY)),
        (response, "response", Use.READS, Part(PartKind.RESPONSE_BODY, status=status)),
    ):
        body, below = contents(pact, holder, "body", f"{place}/{key}")
        if body is None:
            continue
        whole = Touch(use, part, (), below, opaque=by_key(holder) or isinstance(body, str))
        yield from touches(body, whole)
        if use is Use.READS:
            yield from ruled(holder, f"{place}/{key}", whole)
    for name in object_at(response, "headers"):
        part = Part(PartKind.RESPONSE_HEADER, str(name).lower(), status=status)
        yield Touch(Use.READS, part, (), f"{place}/response/headers/{escape(str(name))}", opaque=True)
