"""Usage of a document by contracts: whom a change concerns, and the map of who uses what. Laying over is done beside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.contracts.compat.changes import Change, Part, PartKind
from harness.contracts.compat.rules import Direction, Level
from harness.contracts.pacts import InteractionKind, Pact
from harness.contracts.usage.described import described
from harness.contracts.usage.fields import field_uses
from harness.contracts.usage.http import lay_http
from harness.contracts.usage.messages import Messages, lay_message
from harness.contracts.usage.model import FieldUse, Hit, Touch, Unmatched, Used, begins, leads
from harness.contracts.usage.touches import placed
from harness.documents.nodes import Node
from harness.documents.operations import Operations, operation_key

__all__ = ["Usage", "usage_of"]

_AS_A_WHOLE = {PartKind.OPERATION, PartKind.SERVER, PartKind.SECURITY, PartKind.MESSAGE}
_ALWAYS_SENT = {"path", "cookie"}  # the path is in every request; cookies are not told apart yet


@dataclass(frozen=True, slots=True)
class Usage:
    """Who uses which part of one document.

    Args:
        used: interactions that fit an operation, by contract as given.
        unmatched: those that fit none, and why.
        document: what they were laid over.
    """

    used: tuple[Used, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    _index: dict[str, list[Used]] = field(init=False, default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        for one in self.used:  # thousands of changes ask for the interactions of their operation
            self._index.setdefault(operation_key(one.operation), []).append(one)

    @property
    def consumers(self) -> tuple[str, ...]:
        """Everyone who uses the document, sorted."""
        return tuple(sorted({u.consumer for u in self.used}))

    def affected(self, change: Change) -> tuple[Hit, ...]:
        """Whom a change concerns, sorted by consumer; in doubt, a consumer is named."""
        spots = change.spots or ((change.operation, change.part, change.path, change.repeats),)
        hits: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
        for name, part, path, repeats in spots:
            concerned = self._of(name)
            spot = replace(change, operation=name, part=part, path=path, repeats=repeats) if concerned else change
            for used in concerned:
                places = [used.place] if _turned(name) else _places(used, spot)
                if places:
                    texts, found = hits.setdefault(used.consumer, ({}, {}))
                    texts[used.description] = None
                    found.update(dict.fromkeys(places))
        return tuple(Hit(name, tuple(texts), tuple(places)) for name, (texts, places) in sorted(hits.items()))

    def level(self, change: Change, hits: Iterable[Hit]) -> Level:
        """How bad a change is for those it concerns, by the specification or because they expect what is gone."""
        expected = change.rule == "error_status_removed" and change.level is Level.COMPATIBLE and any(hits)
        return Level.WARNING if expected else change.level

    def _of(self, operation: str) -> list[Used]:
        """Interactions with an operation; of what is no operation that is called, those that may have to do with it."""
        if not operation or operation.startswith("webhook "):
            return list(self.used)
        if operation.startswith("callback "):
            return self._of(operation.partition(" of ")[2])
        return self._index.get(operation_key(operation), [])

    def fields(self) -> tuple[FieldUse, ...]:
        """Every part and field of the document, in its order, with who uses it: nobody, where there are no consumers.

        What contracts use and the document does not describe is there too, and says so.
        """
        return field_uses(described(self.document), self.used)


def usage_of(pacts: Iterable[Pact], document: Mapping[str, Any], provider: str | None = None) -> Usage:
    """Lay contracts over a document.

    Args:
        document: OpenAPI 3, or AsyncAPI.
        provider: whose document it is: its contracts as provider and, for messages it receives, those it wrote as the
            reader. With None every contract is taken as one with this provider.
    """
    used: list[Used] = []
    unmatched: list[Unmatched] = []
    asyncapi = "asyncapi" in document
    operations = Operations(Node(document, {} if asyncapi else document))
    known = Messages(document) if asyncapi else None
    for pact in pacts:
        turned = provider is not None and pact.provider != provider
        if turned and (pact.consumer != provider or known is None):
            continue
        for place, interaction in placed(pact):
            found: list[Used | Unmatched] = []
            if known is not None and interaction.kind is not InteractionKind.HTTP:
                found = lay_message(known, pact, interaction, place, turned=turned)
            elif known is None and interaction.kind is InteractionKind.HTTP:
                found = [lay_http(operations, pact, interaction, place)]
            used += (one for one in found if isinstance(one, Used))
            unmatched += (one for one in found if isinstance(one, Unmatched))
    return Usage(tuple(used), tuple(unmatched), document)


def _turned(operation: str) -> bool:
    """Whether the service itself calls: contracts with it as the provider do not tell what is used of that."""
    return operation.startswith(("webhook ", "callback "))


def _places(used: Used, change: Change) -> list[str]:
    """The lines of one interaction that use what changed; the interaction as a whole where it is not known by field."""
    part, whole = change.part, [used.place]
    if part.name and used.message and part.name != used.message:
        return []
    if used.blind or part.kind in _AS_A_WHOLE or (part.kind is PartKind.PARAMETER and part.place in _ALWAYS_SENT):
        return whole
    if part.kind is PartKind.RESPONSE:
        return whole if "added" in change.rule or _status_fits(used, part) else []
    return _field_places(used, change)


def _field_places(used: Used, change: Change) -> list[str]:
    """As `_places`, for a change of something that has fields."""
    part, whole = change.part, [used.place]
    touched = [t for t in used.touches if _concerns(used, t, part)]
    again = change.repeats
    hit = [t for t in touched if begins(t.path, change.path, again) or (t.opaque and leads(t.path, change.path, again))]
    if change.direction is Direction.REQUEST and _is_about_leaving_out(change):
        return whole if _lacks(change.path, touched, hit) else []
    if not change.path and "media_type" in change.rule:
        return whole if touched or not part.status or _status_fits(used, part) else []
    return [f"{used.file}:{t.pointer}" for t in hit]


def _is_about_leaving_out(change: Change) -> bool:
    """Whether a change concerns those who do not send something: it is asked for now, or means something else."""
    asked = "required" in change.rule.split("_") or change.rule == "default_changed"
    return asked or (change.rule == "field_not_read_only" and change.level is Level.BREAKING)


def _lacks(path: tuple[str, ...], touched: list[Touch], hit: list[Touch]) -> bool:
    """Whether something is not sent, or not surely, where what it belongs to is: every item of a list has its own."""
    if not path:
        return not hit
    if any(t.opaque and begins(path, t.path) for t in touched):
        return True
    sent = {t.pointer.rpartition("/")[0] for t in hit if len(t.path) == len(path)}
    around = [t for t in touched if len(t.path) == len(path) - 1 and begins(t.path, path[:-1])]
    return any(t.pointer not in sent for t in around)


def _status_fits(used: Used, part: Part) -> bool:
    return not part.status or not used.statuses or part.status in used.statuses


def _concerns(used: Used, touch: Touch, part: Part) -> bool:
    if touch.part.kind is not part.kind or not _status_fits(used, part):
        return False
    if part.kind is PartKind.PARAMETER and touch.part.place != part.place:
        return False
    return not part.name or touch.part.name.lower() == part.name.lower()
