"""Compares the servers of two AsyncAPI documents: address, protocol and what they ask for to let somebody in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.contracts.compat.changes import At, Change, Part, PartKind, change
from harness.contracts.compat.rules import Direction
from harness.documents.nodes import Node

__all__ = ["compare_brokers"]


@dataclass(frozen=True, slots=True)
class _Broker:
    """A server, however its version of AsyncAPI writes it.

    Args:
        address: host and path without the protocol.
        security: kinds of credentials, one of which is asked for.
    """

    name: str
    address: str
    protocol: str
    security: frozenset[str]
    pointer: str


def compare_brokers(old: Node, new: Node) -> Iterator[Change]:
    """Every change of the servers, by name; one that only has another name is the same server."""
    before, after = ({b.name: b for b in _brokers(root)} for root in (old, new))
    there, then = ({(b.address, b.protocol) for b in side.values()} for side in (after, before))
    for name, one in before.items():
        other = after.get(name)
        if other is None and (one.address, one.protocol) not in there:
            yield _change("broker_removed", one)
        elif other is not None:
            yield from _changed(one, other)
    for name, other in after.items():
        if name not in before and (other.address, other.protocol) not in then:
            yield _change("broker_added", other)


def _changed(one: _Broker, other: _Broker) -> Iterator[Change]:
    if one.address != other.address:
        yield _change("broker_address_changed", one, (one.address, other.address))
    if one.protocol != other.protocol:
        yield _change("broker_protocol_changed", one, (one.protocol, other.protocol))
    lost = one.security - other.security
    # Nobody is shut out where nothing is asked for any more, or a further kind of credentials will do.
    if other.security and (lost or not one.security):
        yield _change("broker_security_changed", one, (_kinds(one), _kinds(other)))


def _kinds(broker: _Broker) -> str:
    return " or ".join(sorted(broker.security)) or "nothing"


def _brokers(root: Node) -> Iterator[_Broker]:
    schemes = root.get("components").get("securitySchemes")
    for name, server in root.get("servers").items():
        protocol = server.text("protocol")
        address = server.text("url") or server.text("host") + server.text("pathname")
        address = address.removeprefix(f"{protocol}://").rstrip("/")
        yield _Broker(name, address, protocol, frozenset(_security(server, schemes)), server.pointer)


def _security(server: Node, schemes: Node) -> Iterator[str]:
    """2.x names the schemes, 3.0 holds them or refers to them."""
    for listed in server.here("security").list():
        scheme = listed.followed()
        if scheme.text("type"):
            yield scheme.text("type")
        elif isinstance(scheme.raw, Mapping):
            yield from ((schemes.get(str(name)).text("type") or str(name)) for name in scheme.raw)


def _change(rule: str, broker: _Broker, values: tuple[str, str] | None = None) -> Change:
    facts = (("old", values[0]), ("new", values[1])) if values else ()
    at = At(broker.name, broker.address, broker.pointer, broker.name, Part(PartKind.SERVER, broker.name))
    return change(rule, Direction.REQUEST, at, facts)
