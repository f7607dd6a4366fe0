"""Compares two AsyncAPI documents (2.x and 3.0), message by message, from the side of those who read or write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.contracts.compat.changes import At, Change, Comparison, change, gather
from harness.contracts.compat.nodes import Node
from harness.contracts.compat.rules import Direction
from harness.contracts.compat.schemas import SchemaComparer, Spot

__all__ = ["Message", "compare_asyncapi", "messages"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message on one channel, seen from the application the document describes.

    Args:
        direction: `RESPONSE` for what the application sends, `REQUEST` for what it receives.
        channel: the channel's address.
    """

    direction: Direction
    channel: str
    name: str
    node: Node

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same message in another version."""
        return self.direction, self.channel, self.name

    @property
    def operation(self) -> str:
        """`SEND shop.orders`, in the place where HTTP has method and path."""
        return f"{'SEND' if self.direction is Direction.RESPONSE else 'RECEIVE'} {self.channel}"

    def payload(self) -> Node:
        """Its payload's schema, without the wrapper that names another schema language's format."""
        payload = self.node.here("payload")
        if isinstance(payload.raw, Mapping) and "schemaFormat" in payload.raw:
            return payload.here("schema")
        return payload


def compare_asyncapi(old: Mapping[str, Any], new: Mapping[str, Any]) -> Comparison:
    """Compare two documents; they need not be valid."""
    before = {m.key: m for m in messages(old)}
    after = {m.key: m for m in messages(new)}
    schemas = SchemaComparer()
    found: list[Change] = []
    for key, message in before.items():
        if key in after:
            found += _compare(schemas, message, after[key], _default_type(old), _default_type(new))
        else:
            found.append(_whole("message_removed", message))
    found += [_whole("message_added", after[key]) for key in after if key not in before]
    return Comparison(len(before.keys() | after.keys()), gather(found))


def messages(document: Mapping[str, Any]) -> Iterator[Message]:
    """Every message the application sends or receives."""
    root = Node(document, document)
    if str(document.get("asyncapi", "")).startswith("2"):
        yield from _messages_2(root)
    else:
        yield from _messages_3(root)


def _messages_2(root: Node) -> Iterator[Message]:
    # In 2.x the words are the client's: what clients subscribe to is what the application sends.
    for address, channel in root.get("channels").items():
        for word, direction in (("subscribe", Direction.RESPONSE), ("publish", Direction.REQUEST)):
            message = channel.get(word).get("message")
            several = message.here("oneOf").list()
            for node in [n.followed() for n in several] if several else [message]:
                if node.exists:
                    yield Message(direction, address, _message_name(node, "message"), node)


def _messages_3(root: Node) -> Iterator[Message]:
    for operation in root.get("operations").values():
        direction = Direction.RESPONSE if operation.text("action") == "send" else Direction.REQUEST
        channel = operation.get("channel")
        address = channel.text("address") or channel.pointer.rsplit("/", 1)[-1]
        listed = operation.here("messages").list()
        nodes = [(_ref_name(n), n.followed()) for n in listed] if listed else list(channel.get("messages").items())
        for name, node in nodes:
            if node.exists:
                yield Message(direction, address, _message_name(node, name), node)


def _ref_name(node: Node) -> str:
    ref = node.raw.get("$ref") if isinstance(node.raw, Mapping) else None
    return ref.rsplit("/", 1)[-1] if isinstance(ref, str) else "message"


def _message_name(node: Node, fallback: str) -> str:
    return node.text("name") or node.text("messageId") or fallback


def _default_type(document: Mapping[str, Any]) -> str:
    return str(document.get("defaultContentType", "application/json"))


def _compare(schemas: SchemaComparer, old: Message, new: Message, old_type: str, new_type: str) -> Iterator[Change]:
    where = f"{old.name} on {old.channel}" if old.name != old.channel else old.name
    before, after = old.node.text("contentType") or old_type, new.node.text("contentType") or new_type
    if before != after:
        facts = (("old", before), ("new", after))
        yield _whole("content_type_changed", old, facts)
    spot = Spot(old.direction, old.operation, where, "the payload")
    yield from schemas.compare(old.payload(), new.payload(), spot)
    headers = Spot(old.direction, old.operation, f"the headers of {where}", "the headers")
    yield from schemas.compare(old.node.here("headers"), new.node.here("headers"), headers)


def _whole(rule: str, message: Message, facts: tuple[tuple[str, str], ...] = ()) -> Change:
    at = At(message.operation, message.channel, message.node.pointer, message.name)
    return change(rule, message.direction, at, facts)
