"""Usage of a document by contracts: whom a change concerns, and the map of who uses what. Laying over is done beside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.contracts.compat.changes import Change, Part, PartKind
from harness.contracts.compat.rules import Direction
from harness.contracts.documents.nodes import Node
from harness.contracts.pacts import InteractionKind, Pact
from harness.contracts.usage.described import described
from harness.contracts.usage.fields import field_uses
from harness.contracts.usage.http import lay_http
from harness.contracts.usage.messages import Messages, lay_message
from harness.contracts.usage.model import FieldUse, Hit, Touch, Unmatched, Used, begins, is_item
from harness.contracts.usage.operations import Operations, operation_key
from harness.contracts.usage.touches import placed

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
        spots = change.spots or ((change.operation, change.part, change.path),)
        hits: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
        for name, part, path in spots:
            concerned = self._of(name)
            spot = replace(change, operation=name, part=part, path=path) if concerned else change
            for used in concerned:
                places = [used.place] if _turned(name) else _places(used, spot)
                if places:
                    texts, found = hits.setdefault(used.consumer, ({}, {}))
                    texts[used.description] = None
                    found.update(dict.fromkeys(places))
        return tuple(Hit(name, tuple(texts), tuple(places)) for name, (texts, places) in sorted(hits.items()))

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
    hit = [t for t in touched if begins(t.path, change.path) or (t.opaque and begins(change.path, t.path))]
    if change.direction is Direction.REQUEST and "required" in change.rule.split("_"):
        return whole if _lacks(change.path, touched, hit) else []
    if not change.path and "media_type" in change.rule:
        return whole if touched or not part.status or _status_fits(used, part) else []
    return [f"{used.file}:{t.pointer}" for t in hit]


def _lacks(path: tuple[str, ...], touched: list[Touch], hit: list[Touch]) -> bool:
    """Whether something that is required from now on is not sent, or not surely: one item of a list may have it only."""
    if any(not t.opaque for t in hit) and not any(is_item(token) or token == "*" for token in path):
        return False
    return not path or any(begins(t.path, path[:-1]) or (t.opaque and begins(path, t.path)) for t in touched)


def _status_fits(used: Used, part: Part) -> bool:
    return not part.status or not used.statuses or part.status in used.statuses


def _concerns(used: Used, touch: Touch, part: Part) -> bool:
    if touch.part.kind is not part.kind or not _status_fits(used, part):
        return False
    if part.kind is PartKind.PARAMETER and touch.part.place != part.place:
        return False
    return not part.name or touch.part.name.lower() == part.name.lower()
