"""What a comparison gives: changes, told once even where many operations share the schema that changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from harness.contracts.compat.catalogue import RULES
from harness.contracts.compat.repeats import Repeat
from harness.contracts.compat.rules import Direction, Level

__all__ = ["At", "Change", "Comparison", "Level", "Part", "PartKind", "change", "gather"]


class PartKind(StrEnum):
    """Which part of an exchange something belongs to."""

    OPERATION = "operation"
    SERVER = "server"
    SECURITY = "security"
    PARAMETER = "parameter"
    REQUEST_BODY = "request_body"
    RESPONSE = "response"
    RESPONSE_HEADER = "response_header"
    RESPONSE_BODY = "response_body"
    MESSAGE = "message"
    MESSAGE_HEADERS = "message_headers"
    MESSAGE_PAYLOAD = "message_payload"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an exchange, for machines: with it, usage by consumers is looked up.

    Args:
        name: of the parameter, header or message.
        place: `query`, `header`, `path` or `cookie`, for parameters.
        status: as the document writes it (`200`, `4XX`, `default`), for responses.
        media_type: in lower case without parameters, for bodies.
    """

    kind: PartKind = PartKind.OPERATION
    name: str = ""
    place: str = ""
    status: str = ""
    media_type: str = ""


#: Operation, part, path and repeats of one place a change was found at.
Spotted = tuple[str, Part, tuple[str, ...], tuple[Repeat, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change between two versions of a document.

    Args:
        rule: id in the catalogue.
        direction: which way the data goes.
        text: what changed, with the service as subject: "no longer returns `total` in 200 of GET /orders/{id}".
        operation: `GET /orders/{order_id}`, or the channel of an event.
        pointer: RFC 6901 pointer to the place, in the old document where it was there, else in the new one.
        facts: what the rule's text names beside field and place.
        also: further operations the same change can be seen in.
        part: which part of the exchange changed.
        path: field within that part, outermost first; `[]` is every item of a list, `[0]` the item at a position,
            `*` a field the schema does not name.
        example: a value, as JSON, that was allowed and is refused (request) or was impossible and can come (response);
            empty when none was worked out.
        new_pointer: RFC 6901 pointer to the place in the new document; empty when it is not there any more.
        spots: operation, part, path and repeats of every place it was found at, where `gather` brought several together.
        repeats: where `path` leads through a schema that holds itself, and so is one of many.
    """

    rule: str
    direction: Direction
    level: Level
    text: str
    operation: str
    pointer: str
    facts: tuple[tuple[str, str], ...] = ()
    also: tuple[str, ...] = ()
    part: Part = Part()
    path: tuple[str, ...] = ()
    example: str = ""
    new_pointer: str = ""
    spots: tuple[Spotted, ...] = ()
    repeats: tuple[Repeat, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two versions of a document have in common, and what not.

    Args:
        operations: how many operations (or messages) were there to compare.
        changes: breaking ones first, then as they stand in the document.
    """

    operations: int
    changes: tuple[Change, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class At:
    """Where something changed.

    Args:
        operation: `GET /orders/{order_id}`.
        where: the place in words: "200 of GET /orders/{order_id}", "the body of POST /orders".
        pointer: RFC 6901 pointer.
        field: the thing that changed, ready to be read: "`total`", "the body".
        part, path, example, new_pointer, repeats: as in `Change`.
    """

    operation: str
    where: str
    pointer: str
    field: str = ""
    part: Part = Part()
    path: tuple[str, ...] = ()
    example: str = ""
    new_pointer: str = ""
    repeats: tuple[Repeat, ...] = ()


def change(rule: str, direction: Direction, at: At, facts: Iterable[tuple[str, str]] = ()) -> Change:
    """Word a change; `facts` are what else the rule's text names."""
    found, facts = RULES[rule], tuple(facts)
    text = found.text(direction)
    for name, value in (*facts, ("field", at.field), ("where", at.where)):  # not str.format: paths are full of braces
        text = text.replace(f"{{{name}}}", value)
    level = found.level(direction)
    return Change(
        rule=rule,
        direction=direction,
        level=level,
        text=text,
        operation=at.operation,
        pointer=at.pointer,
        facts=facts,
        part=at.part,
        path=at.path,
        example=at.example,
        new_pointer=at.new_pointer,
        repeats=at.repeats,
    )


def gather(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Tell a change once that several operations share, and put the worst first."""
    first: dict[tuple[object, ...], Change] = {}
    also: dict[tuple[object, ...], dict[str, None]] = {}
    spots: dict[tuple[object, ...], dict[Spotted, None]] = {}
    for one in changes:
        key = (one.rule, one.direction, one.level, one.pointer, one.facts)
        spots.setdefault(key, {})[one.operation, one.part, one.path, one.repeats] = None
        if key not in first:
            first[key] = one
        elif one.operation != first[key].operation:
            also.setdefault(key, {})[one.operation] = None
    order = list(Level)
    merged = [
        replace(one, also=tuple(also.get(key, ())), spots=tuple(spots[key]) if len(spots[key]) > 1 else ())
        for key, one in first.items()
    ]
    return tuple(sorted(merged, key=lambda c: order.index(c.level)))
