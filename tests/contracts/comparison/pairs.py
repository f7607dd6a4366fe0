"""Small documents and contracts to compare: a pair says only what it is about."""

from __future__ import annotations

from typing import Any

from harness.contracts.comparison import Comparator, Compared
from harness.contracts.pacts import pact_from_json

Document = dict[str, Any]


def document(operation: Document | None = None, *, path: str = "/things", method: str = "get", **more: Any) -> Document:
    """An OpenAPI document with one operation; `more` are further members of the document."""
    operation = {"responses": {"200": {"description": "ok"}}, **(operation or {})}
    whole = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {path: {method: operation}}}
    return {**whole, **more}


def returning(schema: Document, *, media: str = "application/json", **components: Any) -> Document:
    """A document whose only operation answers 200 with a body of a schema."""
    answer = {"description": "ok", "content": {media: {"schema": schema}}}
    return document({"responses": {"200": answer}}, components={"schemas": components})


def taking(schema: Document, *, media: str = "application/json", required: bool = False, **components: Any) -> Document:
    """A document whose only operation takes a body of a schema, by POST."""
    body = {"required": required, "content": {media: {"schema": schema}}}
    return document({"requestBody": body}, method="post", components={"schemas": components})


def asking(*parameters: Document, path: str = "/things") -> Document:
    """A document whose only operation has parameters."""
    return document({"parameters": list(parameters)}, path=path)


def parameter(name: str, place: str = "query", type_: str = "string", **more: Any) -> Document:
    """A parameter; `required` and the like go beside the schema, everything else into it."""
    beside: Document = {k: more.pop(k) for k in ("required", "style", "explode", "allowEmptyValue") if k in more}
    return {"name": name, "in": place, "schema": {"type": type_, **more}, **beside}


def pact(request: Document | None = None, response: Document | None = None, version: str = "2.0.0") -> Document:
    """A contract with one interaction."""
    interaction = {
        "description": "an interaction",
        "request": {"method": "GET", "path": "/things", **(request or {})},
        "response": {"status": 200, **(response or {})},
    }
    return {
        "consumer": {"name": "web"},
        "provider": {"name": "things"},
        "interactions": [interaction],
        "metadata": {"pactSpecification": {"version": version}},
    }


def expecting(body: Any, **response: Any) -> Document:
    """A contract that expects a body."""
    return pact(response={"body": body, **response})


def sending(body: Any, media: str = "application/json", *, status: int = 200) -> Document:
    """A contract that sends a body by POST."""
    return pact({"method": "POST", "body": body, "headers": {"Content-Type": media}}, {"status": status})


def compared(contract: Document, document: Document, *, strict_base: bool = False) -> Compared:
    """Compare a contract with a document."""
    return Comparator(document, strict_base=strict_base).compare([("pact.json", pact_from_json(contract))])


def codes(contract: Document, document: Document) -> list[str]:
    """Only the codes."""
    return [one.code for one in compared(contract, document).found]
