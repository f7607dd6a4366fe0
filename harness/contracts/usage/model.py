"""What usage is: which parts of a document each interaction touches. How that is found out is in the modules beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from harness.contracts.compat.changes import Part
from harness.contracts.compat.repeats import Repeat

__all__ = ["FieldUse", "Hit", "Touch", "Unmatched", "Use", "Used", "begins", "is_item", "leads", "unify"]


class Use(StrEnum):
    """What a consumer does with a field.

    `CALLS` is said of operations as a whole; `MAYBE` where a contract does not tell by field.
    """

    CALLS = "calls"
    READS = "reads"
    SENDS = "sends"
    MAYBE = "maybe"


@dataclass(frozen=True, slots=True)
class Touch:
    """One thing in a document that one interaction uses.

    Args:
        part: the part of the exchange, named as the document names it.
        path: field within the part, outermost first, in the tokens of `Change.path`.
        pointer: RFC 6901 pointer to the place in the contract.
        opaque: whether nothing is known of what is used inside, so that everything in it counts as used.
    """

    use: Use
    part: Part
    path: tuple[str, ...] = ()
    pointer: str = ""
    opaque: bool = False


@dataclass(frozen=True, slots=True)
class Used:
    """One interaction, laid over the document.

    Args:
        consumer: who would notice a change of the operation: for messages the document's service receives, who sends
            them.
        file: name of the contract's file.
        pointer: RFC 6901 pointer to the interaction in that file.
        operation: as the document writes it: `GET /orders/{order_id}`, `SEND orders.confirmed`.
        message: name of the message, for messages.
        statuses: the statuses it expects, as the document writes them, and as the contract does.
        assumed: what had to be cut off the front of its path so that it fits the operation; empty where it fits as is.
        blind: the contract was written by the other side, so what this side sends or reads is not known by field.
    """

    consumer: str
    description: str
    file: str
    pointer: str
    operation: str
    touches: tuple[Touch, ...] = ()
    message: str = ""
    statuses: frozenset[str] = frozenset()
    assumed: str = ""
    blind: bool = False

    @property
    def place(self) -> str:
        """Where it stands: `web-orders.json:/interactions/3`."""
        return f"{self.file}:{self.pointer}"


@dataclass(frozen=True, slots=True)
class Unmatched:
    """An interaction that fits nothing in the document.

    Args:
        place: where it stands: `web-orders.json:/interactions/3`.
        reason: why it fits nothing.
    """

    consumer: str
    description: str
    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A consumer a change concerns.

    Args:
        interactions: descriptions of its interactions that use what changed, in the contract's order.
        places: the lines of its contract that say so: `web-orders.json:/interactions/3/response/body/content/total`.
    """

    consumer: str
    interactions: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldUse:
    """One line of the map: a part of an operation, or a field in it, and who uses it.

    Args:
        path: field within the part; empty for the part as a whole.
        consumers: what each does with it; empty where nobody uses it.
        described: whether the document names it.
    """

    operation: str
    part: Part
    path: tuple[str, ...] = ()
    consumers: Mapping[str, frozenset[Use]] = field(default_factory=dict)
    places: tuple[str, ...] = ()
    described: bool = True


def is_item(token: str) -> bool:
    """Whether a step of a path goes to items of a list: `[]`, `[0]`."""
    return token.startswith("[") and token.endswith("]")


def unify(one: str, other: str) -> bool:
    """Whether two steps can mean the same field; `*` is any."""
    return one == other or "*" in {one, other} or (is_item(one) and is_item(other))


def begins(path: tuple[str, ...], beginning: tuple[str, ...], repeats: Sequence[Repeat] = ()) -> bool:
    """Whether `path` is `beginning` or lies inside of it."""
    return any(len(beginning) in places for places in _places(path, beginning, repeats))


def leads(path: tuple[str, ...], to: tuple[str, ...], repeats: Sequence[Repeat] = ()) -> bool:
    """Whether `path` is on the way to `to`, or is it."""
    return all(_places(path, to, repeats))


def _places(path: tuple[str, ...], pattern: tuple[str, ...], repeats: Sequence[Repeat]) -> Iterator[frozenset[int]]:
    """Before each step of `path` and after the last, how much of `pattern` it can have come through."""
    here = _skipped({0}, repeats)
    yield here
    for step in path:
        reached = {at + 1 for at in here if at < len(pattern) and unify(step, pattern[at])}
        for repeat in repeats:
            within = any(repeat.start <= at <= repeat.stop for at in here)
            if within and any(unify(step, one) for one in repeat.steps):
                reached |= {repeat.stop}
        here = _skipped(reached, repeats)
        yield here


def _skipped(places: set[int], repeats: Sequence[Repeat]) -> frozenset[int]:
    """What stands where something repeats need not stand there."""
    for repeat in sorted(repeats, key=lambda r: r.start):
        if repeat.start in places:
            places.add(repeat.stop)
    return frozenset(places)
