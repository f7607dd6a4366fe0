"""Where a store is, read from what a service is told of it: a server's address, or a file of the run; touches neither."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.system.model import Edge, EdgeKind, System

__all__ = ["StoreFile", "StoreServer", "Whereabouts", "is_counted", "store_edges", "whereabouts", "why_not"]

_DATA = "{data}"
_PORTS = {
    "postgres": 5432,
    "postgresql": 5432,
    "mysql": 3306,
    "mariadb": 3306,
    "mssql": 1433,
    "sqlserver": 1433,
    "redis": 6379,
    "valkey": 6379,
    "memcached": 11211,
    "mongodb": 27017,
    "amqp": 5672,
    "nats": 4222,
    "mqtt": 1883,
    "http": 80,
}
#: Whoever checks the name in a certificate does not take a proxy's address for the server's.
_CERTIFIED = re.compile(r"^(?:jdbc:)?(?:rediss|valkeys|amqps|https|mqtts)\b|verify-full|verify_identity", re.IGNORECASE)
_SERVER = re.compile(
    r"^(?P<head>(?:jdbc:)?(?:(?P<scheme>[A-Za-z][A-Za-z0-9]*)(?:\+[A-Za-z0-9_.-]+)?://)?(?:[^/?#\s]*@)?)"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)"
    r"(?::(?P<port>\d{1,5}))?"
    r"(?P<tail>[/?#;]\S*)?$"
)


@dataclass(frozen=True, slots=True)
class StoreServer:
    """A store behind a host and a port.

    Args:
        before, after: what stands before and after them in what the service is told.
    """

    host: str
    port: int
    before: str
    after: str

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{self.host}:{self.port}"

    def at(self, address: str) -> str:
        """What the service is told when the store is at another address; scheme, user, path and query stay."""
        return f"{self.before}{address}{self.after}"


@dataclass(frozen=True, slots=True)
class StoreFile:
    """A store in a file below the run's folder for data.

    Args:
        before, after: what stands before and after the file's path in what the service is told.
        inside: path below that folder, with a slash at its beginning.
    """

    inside: str
    before: str
    after: str

    def below(self, folder: str) -> str:
        """What the service is told when the file is below another folder."""
        return f"{self.before}{folder}{self.inside}{self.after}"


Whereabouts = StoreServer | StoreFile


def whereabouts(told: str, data: str = _DATA) -> Whereabouts | None:
    """Where a store is; None when that cannot be read from what the service is told.

    Args:
        told: value of the service's variable, or its template.
        data: the folder `{data}` stands for, as it is written in `told`.
    """
    before, found, rest = told.partition(data)
    if found:
        inside, mark, query = _cut(rest)
        return StoreFile(inside, before, mark + query) if inside.startswith("/") and _DATA not in query else None
    match = _SERVER.match(told)
    if match is None or "{" in told:
        return None
    port = int(match["port"] or _PORTS.get((match["scheme"] or "").lower(), 0))
    if not 0 < port < 65536:
        return None
    return StoreServer(match["host"], port, match["head"], match["tail"] or "")


def why_not(system: System, edge: Edge) -> str:
    """Why the store at the end of an edge cannot be taken away; empty when it can be."""
    service = system.services[edge.caller]
    if not service.command:
        return f"{edge.caller} is not started by the harness"
    if not edge.env:
        return f"no variable tells {edge.caller} where {edge.callee} is (services.{edge.caller}.uses.{edge.callee}.env)"
    where = whereabouts(edge.template)
    if where is None:
        return "its url is neither host:port nor a file below {data}"
    if isinstance(where, StoreServer):
        if _CERTIFIED.search(edge.template):
            return "its certificate is checked, and a proxy has another name"
        if not system.runtime.invites(f"//{where.host}:{where.port}"):
            return f"{where.host} is not on loopback, and runtime.allow_targets does not name it"
    return ""


def is_counted(edge: Edge) -> bool:
    """Whether bytes on the way to the store are counted: a proxy stands before it."""
    return isinstance(whereabouts(edge.template), StoreServer)


def store_edges(system: System) -> tuple[Edge, ...]:
    """Edges that lead to a store which can be taken away."""
    return tuple(e for e in system.edges if e.kind is EdgeKind.RESOURCE and not why_not(system, e))


def _cut(text: str) -> tuple[str, str, str]:
    """A path, the mark that ends it and what comes then."""
    ends = [i for i in (text.find(c) for c in "?#;") if i >= 0]
    end = min(ends, default=len(text))
    return text[:end], text[end : end + 1], text[end + 1 :]
