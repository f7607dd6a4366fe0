"""Builds the address of a request from a base URL and what a caller, or an answer, names below it; never by joining text.

Joined as text, `http://127.0.0.1:8000` and `@127.0.0.9/steal` are an address on another host.
"""

from __future__ import annotations

import re
from functools import cache
from urllib.parse import quote, urlsplit, urlunsplit

from harness.guard.places import DEFAULT_PORTS, normal_host

__all__ = ["LeadsAwayError", "address", "same_origin", "without_credentials"]

#: Everything a path or a query may hold (RFC 3986, 3.3 and 3.4), and `%`, which has been encoded by somebody already.
_PLAIN = "/?:@!$&'()*+,;=-._~%[]"
#: A path and query of plain characters, which most are: nothing in it can be taken for anything else.
_ORDINARY = re.compile(r"/(?:[\w.~:=&+,;-][\w.~/:=&+,;-]*)?(?:\?[\w./~:=&+,;%-]*)?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_LONGEST = 65_536


class LeadsAwayError(ValueError):
    """What was named below a base URL leads to another place; the text says what it is."""


def address(base: str, target: str) -> str:
    """The URL of `target` at the service whose URL is `base`.

    Args:
        base: scheme, host, port, and perhaps a path, of a service; trusted.
        target: a path with its query (`/orders?limit=3`), nothing or a query alone for the base itself, or a whole URL of the
            same scheme, host and port, as services put into links. It may come from an answer: hostile.

    Raises:
        LeadsAwayError: when it leads to another place, or is no address at all.
    """
    if len(target) > _LONGEST:
        raise LeadsAwayError(f"{_shown(target)} is longer than {_LONGEST} characters")
    if _ORDINARY.fullmatch(target):
        return _root(base) + target
    if _CONTROL.search(target):
        raise LeadsAwayError(f"{_shown(target)} holds control characters")
    target = target.partition("#")[0]  # a fragment is never sent
    if target[:1] in {"", "/", "?"} and not target.startswith(("//", "/\\")):
        return _root(base) + _encoded(target)
    if target.startswith(("//", "/\\")) or not _SCHEME.match(target):
        raise LeadsAwayError(f"{_shown(target)} is neither a path that starts with one / nor a URL of the service")
    _check_same(base, target)
    root = urlsplit(base)
    return urlunsplit((root.scheme, root.netloc, "", "", "")) + _encoded(_below_host(target))


@cache
def _root(base: str) -> str:
    """What every address of a service begins with: its base URL, without what could not go on with a path."""
    root = urlsplit(base)
    return urlunsplit((root.scheme, root.netloc, "", "", "")) + _encoded(root.path.rstrip("/"))


def _check_same(base: str, target: str) -> None:
    """Make sure that a whole URL has scheme, host and port of `base`."""
    scheme = urlsplit(base).scheme
    try:
        alike = urlsplit(target).scheme == scheme and same_origin(base, target)
        stranger = "\\" in target.partition("?")[0] or "@" in urlsplit(target).netloc
    except ValueError as error:
        raise LeadsAwayError(f"{_shown(target)} is no address: {error}") from None
    if stranger or not alike:
        raise LeadsAwayError(f"{_shown(target)} is somewhere else than {without_credentials(base)}")


def _below_host(target: str) -> str:
    parts = urlsplit(target)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _encoded(text: str) -> str:
    """Percent-encode what no address may hold: spaces, backslashes, what is not ASCII."""
    return quote(text, safe=_PLAIN, errors="surrogatepass")


def same_origin(one: str, other: str) -> bool:
    """Whether two URLs have scheme, host and port in common; False when one of them is none."""
    try:
        return _origin(one) == _origin(other)
    except ValueError:
        return False


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError(f"{url!r} names no host")
    return parts.scheme, normal_host(parts.hostname), parts.port or DEFAULT_PORTS.get(parts.scheme, 0)


def without_credentials(url: str) -> str:
    """A URL as it may be shown: without user and password, which are secret, and without query and fragment."""
    try:
        parts = urlsplit(url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        return "the address"


def _shown(target: str) -> str:
    return repr(target if len(target) <= 120 else f"{target[:119]}…")
