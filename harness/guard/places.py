"""Where a request may go: hosts and ports as they are compared, and the invitation they are compared with.

A host is compared in one spelling only: lower case, without a trailing dot, numbers as the resolver reads them (`127.1` is
127.0.0.1), IPv6 short, an IPv4 address inside IPv6 as IPv4. Names are compared as names; that what they resolve to is in order
is seen to where a connection is made (`sockets`, `transport`).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, urlsplit

__all__ = ["DEFAULT_PORTS", "UNIX", "Invitation", "Place", "UninvitedError", "is_loopback", "normal_host", "place_of"]

DEFAULT_PORTS = {"http": 80, "https": 443}
#: What an entry begins with that is the path of a socket.
UNIX = "unix:"
#: inet_aton(3) takes these for addresses, and so does every client that asks the system's resolver.
_NUMERIC = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)(\.(0[xX][0-9a-fA-F]*|[0-9]+)){0,3}")


class UninvitedError(PermissionError):
    """A request would go where nobody invited it; the text names the place.

    A `PermissionError`, because every HTTP client takes an `OSError` from a connection for what it is: no connection.
    """


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A host, in its one spelling, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def normal_host(host: str) -> str:
    """The one spelling of a host, see above; a host that is none is returned as it is, lower case."""
    host = host.strip().strip("[]").partition("%")[0].rstrip(".").lower()
    if _NUMERIC.fullmatch(host):
        try:
            return socket.inet_ntoa(socket.inet_aton(host))
        except OSError:
            return host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _ascii(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _ascii(host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host


def place_of(url: str) -> Place:
    """The place a URL leads to; credentials in it do not matter, a scheme without a port of its own has that of http.

    Raises:
        ValueError: when it leads nowhere.
    """
    parts: SplitResult = urlsplit(url)
    if not parts.hostname:
        raise ValueError(f"{url!r} names no host")
    return Place(normal_host(parts.hostname), parts.port or DEFAULT_PORTS.get(parts.scheme, 80))


def is_loopback(url: str) -> bool:
    """Whether `url` (or a bare host) points at this machine's loopback interface, judged by name, never by DNS."""
    try:
        host = (urlsplit(url).hostname or "") if "//" in url else url.rsplit(":", 1)[0] if _has_port(url) else url
    except ValueError:
        return False
    host = normal_host(host)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_port(bare: str) -> bool:
    return bare.count(":") == 1 or "]:" in bare


@dataclass(frozen=True, slots=True)
class Invitation:
    """The places that requests may go to.

    Args:
        places: hosts with a port.
        hosts: hosts, whatever the port.
        loopback: whether everything on this machine is invited, but for sockets of its file system.
        sockets: paths of such sockets.
    """

    places: frozenset[Place] = frozenset()
    hosts: frozenset[str] = frozenset()
    loopback: bool = False
    sockets: frozenset[str] = frozenset()
    _names: frozenset[str] = field(init=False, repr=False, compare=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "_names", self.hosts | {p.host for p in self.places})

    @classmethod
    def to(cls, urls: Iterable[str], also: Iterable[str] = (), *, loopback: bool = False) -> Invitation:
        """Invite to the places that URLs lead to, and to further ones.

        Args:
            also: `host` (any port), `host:port` or `unix:/path`, as `runtime.allow_targets` has them.
        """
        also = list(also)
        named = [_named(entry) for entry in also if not entry.startswith(UNIX)]
        return cls(
            frozenset((*(place_of(u) for u in urls if u), *(p for p in named if isinstance(p, Place)))),
            frozenset(h for h in named if isinstance(h, str)),
            loopback,
            frozenset(entry.removeprefix(UNIX) for entry in also if entry.startswith(UNIX)),
        )

    def and_to(self, urls: Iterable[str]) -> Invitation:
        """The same, and the places that these URLs lead to."""
        return replace(self, places=self.places | {place_of(u) for u in urls if u})

    def allows(self, host: str, port: int) -> bool:
        """Whether a request may go there."""
        host = normal_host(host)
        return host in self.hosts or Place(host, port) in self.places or (self.loopback and is_loopback(host))

    def knows(self, host: str) -> bool:
        """Whether a host's name may be looked up."""
        host = normal_host(host)
        return host in self._names or (self.loopback and is_loopback(host))

    def check(self, url: str) -> Place:
        """Make sure that a request to `url` may go out.

        Raises:
            UninvitedError: when it may not.
        """
        try:
            place = place_of(url)
        except ValueError as error:
            raise UninvitedError(f"no request goes to {error}") from None
        if not self.allows(place.host, place.port):
            raise UninvitedError(refusal(place))
        return place

    @property
    def names(self) -> frozenset[str]:
        """Every host that is invited, on whatever port."""
        return self._names


def refusal(place: Place | str) -> str:
    """What is said of a place nobody invited to."""
    return f"{place} was not invited: no request goes there"


def _named(entry: str) -> Place | str:
    host, colon, port = entry.rpartition(":")
    if colon and port.isascii() and port.isdigit() and (host.count(":") == 0 or host.endswith("]")):
        return Place(normal_host(host), int(port))
    return normal_host(entry)
