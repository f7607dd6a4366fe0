"""Two versions of a document and the verdict: what changed, whom of the known consumers it breaks, may it go out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.contracts.compat import Change, Level, compare_asyncapi, compare_openapi
from harness.contracts.pacts import Pact
from harness.documents.addresses import Located, check_references
from harness.documents.reading import DocumentKind
from harness.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from harness.contracts.usage import Hit, Unmatched

__all__ = ["Difference", "Judged", "contracts_of", "difference"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A change and whom it concerns.

    Args:
        hits: known consumers that use what changed; empty also where nobody was asked.
        level: what it means once consumers are known: a breaking change that nobody uses is a warning.
    """

    change: Change
    level: Level
    hits: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """What two versions of a document have in common, and what not.

    Args:
        operations: operations or messages compared.
        changes: the worst first.
        consumers: names of the consumers whose contracts were looked at; None when no contracts were given.
        unmatched: interactions that fit nothing in the old document: for them nothing can be said.
        converted: whether one of the documents is Swagger 2, so that pointers are those of its translation.
    """

    old: str
    new: str
    kind: DocumentKind
    operations: int
    changes: tuple[Judged, ...]
    consumers: tuple[str, ...] | None = None
    unmatched: tuple[Unmatched, ...] = ()
    converted: bool = field(default=False)

    @property
    def breaks(self) -> bool:
        """Whether somebody can break: any client of the old document, or, with contracts, a known consumer."""
        return any(j.level is Level.BREAKING for j in self.changes)

    def specification(self, level: Level) -> int:
        """How many changes are of a level by the documents alone, whoever uses them."""
        return sum(j.change.level is level for j in self.changes)

    def broken(self) -> dict[str, int]:
        """Consumers that break, and how many of their interactions."""
        found: dict[str, set[str]] = {}
        for judged in self.changes:
            if judged.level is Level.BREAKING:
                for hit in judged.hits:
                    found.setdefault(hit.consumer, set()).update(hit.interactions)
        return {name: len(found[name]) for name in sorted(found)}


def difference(old: Located, new: Located, pacts: Iterable[Pact] | None = None) -> Difference:
    """Compare two versions of a document.

    Args:
        pacts: contracts of the document's consumers; None asks for the verdict on the documents alone.

    Raises:
        UsageError: when the two are not of one kind, or one refers to something that it does not hold.
    """
    if old.kind is not new.kind:
        raise UsageError(
            f"{old.address} is {old.kind.label}, {new.address} is {new.kind.label}: nothing to compare between them"
        )
    check_references(old)
    check_references(new)
    compare = compare_openapi if old.kind is DocumentKind.OPENAPI else compare_asyncapi
    comparison = compare(old.content, new.content)
    converted = old.converted or new.converted
    if pacts is None:
        judged = tuple(Judged(c, c.level) for c in comparison.changes)
        return Difference(old.address, new.address, old.kind, comparison.operations, judged, converted=converted)
    from harness.contracts.usage import usage_of

    known = list(pacts)
    usage = usage_of(known, old.content)
    # Of an interaction that fits nothing it is not known what it uses: then nobody is said to be safe.
    certain = bool(usage.used) and not usage.unmatched
    found = []
    for change in comparison.changes:
        hits = usage.affected(change)
        level = usage.level(change, hits)
        spared = level is Level.BREAKING and not hits and certain
        found.append(Judged(change, Level.WARNING if spared else level, hits))
    order = list(Level)
    return Difference(
        old=old.address,
        new=new.address,
        kind=old.kind,
        operations=comparison.operations,
        changes=tuple(sorted(found, key=lambda j: order.index(j.level))),
        consumers=tuple(sorted({p.consumer for p in known})),
        unmatched=usage.unmatched,
        converted=converted,
    )


def contracts_of(folder: Path, provider: str) -> tuple[Pact, ...]:
    """The pacts in a folder that are about one provider.

    Args:
        provider: its name; empty when the folder holds contracts of one provider only.

    Raises:
        UsageError: when there are none, one cannot be read, or it is not clear whose are meant.
    """
    from harness.contracts.sources import FolderSource

    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder} with pacts")
    contracts = FolderSource(folder, Path.cwd()).contracts()
    for broken in contracts.unreadable:
        raise UsageError(f"{broken.name} {broken.problem}")
    if not contracts.pacts:
        raise UsageError(
            f"{folder} holds no pacts, so it is not known who uses what; leave --pacts out to judge for any client"
        )
    providers = sorted({p.provider for p in contracts.pacts})
    if not provider:
        if len(providers) > 1:
            raise UsageError(
                f"{folder} holds pacts with {', '.join(providers)}; say whose document it is with --provider NAME"
            )
        provider = providers[0]
    chosen = tuple(p for p in contracts.pacts if p.provider == provider)
    if not chosen:
        raise UsageError(
            f'{folder} holds no pact with the provider "{provider}".{did_you_mean(provider, providers)} '
            f"Providers: {', '.join(providers)}."
        )
    if not any(p.interactions for p in chosen):
        raise UsageError(f"the pacts of {provider} in {folder} hold no interactions, so it is not known who uses what")
    return chosen
