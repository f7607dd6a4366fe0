"""The map: every place a document describes and who uses it, and places contracts use that it does not describe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.contracts.compat.changes import Part, PartKind
from harness.contracts.usage.described import Described
from harness.contracts.usage.model import FieldUse, Touch, Use, Used, begins, is_item, unify

__all__ = ["field_uses"]

# OpenAPI (Parameter Object) says that parameters of these names shall be ignored: they belong to the body and to security.
_NO_PARAMETERS = {"accept", "content-type", "authorization"}


@dataclass(slots=True)
class _Line:
    """One line that is still being filled."""

    described: bool
    open: bool = False
    consumers: dict[str, set[Use]] = field(default_factory=dict)
    places: dict[str, None] = field(default_factory=dict)

    def add(self, consumer: str, use: Use, place: str) -> None:
        self.consumers.setdefault(consumer, set()).add(use)
        self.places[place] = None


_Lines = dict[tuple[str, ...], _Line]


def field_uses(document: Iterable[Described], used: Iterable[Used]) -> tuple[FieldUse, ...]:
    """Lay uses over what a document describes.

    Returns:
        Lines in the document's order; what it does not describe comes last in its operation and part.
    """
    found: dict[str, dict[Part, _Lines]] = {}
    for one in document:
        lines = found.setdefault(one.operation, {}).setdefault(one.part, {})
        lines.setdefault(one.path, _Line(described=True)).open |= one.open
    for use in used:
        _lay(found.setdefault(use.operation, {}), use)
    return tuple(
        FieldUse(
            operation,
            part,
            path,
            {name: frozenset(uses) for name, uses in sorted(line.consumers.items())},
            tuple(line.places),
            line.described,
        )
        for operation, parts in found.items()
        for part, lines in parts.items()
        for path, line in lines.items()
    )


def _lay(parts: dict[Part, _Lines], used: Used) -> None:
    """One interaction over one operation."""
    for part, lines in parts.items():
        use = _as_a_whole(part, used)
        if use is not None:
            for line in lines.values():
                line.add(used.consumer, use, used.place)
    for touch in used.touches:
        if touch.part not in parts and _ignored(touch.part):
            continue
        lines = parts.setdefault(touch.part, {})
        place = f"{used.file}:{touch.pointer}"
        for line in _lines(lines, touch):
            line.add(used.consumer, touch.use, place)
        for part, others in parts.items() if _any_status(used) else ():
            if part != touch.part and (part.kind, part.name) == (touch.part.kind, touch.part.name):
                for line in (line for path, line in others.items() if begins(touch.path, path)):
                    line.add(used.consumer, Use.MAYBE, place)
        if touch.opaque:
            for path, line in lines.items():
                if begins(path, touch.path) and used.consumer not in line.consumers:
                    line.add(used.consumer, Use.MAYBE, place)


def _any_status(used: Used) -> bool:
    """Whether the contract expects an answer, but leaves open with which status: that of its example, or another."""
    return not used.statuses and not used.message


def _as_a_whole(part: Part, used: Used) -> Use | None:
    """What an interaction does with a part, whatever fields it names; None for nothing that is known so."""
    if part.name and used.message and part.name != used.message:
        return None
    if part.kind is PartKind.OPERATION:
        return Use.CALLS
    if part.kind is PartKind.MESSAGE:
        return Use.READS if used.operation.startswith("SEND ") else Use.SENDS
    if part.kind is PartKind.RESPONSE and (part.status in used.statuses or not used.statuses):
        return Use.READS if used.statuses else Use.MAYBE
    return Use.MAYBE if used.blind else None


def _ignored(part: Part) -> bool:
    header = part.kind is PartKind.RESPONSE_HEADER or (part.kind is PartKind.PARAMETER and part.place == "header")
    return header and part.name.lower() in _NO_PARAMETERS


def _lines(lines: _Lines, touch: Touch) -> list[_Line]:
    """The lines a touch belongs to; one of its own where the document does not name it."""
    path = tuple("[]" if is_item(token) else token for token in touch.path)
    if path in lines:
        return [lines[path]]
    fits = [
        line
        for known, line in lines.items()
        if ("*" in known or "*" in path) and len(known) == len(path) and all(map(unify, known, path))
    ]
    if not fits:
        inside = any(line.open and begins(path, known) for known, line in lines.items())
        fits = [lines.setdefault(path, _Line(described=inside))]
    return fits
