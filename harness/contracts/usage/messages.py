"""Lays a message over an AsyncAPI document: which message it is, by name or by what it holds, and what is used of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.contracts.compat.asyncapi import Message, messages
from harness.contracts.compat.changes import Part, PartKind
from harness.contracts.compat.rules import Direction
from harness.contracts.compat.views import Views
from harness.contracts.pacts import Interaction, InteractionKind, Pact
from harness.contracts.usage.model import Touch, Unmatched, Use, Used
from harness.contracts.usage.touches import by_key, contents, file_of, object_at, ruled, touches
from harness.documents.nodes import Node, escape

__all__ = ["Messages", "lay_message"]

#: Fields of a message in which its type is commonly written.
_TYPE_FIELDS = ("type", "event", "eventType", "event_type", "eventName", "name", "messageType", "message_type", "kind")
_MAX_DEPTH = 40
_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}


class Messages:
    """The messages of a document.

    Args:
        document: AsyncAPI 2 or 3.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._all = list(messages(document))
        self._views = Views()

    def find(self, way: Direction, content: Any, metadata: Mapping[str, Any], description: str) -> list[Message]:
        """The messages a contract can mean: those it names, else those its contents fit best; all where it has none.

        Args:
            way: `RESPONSE` for messages the document's service sends, `REQUEST` for those it receives.
            content: decoded; None or text where nothing is known of its fields.
        """
        candidates = [m for m in self._all if m.direction is way]
        texts = {v for v in metadata.values() if isinstance(v, str)}
        if isinstance(content, Mapping):
            texts |= {content[key] for key in _TYPE_FIELDS if isinstance(content.get(key), str)}
        named = [m for m in candidates if m.name in texts] or [m for m in candidates if m.channel in texts]
        fitting = self._fitting(named or candidates, content)
        if named:
            return fitting or named
        words = {word.strip("\"'`.,:;()") for word in description.split()}
        return [m for m in fitting if m.name in words or m.channel in words] or fitting

    def describes(self, message: Message, header: str) -> bool:
        """Whether a message's headers name one."""
        return header in self._views.of((message.node.here("headers"),)).fields

    def _fitting(self, candidates: Sequence[Message], content: Any) -> list[Message]:
        if content is None or isinstance(content, str):
            return list(candidates)
        scores = [(self._score((m.payload(),), content, 0), m) for m in candidates]
        best = max((score for score, _ in scores if score is not None), default=None)
        if best is None or (best == 0 and isinstance(content, Mapping) and content and len(candidates) > 1):
            described = any(m.payload().exists for m in candidates)
            return [] if best is None or described else list(candidates)
        return [m for score, m in scores if score == best]

    def _score(self, schema: Sequence[Node], value: Any, depth: int) -> int | None:
        """How much of a value a schema describes; None where they contradict. What a contract leaves out may be there."""
        view = self._views.of(schema)
        kind = _TYPES.get(type(value), "null")
        if kind not in view.types and not (kind == "integer" and "number" in view.types):
            return None
        if view.enum is not None:
            return 5 if json.dumps(value, sort_keys=True, default=str) in view.enum else None
        if depth > _MAX_DEPTH:
            return 0
        if (
            view.extra is False
            and isinstance(value, Mapping)
            and value.keys() - view.fields.keys()
            and not view.choices
        ):
            return None
        scores = [self._score(below, inside, depth + 1) for below, inside in _inside(view.fields, view.items, value)]
        if view.choices:
            either = [self._score((choice,), value, depth + 1) for choice in view.choices]
            scores.append(max((score for score in either if score is not None), default=None))
        certain = [score for score in scores if score is not None]
        return sum(certain) + len(certain) if len(certain) == len(scores) else None


def _inside(
    fields: Mapping[str, Sequence[Node]], items: Sequence[Node], value: Any
) -> Iterator[tuple[Sequence[Node], Any]]:
    if isinstance(value, Mapping):
        yield from ((fields[key], below) for key, below in value.items() if key in fields)
    elif isinstance(value, list) and items:
        yield from ((items, below) for below in value)


def lay_message(
    known: Messages, pact: Pact, interaction: Interaction, place: str, *, turned: bool
) -> list[Used | Unmatched]:
    """Find the messages an interaction is about, and what it uses of them.

    Args:
        turned: the document's service is the consumer of the contract: it receives what the other side sends.
    """
    raw = interaction.raw
    if interaction.kind is InteractionKind.ASYNC:
        way = Direction.REQUEST if turned else Direction.RESPONSE
        return _lay(known, pact, interaction, place, (raw, place, way), turned=turned)
    if turned:
        return []  # of messages that are answered, the contract's provider is who receives them
    asked = _lay(known, pact, interaction, place, (object_at(raw, "request"), f"{place}/request", Direction.REQUEST))
    replies = raw.get("response")
    for position, reply in enumerate(replies if isinstance(replies, list) else ()):
        if isinstance(reply, Mapping):
            there = (reply, f"{place}/response/{position}", Direction.RESPONSE)
            asked += _lay(known, pact, interaction, place, there)
    found = [one for one in asked if isinstance(one, Used)]
    return [*found] if found else asked[:1]


def _lay(
    known: Messages,
    pact: Pact,
    interaction: Interaction,
    place: str,
    there: tuple[Mapping[str, Any], str, Direction],
    *,
    turned: bool = False,
) -> list[Used | Unmatched]:
    holder, pointer, way = there
    content, below = contents(pact, holder, "contents", pointer)
    key = "metadata" if "metadata" in holder else "metaData"
    metadata = object_at(holder, key)
    party = pact.provider if turned else pact.consumer
    found = known.find(way, content, metadata, interaction.description)
    if not found:
        verb = "sends" if way is Direction.RESPONSE else "receives"
        reason = f"the document has no message its service {verb} that is called so, or that this fits"
        return [Unmatched(party, interaction.description, f"{file_of(pact)}:{place}", reason)]
    use = Use.READS if way is Direction.RESPONSE else Use.SENDS
    used: list[Used | Unmatched] = []
    for message in found:
        payload = Touch(
            use,
            Part(PartKind.MESSAGE_PAYLOAD, message.name),
            pointer=below,
            opaque=by_key(holder) or content is None or isinstance(content, str),
        )
        headers = (
            Touch(
                use,
                Part(PartKind.MESSAGE_HEADERS, message.name),
                (str(name),),
                f"{pointer}/{key}/{escape(str(name))}",
                opaque=True,
            )
            for name in metadata
            if known.describes(message, str(name))
        )
        used.append(
            Used(
                consumer=party,
                description=interaction.description,
                file=file_of(pact),
                pointer=place,
                operation=message.operation,
                message=message.name,
                touches=() if turned else (*touches(content, payload), *_matched(holder, pointer, payload), *headers),
                blind=turned,
            )
        )
    return used


def _matched(holder: Mapping[str, Any], pointer: str, payload: Touch) -> Iterator[Touch]:
    """What matchers speak of is read; what a service sends is its example alone."""
    if payload.use is Use.READS:
        yield from ruled(holder, pointer, payload)
