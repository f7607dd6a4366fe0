"""Completes the OpenAPI document with what every operation shares: problems, headers. Routes declare the rest."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from target_system.kit.problems import ProblemDocument, declared_problem
from target_system.kit.tracing import TRACEPARENT

__all__ = ["complete_openapi"]

_Json = dict[str, Any]  # OpenAPI objects: JSON by nature
_TRACEPARENT = {
    "description": "W3C trace context of this answer.",
    "required": True,
    "schema": {"type": "string", "pattern": TRACEPARENT},
}
_RETRY_AFTER = {
    "description": "Seconds after which to try again.",
    "required": True,
    "schema": {"type": "integer", "minimum": 1},
}
_ALLOW = {"description": "Methods this path has.", "required": True, "schema": {"type": "string"}}
_WITH_BODY = {
    400: "The body is not JSON, or a required header is missing.",
    413: "The body is too large.",
    415: "The body is of another media type.",
}
_ALWAYS = {
    404: "There is nothing at this path.",
    405: "The path does not have this method.",
    500: "Something broke inside; the details are in the log.",
}
_BUSINESS = {503: "Too busy, or something the service needs does not answer."}


def complete_openapi(app: FastAPI) -> _Json:
    """Return the OpenAPI document of `app`, every response declared; made once."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas["ProblemDocument"] = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
        for path, operations in document["paths"].items():
            for operation in operations.values():
                _complete(operation, shed=not path.startswith(("/health/", "/metrics")))
        app.openapi_schema = document
    return app.openapi_schema


def _complete(operation: _Json, *, shed: bool) -> None:
    responses: _Json = operation["responses"]
    parameters = operation.get("parameters", [])
    for parameter in parameters:
        parameter["schema"] = _without_null(parameter["schema"])
    wanted = dict(_ALWAYS) | (_BUSINESS if shed else {}) | (_WITH_BODY if "requestBody" in operation else {})
    if any(parameter["in"] == "header" and parameter.get("required") for parameter in parameters):
        wanted[400] = _WITH_BODY[400]
    if "requestBody" in operation or parameters:
        wanted[422] = "The request does not have the declared shape."
        if "application/problem+json" not in responses.get("422", {}).get("content", {}):
            responses.pop("422", None)  # FastAPI's own description of a shape we do not send
    for code, description in wanted.items():
        responses.setdefault(str(code), declared_problem(description))
    for status, response in responses.items():
        headers = response.setdefault("headers", {})
        headers["traceparent"] = _TRACEPARENT
        if status in ("429", "503"):
            headers["Retry-After"] = _RETRY_AFTER
        if status == "405":
            headers["Allow"] = _ALLOW
    operation["responses"] = dict(sorted(responses.items()))


def _without_null(schema: _Json) -> _Json:
    """Return the schema of a parameter as it can arrive: left out, but never null, which the wire does not know."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    return {**{key: schema[key] for key in schema if key != "anyOf"}, **kinds[0]} if len(kinds) == 1 else schema
