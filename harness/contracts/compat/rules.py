"""What a rule of the catalogue is: a kind of change, and how bad it is for what a service takes and what it gives.

A request is read by the service and written by its consumers, a response the other way round: accepting less breaks
requests, giving more (or less surely) breaks responses. Events a service sends are judged like responses, events it
receives like requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Direction", "Level", "Rule", "alike"]


class Level(StrEnum):
    """Breaking: a client that kept to the old document can fail. Warning: it depends on the client. Compatible: no."""

    BREAKING = "breaking"
    WARNING = "warning"
    COMPATIBLE = "compatible"


class Direction(StrEnum):
    """Which way the data goes, seen from the service."""

    REQUEST = "request"
    RESPONSE = "response"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of change.

    Args:
        id: stable; findings carry it.
        request, response: how bad it is in either direction.
        takes, gives: what to say, for a request and for a response. `{field}` and `{where}` name the place.
    """

    id: str
    request: Level
    response: Level
    takes: str
    gives: str

    def level(self, direction: Direction) -> Level:
        """How bad it is in one direction."""
        return self.request if direction is Direction.REQUEST else self.response

    def text(self, direction: Direction) -> str:
        """What to say in one direction."""
        return self.takes if direction is Direction.REQUEST else self.gives


def alike(rule: str, request: Level, response: Level, text: str) -> Rule:
    """A rule that is said in the same words for requests and responses."""
    return Rule(rule, request, response, text, text)
