"""Addresses as Toxiproxy writes them (`host:port`), with the errors its clients know."""

from __future__ import annotations

import asyncio
import errno
import re
import socket

__all__ = ["ApiError", "bind", "resolve", "split"]

_REASONS = {
    errno.EADDRINUSE: "address already in use",
    errno.EACCES: "permission denied",
    errno.EADDRNOTAVAIL: "cannot assign requested address",
}
_LOOKUP_LIMIT_S = 10.0
_PLAIN = r"(0|[1-9]\d{0,2})"
_OLD_NUMBERS = re.compile(rf"(?!{_PLAIN}\.{_PLAIN}\.{_PLAIN}\.{_PLAIN}$)(0[xX][0-9a-fA-F]+|[0-9.]*\d)")


class ApiError(Exception):
    """An error as the API tells it: text and HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        self.message, self.status = message, status
        super().__init__(message)


def split(address: str) -> tuple[str, int]:
    """Split `host:port`; the host may be empty or an IPv6 address in brackets, the port a service's name.

    Raises:
        ApiError: when it is not that, with the text Go's net package has for it.
    """
    problem = _malformed(address)
    if problem:
        raise ApiError(f"address {address}: {problem}", 500)
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), _port(port)


def _malformed(address: str) -> str:
    host, colon, _ = address.rpartition(":")
    if not colon:
        return "missing port in address"
    rest = address
    if address.startswith("["):
        inner, closed, after = address[1:].partition("]")
        if not closed:
            return "missing ']' in address"
        if len(inner) + 2 != len(host):
            return "too many colons in address" if after.startswith(":") else "missing port in address"
        if "[" in address[1:]:
            return "unexpected '[' in address"
        rest = after
    elif ":" in host:
        return "too many colons in address"
    return next((f"unexpected '{c}' in address" for c in "[]" if c in rest), "")


def _port(port: str) -> int:
    digits = port[1:] if port[:1] in {"+", "-"} else port
    if digits.isascii() and digits.isdigit():
        number = int(port[:20])
        if not 0 <= number <= 65535:
            raise ApiError(f"address {port}: invalid port", 500)
        return number
    if not port:
        return 0
    try:
        return socket.getservbyname(port, "tcp")
    except (OSError, UnicodeError, ValueError):
        raise ApiError(f"lookup tcp/{port}: unknown port", 500) from None


async def resolve(address: str) -> str:
    """`host:port` with the host as a number, IPv4 where there is a choice; as it is when the host is empty.

    Raises:
        ApiError: when it is no address, or the host is unknown.
    """
    if not address:
        return address
    host, port = split(address)
    if not host:
        return f":{port}"
    # The system's resolver also takes "127.1", "127.0.0.01" and "0" for addresses; "0" would open the port to everybody.
    if _OLD_NUMBERS.fullmatch(host):
        raise ApiError(f"lookup {host}: no such host", 500)
    try:
        async with asyncio.timeout(_LOOKUP_LIMIT_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise ApiError(f"lookup {host}: i/o timeout", 500) from None
    except (OSError, UnicodeError, ValueError):
        raise ApiError(f"lookup {host}: no such host", 500) from None
    family, _, _, _, target = min(found, key=lambda f: f[0] != socket.AF_INET)
    return f"[{target[0]}]:{port}" if family == socket.AF_INET6 else f"{target[0]}:{port}"


async def bind(address: str) -> socket.socket:
    """Make a socket bound to `address`. Nothing said means loopback: only who asks for all interfaces gets them.

    Raises:
        ApiError: with the text Go's net package has for it.
    """
    try:
        resolved = await resolve(address or "127.0.0.1:0")
    except ApiError as error:
        raise ApiError(f"listen tcp: {error.message}", error.status) from None
    host, port = split(resolved)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if not host:
        family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        if not host and family is socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, port))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        reason = _REASONS.get(error.errno or 0, (error.strerror or str(error)).lower())
        raise ApiError(f"listen tcp {resolved}: bind: {reason}", 500) from None
    sock.setblocking(False)
    return sock
