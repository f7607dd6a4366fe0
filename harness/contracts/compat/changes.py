"""What a comparison gives: changes, told once even where many operations share the schema that changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from harness.contracts.compat.rules import RULES, Direction, Level

__all__ = ["At", "Change", "Comparison", "Level", "change", "gather"]


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
    """

    rule: str
    direction: Direction
    level: Level
    text: str
    operation: str
    pointer: str
    facts: tuple[tuple[str, str], ...] = ()
    also: tuple[str, ...] = ()


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
    """

    operation: str
    where: str
    pointer: str
    field: str = ""


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
    )


def gather(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Tell a change once that several operations share, and put the worst first."""
    first: dict[tuple[object, ...], Change] = {}
    also: dict[tuple[object, ...], dict[str, None]] = {}
    for one in changes:
        key = (one.rule, one.direction, one.pointer, one.facts)
        if key not in first:
            first[key] = one
        elif one.operation != first[key].operation:
            also.setdefault(key, {})[one.operation] = None
    order = list(Level)
    merged = [replace(one, also=tuple(also.get(key, ()))) for key, one in first.items()]
    return tuple(sorted(merged, key=lambda c: order.index(c.level)))
