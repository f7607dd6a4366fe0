"""The messages an AsyncAPI document (2.x and 3.0) says an application sends and receives; nothing is compared here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.contracts.compat.rules import Direction
from harness.documents.nodes import Node

__all__ = ["Message", "messages"]

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Message:
    """One message on one channel, seen from the application the document describes.

    Args:
        direction: `RESPONSE` for what the application sends, `REQUEST` for what it receives.
        channel: the channel's address.
        name: its name, or the name it goes by in the document where it has none.
        node: the message, its traits merged.
        operation_id: name of the operation in the document; empty where it has none.
        id: the key it is referred to by in the document.
        named: whether it says its name itself.
        reply: whether it answers another message.
        channel_key: what the channel is called in the document.
        default_type: content type where the message says none.
    """

    direction: Direction
    channel: str
    name: str
    node: Node
    operation_id: str = ""
    id: str = ""
    named: bool = False
    reply: bool = False
    default_type: str = "application/json"
    channel_key: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same message in another version, whatever the placeholders of its address are called."""
        return self.direction, _PLACEHOLDER.sub("{}", self.channel), self.name

    @property
    def operation(self) -> str:
        """`SEND shop.orders`, in the place where HTTP has method and path."""
        return f"{'SEND' if self.direction is Direction.RESPONSE else 'RECEIVE'} {self.channel}"

    @property
    def content_type(self) -> str:
        """Media type of its payload."""
        return self.node.text("contentType") or self.default_type

    @property
    def schema_format(self) -> str:
        """Language of the payload's schema, as the document writes it; empty for the document's own."""
        payload = self.node.here("payload").followed()
        return payload.text("schemaFormat") or self.node.text("schemaFormat")

    @property
    def foreign(self) -> bool:
        """Whether the payload's schema is of a language that is no JSON Schema, such as Avro or Protobuf."""
        said = self.schema_format.lower()
        return bool(said) and not any(known in said for known in ("asyncapi", "openapi", "schema+json", "schema+yaml"))

    def payload(self) -> Node:
        """Its payload's schema, without the wrapper that names another schema language's format."""
        return _unwrapped(self.node.here("payload"))

    def headers(self) -> Node:
        """Its headers' schema."""
        return _unwrapped(self.node.here("headers"))


def _unwrapped(schema: Node) -> Node:
    inner = schema.followed()
    if isinstance(inner.raw, Mapping) and "schemaFormat" in inner.raw and "schema" in inner.raw:
        return inner.here("schema")
    return schema


def messages(document: Mapping[str, Any]) -> Iterator[Message]:
    """Every message the application sends or receives, in the document's order."""
    root = Node(document, document)
    if str(document.get("asyncapi", "")).startswith("2"):
        yield from _messages_2(root)
    else:
        yield from _messages_3(root)


def _messages_2(root: Node) -> Iterator[Message]:
    # In 2.x the words are the client's: what clients subscribe to is what the application sends.
    default = _default_type(root)
    for address, channel in root.get("channels").items():
        for word, direction in (("subscribe", Direction.RESPONSE), ("publish", Direction.REQUEST)):
            operation = channel.get(word)
            several = operation.get("message").here("oneOf").list()
            for listed in several or [operation.here("message")]:
                node = _with_traits(listed.followed(), traits_win=True)
                if node.exists:
                    key = _ref_name(listed)
                    id_ = node.text("messageId") or key
                    name = node.text("name") or node.text("messageId") or key
                    named, operation_id = bool(node.text("name")), operation.text("operationId")
                    yield Message(
                        direction,
                        address,
                        name,
                        node,
                        operation_id,
                        id_,
                        named,
                        default_type=default,
                        channel_key=address,
                    )


def _messages_3(root: Node) -> Iterator[Message]:
    for operation_id, operation in root.get("operations").items():
        direction = Direction.RESPONSE if operation.text("action") == "send" else Direction.REQUEST
        yield from _of_operation(root, operation, operation_id, direction, reply=False)
        reply = operation.get("reply")
        if reply.exists:
            back = Direction.REQUEST if direction is Direction.RESPONSE else Direction.RESPONSE
            yield from _of_operation(root, reply, operation_id, back, reply=True)


def _of_operation(
    root: Node, holder: Node, operation_id: str, direction: Direction, *, reply: bool
) -> Iterator[Message]:
    channel = holder.get("channel")
    # A reply can go to an address that only the request names.
    address = channel.text("address") or (channel.pointer.rsplit("/", 1)[-1] if channel.exists else "(reply)")
    channel_key = channel.pointer.rsplit("/", 1)[-1].replace("~1", "/").replace("~0", "~")
    listed = holder.here("messages").list()
    nodes = [(_ref_name(n), n.followed()) for n in listed] if listed else list(channel.get("messages").items())
    for key, found in nodes:
        node = _with_traits(found, traits_win=False)
        if node.exists:
            name, named = node.text("name") or key, bool(node.text("name"))
            default = _default_type(root)
            yield Message(direction, address, name, node, operation_id, key, named, reply, default, channel_key)


def _with_traits(node: Node, *, traits_win: bool) -> Node:
    """The message with its traits merged; in 2.x a trait overrides the message, in 3.0 the other way round."""
    traits = [t.followed().raw for t in node.here("traits").list()] if isinstance(node.raw, Mapping) else []
    known = [t for t in traits if isinstance(t, Mapping)]
    if not known:
        return node
    own = {k: v for k, v in node.raw.items() if k != "traits"}
    merged: dict[str, Any] = {}
    for part in [own, *known] if traits_win else [*known, own]:
        merged = _merged(merged, part)
    return Node(node.root, merged, node.pointer)


def _merged(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Merge Patch (RFC 7396)."""
    found = dict(base)
    for key, value in patch.items():
        before = found.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            found[key] = _merged(before, value)
        elif value is None:
            found.pop(key, None)
        else:
            found[key] = value
    return found


def _ref_name(node: Node) -> str:
    ref = node.raw.get("$ref") if isinstance(node.raw, Mapping) else None
    return ref.rsplit("/", 1)[-1] if isinstance(ref, str) else "message"


def _default_type(root: Node) -> str:
    return root.text("defaultContentType") or "application/json"
