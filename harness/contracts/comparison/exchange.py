"""An interaction of any Pact version, its HTTP exchange read into one shape; nothing is judged here."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from harness.contracts.pacts import Interaction

__all__ = ["ABSENT", "Body", "Exchange", "body_of", "contents_of", "exchange_of"]


class _Absent:
    """There is no body, which is something else than the body `null`."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent()


@dataclass(frozen=True, slots=True)
class Body:
    """A body or payload.

    Args:
        content: JSON value or text; `ABSENT` when there is none.
        media: media type a V4 contract gives beside the content; empty when it does not.
    """

    content: Any = ABSENT
    media: str = ""

    @property
    def exists(self) -> bool:
        """Whether there is one; `null` counts as none, as in the older contracts it means an empty body."""
        return self.content is not ABSENT and self.content is not None


@dataclass(frozen=True, slots=True)
class Exchange:
    """Request and response of an interaction.

    Args:
        query: values by name, decoded, in their order.
        request_headers, response_headers: values by name in lower case, several joined as they are on the wire.
    """

    method: str
    path: str
    status: int
    query: Mapping[str, list[str]] = field(default_factory=dict)
    request_headers: Mapping[str, str] = field(default_factory=dict)
    response_headers: Mapping[str, str] = field(default_factory=dict)
    request_body: Body = Body()
    response_body: Body = Body()

    @property
    def succeeds(self) -> bool:
        """Whether the provider is expected to accept the request; one that it refuses need not fit the document."""
        return self.status < 400


def exchange_of(interaction: Interaction, version: int) -> Exchange:
    """Read the exchange of an HTTP interaction; what is missing or of a wrong shape counts as not there.

    Args:
        version: major version of the Pact specification.
    """
    request, response = _mapping(interaction.raw.get("request")), _mapping(interaction.raw.get("response"))
    path, _, inline = str(request.get("path") or "/").partition("?")
    status = response.get("status", 200)
    return Exchange(
        method=str(request.get("method") or "GET").upper(),
        path=path,
        status=status if isinstance(status, int) else int(status) if str(status).isdigit() else 200,
        query=_query(request.get("query") or inline),
        request_headers=_headers(request.get("headers")),
        response_headers=_headers(response.get("headers")),
        request_body=body_of(request, version),
        response_body=body_of(response, version),
    )


def body_of(part: Mapping[str, Any], version: int) -> Body:
    """The body of a request or response."""
    if "body" not in part:
        return Body()
    return contents_of(part["body"]) if version >= 4 else Body(part["body"])


def contents_of(wrapped: object) -> Body:
    """Content in the wrapper of a V4 contract: `content`, `contentType` and how it is encoded."""
    if not isinstance(wrapped, Mapping):
        return Body(wrapped)
    if "content" not in wrapped:
        return Body()
    content, media, encoded = wrapped["content"], str(wrapped.get("contentType") or ""), wrapped.get("encoded")
    if encoded and isinstance(content, str):
        content = _decoded(content, "base64" if encoded is True else str(encoded).lower())
    if isinstance(content, str) and media and ("json" in media.lower()) and encoded:
        content = _as_json(content)
    return Body(content, media)


def _decoded(content: str, encoding: str) -> Any:
    if encoding == "json":
        return _as_json(content)
    if encoding != "base64":
        return content
    try:
        return base64.b64decode(content).decode(errors="replace")
    except (binascii.Error, ValueError):
        return content


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _query(query: object) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in _pairs(query):
        found.setdefault(name, []).append(value)
    return found


def _pairs(query: object) -> Iterator[tuple[str, str]]:
    if isinstance(query, str):
        yield from parse_qsl(query.lstrip("?"), keep_blank_values=True)
    elif isinstance(query, Mapping):
        for name, values in query.items():
            for value in values if isinstance(values, list) else [values]:
                yield unquote(str(name)), _text(value)


def _headers(headers: object) -> dict[str, str]:
    found = {}
    for name, value in _mapping(headers).items():
        values = value if isinstance(value, list) else [value]
        between = "; " if str(name).lower() == "cookie" else ", "
        found[str(name).lower()] = between.join(_text(v) for v in values).strip()
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
