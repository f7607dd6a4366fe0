"""Whether a request carries the credentials an operation asks for: their place is looked at, never their value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http.cookies import CookieError, SimpleCookie

from harness.contracts.comparison.exchange import Exchange
from harness.documents.nodes import Node

__all__ = ["unsatisfied", "used_names"]

_Found = tuple[str, str, tuple[object, ...]]
_MISSING, _UNSEEN = "request.authorization.missing", "request.authorization.unseen"


def unsatisfied(
    security: Node, schemes: Mapping[str, Node], exchange: Exchange, *, lax: bool = False
) -> Iterator[_Found]:
    """Credentials that are missing, when none of the alternatives is there as a whole.

    Args:
        security: the alternatives; each names schemes that have to be there together.
        lax: whether any Authorization header will do for the schemes of HTTP.

    Returns:
        Code, message and place in the interaction; those of the alternative that lacks least.
    """
    lacking: list[list[_Found]] = []
    for alternative in security.list():
        if isinstance(alternative.raw, Mapping):
            names = [str(name) for name in alternative.raw]
            missing = [f for n in names if n in schemes for f in _missing(n, schemes[n], exchange, lax)]
            lacking.append(missing)
    if lacking and all(lacking):
        yield from min(lacking, key=lambda found: (any(code == _MISSING for code, _, _ in found), len(found)))


def used_names(security: Node, schemes: Mapping[str, Node]) -> dict[str, set[str]]:
    """Names of headers (in lower case) and query parameters that carry credentials."""
    found: dict[str, set[str]] = {"header": set(), "query": set(), "cookie": set()}
    for alternative in security.list():
        for name in alternative.raw if isinstance(alternative.raw, Mapping) else ():
            scheme = schemes.get(str(name))
            if scheme is not None and scheme.text("type").lower() == "apikey":
                place, key = scheme.text("in").lower(), scheme.text("name")
                found.setdefault(place, set()).add(key.lower() if place == "header" else key)
    return found


def _missing(name: str, scheme: Node, exchange: Exchange, lax: bool) -> Iterator[_Found]:
    kind, headers = scheme.text("type").lower(), exchange.request_headers
    if kind == "apikey":
        yield from _key_missing(name, scheme, exchange)
    elif kind in {"http", "basic"}:
        wanted = "basic" if kind == "basic" else scheme.text("scheme").lower()
        value = headers.get("authorization", "")
        if not (value if lax else value.lower().startswith(f"{wanted} ")):
            found = f"has the scheme {value.split(' ')[0]}" if value else "is missing"
            text = f"{name} asks for {wanted} credentials, the Authorization header {found}"
            yield _MISSING, text, ("request", "headers", "Authorization")
    elif kind in {"oauth2", "openidconnect"} and "authorization" not in headers:
        text = f"{name} asks for a token, there is no Authorization header"
        yield _UNSEEN, text, ("request", "headers", "Authorization")


def _key_missing(name: str, scheme: Node, exchange: Exchange) -> Iterator[_Found]:
    place, key = scheme.text("in").lower(), scheme.text("name")
    if place == "header" and key.lower() not in exchange.request_headers:
        yield _MISSING, f"{name} asks for the header {key}, which is missing", ("request", "headers", key)
    elif place == "query" and key not in exchange.query:
        yield _MISSING, f"{name} asks for the query parameter {key}, which is missing", ("request", "query", key)
    elif place == "cookie" and key not in _cookies(exchange.request_headers.get("cookie", "")):
        yield _UNSEEN, f"{name} asks for the cookie {key}, which is not seen", ("request", "headers", "Cookie")


def _cookies(header: str) -> set[str]:
    try:
        return set(SimpleCookie(header))
    except CookieError:
        return set()
