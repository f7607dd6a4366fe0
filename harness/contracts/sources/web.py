"""Bounded HTTP for contracts: where it may go, limits on time and size, credentials for one origin only. Knows no pact."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio

from harness.documents.jsontext import loads
from harness.errors import InfrastructureError, UsageError
from harness.guard import Invitation, Limits, TooMuchError, UninvitedError, is_loopback, normal_host, same_origin
from harness.guard import without_credentials as shown

if TYPE_CHECKING:
    import httpx

__all__ = ["Answer", "Web", "same_origin", "shown"]

_MAX_BYTES = 50_000_000
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
        except ValueError as error:
            start = self.body.lstrip()[:15].lower()
            if b"html" in self.kind.encode() or start.startswith((b"<!doctype", b"<html")):
                raise ValueError("answered an HTML page instead of JSON") from None
            raise ValueError(f"answered something that is not JSON: {error}") from None


@dataclass(frozen=True, slots=True)
class Web:
    """Sends requests, each within limits, and nowhere but where the user said.

    What a server answers (redirects, links) is followed to its own origin, from http to https on the same host, and to
    what `also` names.

    Args:
        origin: URL whose scheme, host and port the credentials are for; they are sent nowhere else.
        authorization: the header's value; empty for none.
        limit_s: the longest one request may take with its redirects, in seconds.
        max_bytes: the most an answer may have, on the wire and inflated.
        also: further hosts, or hosts with a port, as `runtime.allow_targets` has them.
    """

    origin: str
    authorization: str = field(default="", repr=False)
    limit_s: float = _LIMIT_S
    max_bytes: int = _MAX_BYTES
    also: Sequence[str] = ()

    async def get(self, url: str, accept: str = "application/hal+json, application/json") -> Answer:
        """Get a URL; like `send`."""
        return await self.send("GET", url, accept=accept)

    async def send(
        self, method: str, url: str, body: object = None, *, accept: str = "application/hal+json, application/json"
    ) -> Answer:
        """Send a request, `body` as JSON, and read the whole answer.

        Raises:
            InfrastructureError: when no answer comes, it does not end in time, or it is too large.
            UsageError: when the URL is none, leads where nobody invited it, or round in circles.
        """
        headers = {"Accept": accept, "User-Agent": "release-harness"}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        # It ends by itself, in time; whoever is cancelled meanwhile need not wait for it.
        work = partial(self._send, method, url, headers, content)
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)

    def _send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> Answer:
        import httpx

        from harness.guard.transport import GuardedTransport, deadline

        limits = Limits(wire_bytes=self.max_bytes, plain_bytes=self.max_bytes)
        try:
            invited = Invitation.to([self.origin, _secure(self.origin)], self.also)
            invited.check(url)
            with (
                deadline(self.limit_s),
                GuardedTransport(invited, limits, proxy=_proxy_for(url)) as transport,
                httpx.Client(transport=transport, timeout=self.limit_s, trust_env=False) as client,
            ):
                return self._follow(client, method, url, headers, content)
        except UninvitedError as error:
            raise UsageError(
                f"{shown(self.origin)} leads elsewhere: {error}. If it is meant, name the host in [runtime] allow_targets"
            ) from None
        except TooMuchError as error:
            raise InfrastructureError(f"{shown(url)}: {error}") from None
        except (TimeoutError, httpx.TimeoutException):
            raise InfrastructureError(f"{shown(url)} did not answer within {self.limit_s:g} s") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError) as error:
            raise UsageError(f"{shown(url)} is no address that can be asked: {error}") from None
        except (httpx.HTTPError, OSError) as error:
            raise InfrastructureError(f"{shown(url)} cannot be reached: {_why(error)}") from None

    def _follow(
        self, client: httpx.Client, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> Answer:
        seen = [url]
        while True:
            own = dict(headers)
            if self.authorization and same_origin(seen[-1], self.origin):
                own["Authorization"] = self.authorization
            response = client.request(method, seen[-1], headers=own, content=content)
            location = response.headers.get("location", "")
            if response.status_code not in _REDIRECTS or not location:
                kind = response.headers.get("content-type", "")
                return Answer(seen[-1], response.status_code, kind, response.content)
            target = urljoin(seen[-1], location)
            if method != "GET" and response.status_code not in _KEEPS_METHOD:
                raise UsageError(f"{shown(url)} has moved to {shown(target)}; use that address")
            if target in seen or len(seen) > Limits().redirects:
                raise UsageError(f"{shown(url)} redirects in circles, in the end to {shown(target)}")
            if urlsplit(seen[-1]).scheme == "https" and urlsplit(target).scheme != "https":
                raise UsageError(f"{shown(url)} redirects to {shown(target)}, which is not encrypted: not followed")
            seen.append(target)


def _secure(url: str) -> str:
    """The same host under https, where plain http commonly leads; empty when the port is a special one."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.port not in {None, 80} or not parts.hostname:
        return ""
    host = normal_host(parts.hostname)
    return f"https://[{host}]" if ":" in host else f"https://{host}"


def _proxy_for(url: str) -> str:
    """The proxy of the environment; it is for the outside, nothing on this machine is behind one."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(url) or proxy_bypass(host):
        return ""
    known = getproxies()
    proxy = known.get(parts.scheme) or known.get("all") or ""
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"


def _why(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return "nothing listens there" if "refused" in text else text
