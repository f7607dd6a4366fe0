"""Swagger 2.0 documents in the words of OpenAPI 3.0, so that one comparison serves both; nothing is read here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.documents.nodes import Node

__all__ = ["convert"]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_MOVED = {
    "#/definitions/": "#/components/schemas/",
    "#/parameters/": "#/components/parameters/",
    "#/responses/": "#/components/responses/",
}
#: Parameters that make the body. A tuple, as a hostile document may put a list where text belongs.
_PAYLOAD = ("body", "formData")
_FORM = ("application/x-www-form-urlencoded", "multipart/form-data")
_JSON = ("application/json",)
#: What Swagger 2 writes into a parameter or header itself and OpenAPI 3 into its schema.
_SCHEMA_WORDS = (
    "type", "format", "items", "default", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
    "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "enum", "multipleOf",
)  # fmt: skip
_STYLES = {
    "csv": {"style": "form", "explode": False},
    "ssv": {"style": "spaceDelimited", "explode": False},
    "pipes": {"style": "pipeDelimited", "explode": False},
    "multi": {"style": "form", "explode": True},
}
_FLOWS = {"accessCode": "authorizationCode", "application": "clientCredentials"}


def convert(old: Mapping[str, Any]) -> dict[str, Any]:
    """Write a Swagger 2.0 document as OpenAPI 3.0.3.

    What the document holds beside operations, schemas, parameters, responses, servers and security is kept as it is.
    Hostile shapes are left out, they never raise.

    Returns:
        A new document. JSON pointers of findings are those of this one.
    """
    source = _Source(old)
    components = {
        "schemas": {k: _schema(v) for k, v in _items(old, "definitions")},
        "parameters": {k: source.parameter(v) for k, v in _items(old, "parameters") if v.get("in") not in _PAYLOAD},
        "responses": {k: source.response(v, source.produces) for k, v in _items(old, "responses")},
        "securitySchemes": {k: _security_scheme(v) for k, v in _items(old, "securityDefinitions")},
    }
    converted: dict[str, Any] = {
        "openapi": "3.0.3",
        "info": old.get("info", {}),
        "paths": {path: source.path(item) for path, item in _items(old, "paths")},
        "components": {k: v for k, v in components.items() if v},
    }
    servers = _servers(old)
    if servers:
        converted["servers"] = servers
    converted |= {k: v for k, v in old.items() if k in {"security", "tags"}}
    converted |= {k: _schema(v) for k, v in old.items() if str(k).startswith("x-")}  # schemas of other files too
    return converted


class _Source:
    """The document that is converted: what its operations fall back on."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.consumes = _texts(document.get("consumes")) or _JSON
        self.produces = _texts(document.get("produces")) or _JSON

    def path(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """A path item."""
        item = self._resolved(item)
        shared = list(self._parameters(item))
        found: dict[str, Any] = {k: v for k, v in item.items() if str(k).startswith("x-")}
        kept = [self.parameter(p) for p in shared if p.get("in") not in _PAYLOAD]
        if kept:
            found["parameters"] = kept
        payload = [p for p in shared if p.get("in") in _PAYLOAD]
        for method in _METHODS:
            operation = item.get(method)
            if isinstance(operation, Mapping):
                found[method] = self._operation(operation, payload)
        return found

    def _operation(self, operation: Mapping[str, Any], shared: list[Mapping[str, Any]]) -> dict[str, Any]:
        own = list(self._parameters(operation))
        kept = [self.parameter(p) for p in own if p.get("in") not in _PAYLOAD]
        payload = [p for p in own if p.get("in") in _PAYLOAD] or shared
        produces = _texts(operation.get("produces")) or self.produces
        found = {k: v for k, v in operation.items() if k not in {"consumes", "produces", "schemes"}}
        found["responses"] = {k: self.response(v, produces) for k, v in _items(operation, "responses")}
        if kept:
            found["parameters"] = kept
        else:
            found.pop("parameters", None)
        if payload:
            found["requestBody"] = _body(payload, _texts(operation.get("consumes")) or self.consumes)
        return found

    def _parameters(self, holder: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Parameters as mappings; a reference to a body or form parameter is resolved, as those move elsewhere."""
        listed = holder.get("parameters")
        for parameter in listed if isinstance(listed, list) else ():
            if not isinstance(parameter, Mapping):
                continue
            resolved = self._resolved(parameter)
            payload = resolved.get("in") in _PAYLOAD
            yield resolved if payload or not _is_moved(parameter) else parameter

    def _resolved(self, holder: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a reference points at, where it points at an object: other files were brought in before."""
        found = Node(self._document, holder).followed().raw if "$ref" in holder else holder
        return found if isinstance(found, Mapping) else holder

    def parameter(self, parameter: Mapping[str, Any]) -> dict[str, Any]:
        """A parameter that is neither body nor form."""
        if "$ref" in parameter:
            return {"$ref": _moved(parameter["$ref"])}
        found = {k: v for k, v in parameter.items() if k not in {*_SCHEMA_WORDS, "collectionFormat", "x-nullable"}}
        found["schema"] = _schema({k: parameter[k] for k in (*_SCHEMA_WORDS, "x-nullable") if k in parameter})
        if parameter.get("type") == "array":
            style = dict(_STYLES.get(str(parameter.get("collectionFormat", "csv")), _STYLES["csv"]))
            if parameter.get("in") in ("path", "header"):
                style["style"] = "simple"
            found |= style
        return found

    def response(self, response: Mapping[str, Any], produces: tuple[str, ...]) -> dict[str, Any]:
        """A response."""
        if _is_moved(response):
            return {"$ref": _moved(response["$ref"])}
        response = self._resolved(response)
        found = {k: v for k, v in response.items() if k not in {"schema", "headers", "examples"}}
        headers = {name: self.parameter(header) for name, header in _items(response, "headers")}
        if headers:
            found["headers"] = headers
        if "schema" in response:
            found["content"] = {media: {"schema": _schema(response["schema"])} for media in produces}
        return found


def _body(payload: list[Mapping[str, Any]], consumes: tuple[str, ...]) -> dict[str, Any]:
    body = next((p for p in payload if p.get("in") == "body"), None)
    if body is not None:
        content = {media: {"schema": _schema(body.get("schema", {}))} for media in consumes}
        return {"required": body.get("required") is True, "content": content}
    fields = {str(p.get("name")): _form_field(p) for p in payload}
    required = [str(p.get("name")) for p in payload if p.get("required") is True]
    schema: dict[str, Any] = {"type": "object", "properties": fields}
    if required:
        schema["required"] = required
    files = any(p.get("type") == "file" for p in payload)
    media = [m for m in consumes if m in _FORM] or [_FORM[1] if files else _FORM[0]]
    return {"required": bool(required), "content": {m: {"schema": schema} for m in media}}


def _form_field(parameter: Mapping[str, Any]) -> Any:
    if parameter.get("type") == "file":
        return {"type": "string", "format": "binary"}
    return _schema({k: parameter[k] for k in _SCHEMA_WORDS if k in parameter})


def _schema(schema: Any) -> Any:
    """A schema with references moved, `x-nullable` and the discriminator in the newer words."""
    if isinstance(schema, list):
        return [_schema(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "$ref":
            found[key] = _moved(value)
        elif key == "x-nullable":
            found["nullable"] = value
        elif key == "discriminator" and isinstance(value, str):
            found[key] = {"propertyName": value}
        elif key in {"enum", "default", "example", "required"}:
            found[key] = value
        else:
            found[key] = _schema(value)
    if found.get("type") == "file":
        found |= {"type": "string", "format": "binary"}
    return found


def _moved(ref: object) -> object:
    if isinstance(ref, str):
        for before, after in _MOVED.items():
            if before in ref:
                return ref.replace(before, after, 1)
    return ref


def _is_moved(holder: Mapping[str, Any]) -> bool:
    ref = holder.get("$ref")
    return isinstance(ref, str) and ref.startswith(tuple(_MOVED))


def _security_scheme(scheme: Mapping[str, Any]) -> dict[str, Any]:
    if scheme.get("type") == "basic":
        return {"type": "http", "scheme": "basic"}
    if scheme.get("type") != "oauth2":
        return dict(scheme)
    said = str(scheme.get("flow", ""))
    flow = {k: scheme[k] for k in ("authorizationUrl", "tokenUrl") if k in scheme}
    return {"type": "oauth2", "flows": {_FLOWS.get(said, said): {**flow, "scopes": scheme.get("scopes", {})}}}


def _servers(document: Mapping[str, Any]) -> list[dict[str, str]]:
    host, base = document.get("host"), str(document.get("basePath") or "")
    if not isinstance(host, str):
        return [{"url": base}] if base else []
    return [{"url": f"{scheme}://{host}{base}"} for scheme in _texts(document.get("schemes")) or ("https",)]


def _items(holder: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    value = holder.get(key)
    for name, item in value.items() if isinstance(value, Mapping) else ():
        if isinstance(item, Mapping):
            yield str(name), item


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
