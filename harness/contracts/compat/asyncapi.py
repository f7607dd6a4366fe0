"""Compares two AsyncAPI documents (2.x and 3.0), message by message, from the side of those who read or write them.

What messages there are is read in `channels`; servers are compared in `brokers`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.contracts.compat.brokers import compare_brokers
from harness.contracts.compat.changes import At, Change, Comparison, Part, PartKind, change, gather
from harness.contracts.compat.channels import Message, messages
from harness.contracts.compat.schemas import SchemaComparer, Spot
from harness.documents.nodes import Node

__all__ = ["Message", "compare_asyncapi", "messages"]

_Facts = tuple[tuple[str, str], ...]
_Pair = tuple[Message, Message]


def compare_asyncapi(old: Mapping[str, Any], new: Mapping[str, Any]) -> Comparison:
    """Compare two documents; they need not be valid, nor of one version of AsyncAPI."""
    before = {m.key: m for m in messages(old)}
    after = {m.key: m for m in messages(new)}
    pairs = [(before[key], after[key]) for key in before if key in after]
    gone = [before[key] for key in before if key not in after]
    added = [after[key] for key in after if key not in before]
    same = list(_same_after_all(gone, added))
    moved = list(_moved(gone, added, {m.channel for m in before.values()}, {m.channel for m in after.values()}))
    found: list[Change] = [*_addresses(moved)]
    schemas = SchemaComparer()
    for one, other in (*pairs, *same, *moved):
        found += _compare(schemas, one, other)
    found += _lost(gone, after.values())
    found += [_whole("message_added", message) for message in added]
    found += compare_brokers(Node(old, old), Node(new, new))
    return Comparison(len(before.keys() | after.keys()), gather(found))


def _same_after_all(gone: list[Message], added: list[Message]) -> Iterator[_Pair]:
    """The only message left on a channel in both versions, when not both say their name: it had none to lose."""
    for one in list(gone):
        here = [m for m in gone if m.key[:2] == one.key[:2]]
        there = [m for m in added if m.key[:2] == one.key[:2]]
        if len(here) == len(there) == 1 and not (one.named and there[0].named):
            gone.remove(one)
            added.remove(there[0])
            yield one, there[0]


def _moved(gone: list[Message], added: list[Message], old: set[str], new: set[str]) -> Iterator[_Pair]:
    """Messages whose channel is the same by name and has another address; the old address is not in use any more."""
    for one in list(gone):
        for other in added:
            alike = (one.direction, one.name, one.channel_key) == (other.direction, other.name, other.channel_key)
            if alike and one.channel not in new and other.channel not in old:
                gone.remove(one)
                added.remove(other)
                yield one, other
                break


def _addresses(moved: Iterable[_Pair]) -> Iterator[Change]:
    for one, other in {(a.direction, a.channel): (a, b) for a, b in moved}.values():
        at = At(one.operation, one.channel, f"/channels/{one.channel_key}", one.channel_key, Part())
        yield change("channel_address_changed", one.direction, at, (("old", one.channel), ("new", other.channel)))


def _lost(gone: Iterable[Message], after: Iterable[Message]) -> Iterator[Change]:
    """Channels nothing is left of, and single messages."""
    left = {m.key[:2] for m in after}
    told = set()
    for message in gone:
        if message.key[:2] in left:
            yield _whole("message_removed", message)
        elif message.key[:2] not in told:
            told.add(message.key[:2])
            at = At(message.operation, message.channel, f"/channels/{message.channel_key}", message.channel, Part())
            yield change("channel_removed", message.direction, at)


def _compare(schemas: SchemaComparer, old: Message, new: Message) -> Iterator[Change]:
    where = f"{old.name} on {old.channel}" if old.name != old.channel else old.name
    if old.content_type != new.content_type:
        yield _whole("content_type_changed", old, (("old", old.content_type), ("new", new.content_type)), new)
    yield from _payloads(schemas, old, new, where)
    part = Part(PartKind.MESSAGE_HEADERS, old.name)
    headers = Spot(old.direction, old.operation, f"the headers of {where}", "the headers", part)
    yield from schemas.compare(old.headers(), new.headers(), headers)
    for rule, key, relevant in _BESIDE:
        before, after = _said(old.node, key, relevant), _said(new.node, key, relevant)
        if before != after:
            yield _whole(rule, old, (), new)
    if new.node.here("deprecated").raw is True and old.node.here("deprecated").raw is not True:
        yield _whole("message_deprecated", old, (), new)


#: Rule, what stands beside payload and headers, and which part of it counts (all where none is named).
_BESIDE = (("correlation_id_changed", "correlationId", "location"), ("message_bindings_changed", "bindings", ""))


def _said(node: Node, key: str, relevant: str) -> str:
    value = node.get(key).raw
    value = value.get(relevant) if relevant and isinstance(value, Mapping) else value
    return json.dumps(value, sort_keys=True, default=str) if value else ""


def _payloads(schemas: SchemaComparer, old: Message, new: Message, where: str) -> Iterator[Change]:
    part = Part(PartKind.MESSAGE_PAYLOAD, old.name)
    if old.foreign or new.foreign:
        before, after = (json.dumps(m.payload().followed().raw, sort_keys=True, default=str) for m in (old, new))
        if old.foreign != new.foreign:
            facts = (("old", _language(old)), ("new", _language(new)))
            yield _whole("schema_language_changed", old, facts, new)
        elif before != after or old.schema_format != new.schema_format:
            yield _whole("payload_not_understood", old, (("language", _language(old)),), new)
        return
    yield from schemas.compare(
        old.payload(), new.payload(), Spot(old.direction, old.operation, where, "the payload", part)
    )


def _language(message: Message) -> str:
    return message.schema_format if message.foreign else "JSON Schema"


def _whole(rule: str, message: Message, facts: _Facts = (), new: Message | None = None) -> Change:
    part = Part(PartKind.MESSAGE, message.name)
    there = new.node.pointer if new is not None else message.node.pointer if rule == "message_added" else ""
    at = At(message.operation, message.channel, message.node.pointer, message.name, part, new_pointer=there)
    return change(rule, message.direction, at, facts)
