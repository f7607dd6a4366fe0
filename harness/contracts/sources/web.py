"""Bounded HTTP for contracts: limits on time, size and redirects, credentials for one origin only. Knows no pact."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import anyio

from harness.contracts.jsontext import loads
from harness.errors import InfrastructureError, UsageError
from harness.guard import is_loopback

if TYPE_CHECKING:
    import httpx

__all__ = ["Answer", "Web", "same_origin", "shown"]

_MAX_BYTES = 50_000_000
_MAX_REDIRECTS = 5
_LIMIT_S = 15.0
_KEEPS_METHOD = {307, 308}
_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, whole.

    Args:
        url: where it came from in the end.
    """

    url: str
    status: int
    kind: str
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The decoded body.

        Raises:
            ValueError: when it is no JSON; the text says what it is instead.
        """
        try:
            return loads(self.body)
        except (ValueError, RecursionError) as error:
            start = self.body.lstrip()[:15].lower()
            if b"html" in self.kind.encode() or start.startswith((b"<!doctype", b"<html")):
                raise ValueError("answered an HTML page instead of JSON") from None
            raise ValueError(f"answered something that is not JSON: {error}") from None


@dataclass(frozen=True, slots=True)
class Web:
    """Sends requests, each within limits.

    Args:
        origin: URL whose scheme, host and port the credentials are for; they are sent nowhere else.
        authorization: the header's value; empty for none.
        limit_s: the longest one request may take with its redirects, in seconds.
    """

    origin: str
    authorization: str = field(default="", repr=False)
    limit_s: float = _LIMIT_S
    max_bytes: int = _MAX_BYTES

    async def get(self, url: str, accept: str = "application/hal+json, application/json") -> Answer:
        """Get a URL; like `send`."""
        return await self.send("GET", url, accept=accept)

    async def send(
        self, method: str, url: str, body: object = None, *, accept: str = "application/hal+json, application/json"
    ) -> Answer:
        """Send a request, `body` as JSON, and read the whole answer.

        Raises:
            InfrastructureError: when no answer comes, it does not end in time, or it is too large.
            UsageError: when the URL is none, or it leads round in circles.
        """
        import httpx

        headers = {"Accept": accept, "User-Agent": "release-harness"}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            with anyio.fail_after(self.limit_s):
                # A proxy of the environment is for the outside; nothing on this machine is behind one.
                async with httpx.AsyncClient(trust_env=not is_loopback(url), timeout=self.limit_s) as client:
                    return await self._follow(client, method, url, headers, content)
        except (TimeoutError, httpx.TimeoutException):
            raise InfrastructureError(f"{shown(url)} did not answer within {self.limit_s:g} s") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError) as error:
            raise UsageError(f"{shown(url)} is no address that can be asked: {error}") from None
        except httpx.HTTPError as error:
            raise InfrastructureError(f"{shown(url)} cannot be reached: {_why(error)}") from None

    async def _follow(
        self, client: httpx.AsyncClient, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> Answer:
        seen = [url]
        while True:
            answer, location = await self._once(client, method, seen[-1], headers, content)
            if answer.status not in _REDIRECTS or not location:
                return answer
            target = urljoin(seen[-1], location)
            if method != "GET" and answer.status not in _KEEPS_METHOD:
                raise UsageError(f"{shown(url)} has moved to {shown(target)}; use that address")
            if target in seen or len(seen) > _MAX_REDIRECTS:
                raise UsageError(
                    f"{shown(url)} redirects in circles, in the end to {shown(target)}"
                    if target in seen
                    else f"{shown(url)} redirects more than {_MAX_REDIRECTS} times, in the end to {shown(target)}"
                )
            seen.append(target)

    async def _once(
        self, client: httpx.AsyncClient, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> tuple[Answer, str]:
        own = dict(headers)
        if self.authorization and same_origin(url, self.origin):
            own["Authorization"] = self.authorization
        body = bytearray()
        async with client.stream(method, url, headers=own, content=content) as response:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self.max_bytes:
                    raise InfrastructureError(f"{shown(url)} answered more than {self.max_bytes / 1e6:g} MB")
            kind = response.headers.get("content-type", "")
            return Answer(url, response.status_code, kind, bytes(body)), response.headers.get("location", "")


def same_origin(one: str, other: str) -> bool:
    """Whether two URLs have scheme, host and port in common."""
    return _origin(one) == _origin(other)


def shown(url: str) -> str:
    """A URL as it may be printed: without user, password and query, which may be secret."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "the address"
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)


def _why(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return "nothing listens there" if "All connection attempts failed" in text else text
