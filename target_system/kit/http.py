"""Routing that is strict about what arrives: media types, JSON, repeated parameters; its meaning is not our matter."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import BaseRoute, Match

from target_system.kit.problems import Problem, problem_response

__all__ = ["Router", "handle_http_error", "handle_invalid_request"]

_MAX_REPORTED = 5
_MAX_BODY = 64 * 1024


class _StrictRequest(Request):
    async def stream(self) -> AsyncGenerator[bytes, None]:
        size = 0
        async for chunk in super().stream():
            size += len(chunk)
            if size > _MAX_BODY:
                raise HTTPException(413, f"Send at most {_MAX_BODY} bytes.")
            yield chunk

    async def json(self) -> Any:
        body = await self.body()
        document = json.loads(body, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_number)
        if b"\\ud" in body.lower():
            _refuse_lone_surrogates(document)
        return document


class StrictRoute(APIRoute):
    """Refuses other media types than the declared one (415) and a query parameter given twice (422)."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override] # Coroutine there
        """Return FastAPI's handler behind these checks."""
        handler = super().get_route_handler()
        media_type = getattr(self.body_field.field_info, "media_type", "application/json") if self.body_field else None

        async def strict(request: Request) -> Response:
            if media_type:
                _check_media_type(request, media_type)
            names = [name for name, _ in request.query_params.multi_items()]
            if len(names) != len(set(names)):
                raise Problem(422, "invalid-request", "A query parameter was given more than once.")
            return await handler(_StrictRequest(request.scope, request.receive))

        return strict


class Router(APIRouter):
    """An APIRouter of strict routes. No trailing-slash redirects: a path is right or unknown."""

    def __init__(self) -> None:
        super().__init__(route_class=StrictRoute, redirect_slashes=False)


async def handle_invalid_request(request: Request, error: Exception) -> Response:
    """Answer 422 (400 for broken JSON or a missing header) and say where; what was sent is not echoed."""
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    places = "; ".join(f"{'.'.join(map(str, e['loc']))[:100]}: {e['msg'][:200]}" for e in errors[:_MAX_REPORTED])
    bad = all(e["type"] == "json_invalid" or (e["type"] == "missing" and e["loc"][0] == "header") for e in errors)
    detail = places.encode("utf-8", "replace").decode()
    return problem_response(Problem(400 if bad else 422, "invalid-request", detail), request.url.path)


async def handle_http_error(request: Request, error: Exception) -> Response:
    """Turn what the framework refuses (404, 405, 413, unreadable bodies) into problem documents."""
    assert isinstance(error, StarletteHTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_allowed_methods(request)))
    return problem_response(Problem(error.status_code, "", str(error.detail), headers), request.url.path)


def _allowed_methods(request: Request) -> set[str]:
    # The framework names only the methods of the first route on a path; a path often has one route per method.
    routes: list[BaseRoute] = request.app.routes
    here = (route for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return {method for route in here for method in getattr(route, "methods", None) or ()}


def _check_media_type(request: Request, expected: str) -> None:
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    utf8 = parameters.replace('"', "").replace(" ", "").lower() in ("", "charset=utf-8")
    if kind.strip().lower() != expected or not utf8:
        raise Problem(415, "unsupported-media-type", f"Send {expected}.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):  # RFC 8259, section 4: what a duplicate name means is unpredictable
        raise HTTPException(400, "A name occurs twice in a JSON object.")
    return members


def _number(literal: str) -> float | int:
    number = float(literal)  # to JSON Schema 11.0 is an integer, to strict Python it is not
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _refuse_lone_surrogates(document: Any) -> None:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # RFC 8259, section 8.2: half a character cannot be written down, nor sent back
        raise HTTPException(400, "A text holds half of a surrogate pair.") from None


def _no_constant(name: str) -> Any:
    raise HTTPException(400, f"{name} is not JSON.")
