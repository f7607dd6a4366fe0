"""What a change means once the consumers are known: whom it breaks, and how bad that is. Finds no changes itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.contracts.compat.changes import Change
from harness.contracts.compat.rules import Level
from harness.contracts.usage.model import Hit
from harness.contracts.usage.usage import Usage

__all__ = ["Consequence", "Verdicts", "who"]

_PLAIN = {
    Level.BREAKING: "A client that keeps to the committed document can fail.",
    Level.WARNING: "Whether a client fails depends on how it was written.",
    Level.COMPATIBLE: "Clients that keep to the committed document go on as before.",
}


def who(hits: Iterable[Hit]) -> str:
    """`orders, gateway (4 interactions)`."""
    named = list(hits)
    number = sum(len(hit.interactions) for hit in named)
    return f"{', '.join(hit.consumer for hit in named)} ({number} interaction{'' if number == 1 else 's'})"


@dataclass(frozen=True, slots=True)
class Consequence:
    """What a change means to those who use the document.

    Args:
        level: what it counts as.
        title: whom it concerns, to be put behind the change: "breaks orders (2 interactions)"; empty when not known.
        detail: sentences that say why, the specification's own verdict among them.
        places: the lines of the contracts that say so.
    """

    level: Level
    title: str
    detail: str
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Judges changes of one document.

    Args:
        usage: the contracts laid over the committed document; empty where nothing is known.
        strict: why a breaking change counts as one also where no known consumer uses what changed; empty when it does
            not.
    """

    usage: Usage
    strict: str = ""

    @property
    def doubt(self) -> str:
        """Why nobody can be said to be safe; empty when that can be said."""
        if not self.usage.used:
            return "No contract says who uses this document."
        number = len(self.usage.unmatched)
        if number:
            first = self.usage.unmatched[0]
            fits = "interaction fits" if number == 1 else "interactions fit"
            return (
                f"{number} {fits} nothing in the committed document, so it is not known what they use "
                f"({first.place}: {first.reason})."
            )
        return self.strict

    def of(self, change: Change) -> Consequence:
        """What `change` means: with consumers it hits, without any, and where that is not known."""
        hits = self.usage.affected(change)
        level = self.usage.level(change, hits)
        hits = hits if level is not Level.COMPATIBLE else ()
        plain = _PLAIN[level]
        if hits:
            verb = "breaks" if change.level is Level.BREAKING else "concerns"
            places = tuple(place for hit in hits for place in hit.places)
            return Consequence(level, f"{verb} {who(hits)}", plain, places)
        if change.level is not Level.BREAKING or not self.usage.used:
            unknown = f" {self.doubt}" if change.level is Level.BREAKING else ""
            return Consequence(change.level, "", plain + unknown)
        if self.doubt:
            return Consequence(change.level, "used by no known consumer", f"{plain} {self.doubt}")
        number = len({used.place for used in self.usage.used})
        return Consequence(
            Level.WARNING,
            "breaking by the specification, but used by no known consumer",
            f"{plain} None of the {number} known interactions of {', '.join(self.usage.consumers)} uses what changed, "
            "so it counts as a warning.",
        )
