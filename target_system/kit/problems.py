"""RFC 9457 problem documents: raising, rendering and declaring them. Which problems exist is each service's matter."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from target_system.kit.tracing import current_trace

__all__ = ["PROBLEM_JSON", "Problem", "ProblemDocument", "problem_response", "problem_slug", "problems"]

PROBLEM_JSON = "application/problem+json"
_TYPE_BASE = "https://record-shop.example/problems/"


class ProblemDocument(BaseModel):
    """RFC 9457, section 3.1, and the trace in which it happened."""

    model_config = ConfigDict(extra="forbid")

    type: Annotated[str, Field(examples=[f"{_TYPE_BASE}out-of-stock"])]
    title: Annotated[str, Field(examples=["Out of stock"])]
    status: Annotated[int, Field(ge=400, le=599, examples=[409])]
    detail: Annotated[str, Field(examples=["rec-5 is sold out"])]
    instance: Annotated[str, Field(examples=["/orders"])]
    trace_id: Annotated[str, Field(pattern="^[0-9a-f]{32}$", examples=["4bf92f3577b34da6a3ce929d0e0e4736"])]


class Problem(Exception):  # noqa: N818 - the RFC calls it a problem
    """An answer other than success, raised anywhere below a route.

    Args:
        status: HTTP status code.
        slug: last part of the problem's type, e.g. `out-of-stock`; empty for `about:blank`.
        detail: what happened this time, for a human.
        headers: further response headers, e.g. `Retry-After`.
    """

    def __init__(self, status: int, slug: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.detail = detail
        self.headers = dict(headers or {})


def problem_response(problem: Problem, path: str) -> Response:
    """Render `problem` as the answer to a request for `path`."""
    document = ProblemDocument(
        type=f"{_TYPE_BASE}{problem.slug}" if problem.slug else "about:blank",
        title=problem.slug.replace("-", " ").capitalize() or HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        instance=quote(path, safe="/-._~:@!$&'()*+,;=", errors="replace"),
        trace_id=current_trace().trace_id,
    )
    return Response(document.model_dump_json(), problem.status, problem.headers, PROBLEM_JSON)


def problem_slug(document: object) -> str:
    """Return the slug of a received problem document, or an empty string when it is none of the shop's."""
    kind = document.get("type") if isinstance(document, dict) else None
    return kind.removeprefix(_TYPE_BASE) if isinstance(kind, str) and kind.startswith(_TYPE_BASE) else ""


async def handle_problem(request: Request, problem: Exception) -> Response:
    """Answer with the problem that was raised."""
    assert isinstance(problem, Problem)
    return problem_response(problem, request.url.path)


def problems(**by_status: str) -> dict[int | str, dict[str, Any]]:
    """Declare problem responses of a route: `responses=problems(_404="There is no such record.")`."""
    return {int(name[1:]): declared_problem(text) for name, text in by_status.items()}


def declared_problem(description: str) -> dict[str, Any]:
    """Return the OpenAPI response object of a problem document."""
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {"description": description, "content": {PROBLEM_JSON: {"schema": schema}}}
