"""Gets something by its URL, whole: within a time, a size, and the place it was asked from. What it is is read elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from harness.guard.limits import LIMITS, Limits, TooMuchError
from harness.guard.places import Invitation, normal_host
from harness.guard.urls import same_origin, without_credentials

if TYPE_CHECKING:
    import httpx  # heavy, and only for this

__all__ = ["FetchError", "Fetched", "fetch", "get"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DENIED = frozenset({401, 403})


class FetchError(Exception):
    """It cannot be had; the text says why, after its name."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer, whole and inflated.

    Args:
        url: where it came from in the end.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def fetch(
    url: str,
    *,
    limit_s: float,
    max_bytes: int = LIMITS.plain_bytes,
    credentials: Callable[[], Mapping[str, str]] | None = None,
    invitation: Invitation | None = None,
) -> Fetched:
    """Get a URL. Blocks; redirects are followed on the same host only, and never with less than the scheme it began with.

    Args:
        limit_s: for all of it together, redirects included, in seconds.
        max_bytes: the most the body may have, inflated.
        credentials: gives headers that let a caller in; asked for only when the first answer is 401 or 403, and sent only
            to the scheme, host and port of `url`.
        invitation: further places that redirects may lead to.

    Raises:
        FetchError: when no whole answer came, it is too large, or it leads somewhere else.
    """
    invited = _to(url, invitation or Invitation(), secure=True)
    limits = Limits(wire_bytes=max_bytes, plain_bytes=max_bytes)
    with _client(invited, limits, limit_s) as client:
        answer = _follow(client, url, {}, limits)
        if answer.status in _DENIED and credentials is not None:
            answer = _follow(client, url, credentials(), limits)
        return answer


def get(url: str, *, limit_s: float, max_bytes: int = LIMITS.plain_bytes) -> Fetched:
    """Ask once, whatever comes: a redirect is an answer like another. Blocks.

    Args:
        limit_s: for the whole answer, in seconds.
        max_bytes: the most the body may have, inflated.

    Raises:
        FetchError: when no whole answer came, or it is too large.
    """
    with _client(_to(url, Invitation()), Limits(wire_bytes=max_bytes, plain_bytes=max_bytes), limit_s) as client:
        answer = client.get(url)
        return Fetched(url, answer.status_code, answer.headers, answer.content)


def _to(url: str, invitation: Invitation, *, secure: bool = False) -> Invitation:
    try:
        return invitation.and_to([url, _secure(url) if secure else ""])
    except ValueError as error:
        raise FetchError(f"cannot be fetched: {error}") from None


@contextmanager
def _client(invitation: Invitation, limits: Limits, limit_s: float) -> Iterator[httpx.Client]:
    """A client for a moment; whatever goes wrong with it is a `FetchError`."""
    import httpx

    from harness.guard.transport import GuardedTransport, deadline

    try:
        with (
            deadline(limit_s),
            GuardedTransport(invitation, limits) as transport,
            httpx.Client(transport=transport, timeout=limit_s, trust_env=False) as client,
        ):
            yield client
    except TooMuchError as error:
        raise FetchError(f"is too large: {error}") from None
    except (TimeoutError, httpx.TimeoutException):
        raise FetchError(f"did not come within {limit_s:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
        raise FetchError(f"cannot be fetched: {_why(error)}") from None


def _why(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return "nothing listens there" if "refused" in text else text


def _follow(client: httpx.Client, url: str, headers: Mapping[str, str], limits: Limits) -> Fetched:
    asked, seen = url, {url}
    while True:
        answer = client.get(asked, headers=headers if same_origin(asked, url) else {})
        location = answer.headers.get("location", "")
        if answer.status_code not in _REDIRECTS or not location:
            return Fetched(asked, answer.status_code, answer.headers, answer.content)
        target = urljoin(asked, location)
        _check_step(asked, target)
        if target in seen or len(seen) > limits.redirects:
            raise FetchError(f"redirects in circles, in the end to {without_credentials(target)}")
        seen.add(target)
        asked = target


def _check_step(asked: str, target: str) -> None:
    """A redirect may neither leave http(s), nor go back from https to http."""
    old, new = urlsplit(asked).scheme, urlsplit(target).scheme
    if new not in {"http", "https"} or (old == "https" and new == "http"):
        raise FetchError(f"redirects to {without_credentials(target)}, which is not followed")


def _secure(url: str) -> str:
    """The same host under https, where a redirect from plain http commonly leads; empty when the port is a special one."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.port not in {None, 80} or not parts.hostname:
        return ""
    host = normal_host(parts.hostname)
    return f"https://[{host}]" if ":" in host else f"https://{host}"
