"""What a fault on a stream of bytes is, and the register of them; the faults themselves have a file each beside this one."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import ClassVar, NamedTuple, Protocol, TypeVar

__all__ = ["FAULTS", "Chunk", "Fault", "Interrupted", "Stub", "attributes_of", "register"]


class Chunk(NamedTuple):
    """Bytes on their way; `arrived` is the event loop's time (seconds) at which they came in."""

    data: bytes
    arrived: float


class Interrupted(Exception):  # noqa: N818 - a signal to the fault, not an error
    """Raised inside a fault's `pipe` when its toxic is changed or taken away; hand on what is held and let it pass."""


class Stub(Protocol):
    """A fault's place in the pipeline of one direction of one connection.

    `rng`: randomness of this place; the same seed and the same traffic draw the same numbers. `passed`: bytes counted by the
    fault itself; kept over updates, for the life of the connection.
    """

    rng: random.Random
    passed: int

    def now(self) -> float:
        """The event loop's time, in seconds."""

    async def receive(self, within: float | None = None) -> Chunk | None:
        """Next chunk; None at the end of the stream.

        Raises:
            TimeoutError: when nothing came within that many seconds.
            Interrupted: when the toxic is changed or taken away.
        """

    async def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            Interrupted: when the toxic is changed or taken away.
        """

    def send(self, data: bytes) -> None:
        """Hand bytes on."""

    def hand_back(self, chunk: Chunk | None) -> None:
        """Put back what was received last, so that whoever runs next gets it."""

    def end(self) -> None:
        """Pass on the end of the stream; the other direction lives on."""

    def cut(self) -> None:
        """Close the connection, both directions, after what was sent."""

    def reset(self) -> None:
        """Close the connection with RST, both directions, at once."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of toxic; its fields are its attributes (integers and strings, as on the wire).

    `type`: its name on the wire. `title`: what it does, in a few words with `{attribute}` placeholders. `holds`: bytes it may
    keep before the sender is slowed down. `only_delays`: all it does is to hold each chunk for `lateness` seconds from its
    arrival; the server does that itself, without a task, and never calls `pipe`.
    """

    type: ClassVar[str] = ""
    title: ClassVar[str] = ""
    holds: ClassVar[int] = 64 * 1024
    only_delays: ClassVar[bool] = False

    def lateness(self, rng: random.Random) -> float:
        """Seconds from a chunk's arrival to its leaving, when that is all this fault does; draws from `rng` as needed."""
        raise NotImplementedError

    def always_late(self) -> float | None:
        """Seconds by which this fault makes every chunk late, when it is the same for all and nothing is drawn."""
        return None

    async def pipe(self, stub: Stub) -> None:
        """Move chunks until the stream has ended or the stub says `Interrupted`."""
        raise NotImplementedError

    def problem(self) -> str:
        """What is wrong with the attributes; empty when nothing is. Toxiproxy's own toxics take any."""
        return ""

    def removed(self, stub: Stub) -> None:
        """Called when the toxic is taken away from a live connection."""


FAULTS: dict[str, type[Fault]] = {}
F = TypeVar("F", bound=type[Fault])


def register(type_: str, title: str = "") -> Callable[[F], F]:
    """Class decorator: make a fault known under its wire name."""

    def add(cls: F) -> F:
        cls.type, cls.title = type_, title
        FAULTS[type_] = cls
        return cls

    return add


def attributes_of(kind: type[Fault]) -> tuple[str, ...]:
    """Attribute names of a fault, in wire order."""
    return tuple(f.name for f in fields(kind))
