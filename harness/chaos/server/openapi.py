"""The API's OpenAPI description; a test holds it against the routes and the answers, so it cannot say what is not so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.chaos.faults import FAULTS, attributes_of

__all__ = ["document"]

Json = dict[str, Any]

_TEXT = "text/plain"
_JSON = "application/json"
_TOLD = {
    400: "The body cannot be read, or something in it is missing or wrong.",
    403: "Browsers are turned away.",
    404: "There is no such proxy or toxic.",
    409: "The name is taken.",
    413: "The body is larger than 16 MB.",
    500: "The address cannot be listened on; the text is that of the network.",
}
#: Names that stand for themselves in a path.
_NAME = {"type": "string", "minLength": 1, "pattern": "^[A-Za-z0-9_-]{1,40}$"}
_LISTEN = {"type": "string", "pattern": r"^127\.0\.0\.1:0$", "description": "host:port; port 0 takes a free one"}
_UPSTREAM = {"type": "string", "pattern": r"^127\.0\.0\.1:[1-9][0-9]{0,3}$", "description": "host:port"}
_STREAM = {"type": "string", "enum": ["upstream", "downstream"]}


def document(version: str, *, metrics: bool) -> Json:
    """Describe the API.

    Args:
        version: of the API.
        metrics: whether `/metrics` is there.
    """
    paths = {**_proxies(), **_toxics(), **_server(), **_own()}
    if metrics:
        paths["/metrics"] = {"get": _operation("Counters in Prometheus' text format", {200: _TEXT})}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Toxiproxy, as built into harness", "version": version},
        "paths": paths,
        "components": {"schemas": _schemas()},
    }


def _proxies() -> Json:
    return {
        "/proxies": {
            "get": _operation("All proxies by name", {200: _map("Proxy")}),
            "post": _operation("Create a proxy", {201: "Proxy"}, body="NewProxy", errors=(400, 409, 413, 500)),
        },
        "/proxies/{proxy}": {
            "get": _operation("One proxy", {200: "Proxy"}, names=("proxy",), errors=(404,)),
            **{
                method: _operation(
                    "Change a proxy", {200: "Proxy"}, names=("proxy",), body="ProxyChange", errors=(400, 404, 413, 500)
                )
                for method in ("post", "patch")
            },
            "delete": _operation(
                "Remove a proxy and close its connections", {204: ""}, names=("proxy",), errors=(404,)
            ),
        },
    }


def _toxics() -> Json:
    one = ("proxy", "toxic")
    return {
        "/proxies/{proxy}/toxics": {
            "get": _operation("Toxics, upstream first", {200: _list("Toxic")}, names=("proxy",), errors=(404,)),
            "post": _operation(
                "Add a toxic", {200: "Toxic"}, names=("proxy",), body="NewToxic", errors=(400, 404, 409, 413)
            ),
        },
        "/proxies/{proxy}/toxics/{toxic}": {
            "get": _operation("One toxic", {200: "Toxic"}, names=one, errors=(404,)),
            **{
                method: _operation(
                    "Change a toxic", {200: "Toxic"}, names=one, body="ToxicChange", errors=(400, 404, 413)
                )
                for method in ("post", "patch")
            },
            "delete": _operation("Remove a toxic; what it holds goes on", {204: ""}, names=one, errors=(404,)),
        },
    }


def _server() -> Json:
    populate = _operation("Create or replace proxies", {201: "Populated"}, body=_list("NewProxy"), errors=(413,))
    for status in (400, 500):
        populate["responses"][str(status)] = _answer(_TOLD[status], "NotPopulated", _JSON)
    return {
        "/populate": {"post": populate},
        "/reset": {"post": _operation("Enable all proxies and remove all toxics", {204: ""}, errors=(500,))},
        "/version": {"get": _operation("The release whose API this is", {200: "Version"})},
    }


def _own() -> Json:
    after = {"name": "after", "in": "query", "schema": {"type": "integer", "minimum": 0}}
    calls = _operation("Calls told since a place in the log", {200: {"type": "object"}}, errors=(400,))
    calls["parameters"] = [after]
    return {
        "/harness/calls": {
            "get": calls,
            "post": _operation("Begin or cease to record calls", {204: ""}, body="Record", errors=(400, 413)),
        },
        "/harness/faults": {
            "get": _operation(
                "What the HTTP toxics did",
                {200: {"type": "object", "additionalProperties": {"type": "object"}}},
            )
        },
        "/harness/openapi.json": {"get": _operation("This document", {200: {"type": "object"}})},
    }


def _operation(
    summary: str,
    answers: Mapping[int, object],
    *,
    names: tuple[str, ...] = (),
    body: object = None,
    errors: tuple[int, ...] = (),
) -> Json:
    responses = {}
    for status, what in answers.items():
        if what == "":
            responses[str(status)] = {"description": "Done."}
        else:
            text = what == _TEXT
            responses[str(status)] = _answer("Done.", {"type": "string"} if text else what, _TEXT if text else _JSON)
    for status in (*errors, 403):
        # The original sends its errors, which are JSON, as plain text.
        responses[str(status)] = _answer(_TOLD[status], {"type": "string"}, _TEXT)
    operation: Json = {"summary": summary, "responses": responses}
    if names:
        operation["parameters"] = [{"name": n, "in": "path", "required": True, "schema": _NAME} for n in names]
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": _schema(body)}}}
    return operation


def _answer(told: str, schema: object, content_type: str) -> Json:
    return {"description": told, "content": {content_type: {"schema": _schema(schema)}}}


def _schema(of: object) -> object:
    return {"$ref": f"#/components/schemas/{of}"} if isinstance(of, str) else of


def _map(of: str) -> Json:
    return {"type": "object", "additionalProperties": _schema(of)}


def _list(of: str) -> Json:
    return {"type": "array", "items": _schema(of)}


def _object(required: tuple[str, ...], **properties: object) -> Json:
    known: Json = {"type": "object", "properties": properties}
    return {**known, "required": list(required)} if required else known


def _schemas() -> Json:
    types = sorted(FAULTS)
    names = sorted({name for fault in FAULTS.values() for name in attributes_of(fault)})
    attributes = {
        "type": "object",
        "description": f"integers, and texts in HTTP toxics: {', '.join(names)}; what a type does not know is ignored",
        "properties": {"latency": {"type": "integer"}, "jitter": {"type": "integer"}, "rate": {"type": "integer"}},
    }
    text, flag, number = {"type": "string"}, {"type": "boolean"}, {"type": "number"}
    toxic = {"name": text, "type": {"type": "string", "enum": types}, "toxicity": number}
    given = {**toxic, "attributes": attributes, "stream": _STREAM}
    proxy = {"name": text, "listen": text, "upstream": text, "enabled": flag, "toxics": _list("Toxic")}
    populated = {"type": "array", "nullable": True, "items": _schema("Proxy")}
    return {
        "Proxy": _object(tuple(proxy), **proxy),
        "NewProxy": _object(("name", "upstream"), name=_NAME, upstream=_UPSTREAM, listen=_LISTEN, enabled=flag),
        "ProxyChange": _object((), upstream=_UPSTREAM, listen=_LISTEN, enabled=flag),
        "Toxic": _object((*toxic, "attributes", "stream"), **toxic, attributes={"type": "object"}, stream=text),
        "NewToxic": _object(("type",), **{**given, "name": _NAME}),
        "ToxicChange": _object((), attributes=attributes, toxicity=number),
        "Populated": _object(("proxies",), proxies=populated),
        "NotPopulated": _object(("error", "status"), error=text, status={"type": "integer"}, proxies=populated),
        "Version": _object(("version",), version=text),
        "Record": _object(("record",), record=flag),
    }
