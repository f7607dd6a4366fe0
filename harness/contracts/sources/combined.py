"""Brings several sources of contracts together, and chooses those of a run. Reads nothing itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.contracts.pacts import Interaction, Pact
from harness.contracts.sources.broker import BrokerSource, broker_access
from harness.contracts.sources.build import build_of
from harness.contracts.sources.files import FolderSource, PathSource
from harness.contracts.sources.model import Contracts, ContractSource
from harness.contracts.sources.urls import UrlSource
from harness.errors import UsageError
from harness.system.model import System

__all__ = ["CombinedSource", "source_for"]


@dataclass(frozen=True, slots=True)
class CombinedSource:
    """Several sources as one.

    A contract that two sources hold is there once. When they say different things about the same consumer and provider,
    both are there, and it is told.

    Args:
        sources: in the order in which their contracts are told.
        fresh: contracts of this very run; they replace those of the same consumer and provider.
    """

    sources: Sequence[ContractSource]
    fresh: ContractSource | None = None

    @property
    def name(self) -> str:
        """The names of all that are used."""
        return ", ".join(s.name for s in (*([self.fresh] if self.fresh else []), *self.sources))

    def contracts(self) -> Contracts:
        """Read all of them."""
        fresh = self.fresh.contracts() if self.fresh else Contracts(())
        read = [(s.name, s.contracts()) for s in self.sources]
        kept, remarks = _together([(name, pact) for name, one in read for pact in one.pacts])
        pacts, replaced = _replace(kept, fresh.pacts)
        return Contracts(
            # What is pending comes last: a neighbour is stubbed from the first contract of its pair.
            tuple(sorted(pacts, key=lambda p: (p.pending, p.consumer, p.provider))),
            (*fresh.unreadable, *(u for _, one in read for u in one.unreadable)),
            (*(r for _, one in read for r in one.remarks), *remarks, *replaced),
        )


def _together(found: Sequence[tuple[str, Pact]]) -> tuple[list[Pact], list[str]]:
    """Every different contract once, and what there is to say of those that differ."""
    pairs: dict[str, dict[str, tuple[str, Pact]]] = {}
    remarks: list[str] = []
    for name, pact in found:
        versions = pairs.setdefault(pact.edge, {})
        content = _content(pact)
        if content in versions:
            earlier, same = versions[content]
            versions[content] = (earlier, _merged(same, pact))
            continue
        others = {n for n, _ in versions.values() if n != name}
        if others:
            remarks.append(
                f"{pact.edge}: {name} and {', '.join(sorted(others))} hold different contracts; each is verified"
            )
        versions[content] = (name, pact)
    return [pact for versions in pairs.values() for _, pact in versions.values()], remarks


def _replace(pacts: Sequence[Pact], fresh: Sequence[Pact]) -> tuple[list[Pact], list[str]]:
    """Lay the contracts of this run over the others; one that a broker holds unchanged keeps what the broker says."""
    newer = {p.edge for p in fresh}
    known = {(p.edge, _content(p)): p for p in pacts}
    kept = [p for p in pacts if p.edge not in newer]
    result = [_merged(p, known[p.edge, _content(p)]) if (p.edge, _content(p)) in known else p for p in fresh]
    same = {(p.edge, _content(p)) for p in fresh}
    remarks = [
        f"{p.edge}: the contract of this run replaces the one of {p.origin}"
        for p in pacts
        if p.edge in newer and p.origin and (p.edge, _content(p)) not in same
    ]
    return kept + result, remarks


def _merged(one: Pact, other: Pact) -> Pact:
    """Two pacts of the same content: what the broker says of either, but pending only when both are."""
    known, second = (one, other) if one.links else (other, one)
    if known.pending and not second.pending:
        strict = {i.key: i for i in second.interactions}
        interactions = tuple(replace(i, pending=_pending(strict.get(i.key, i))) for i in known.interactions)
        return replace(known, pending=False, wip=False, interactions=interactions, file=known.file or second.file)
    return replace(known, file=known.file or second.file)


def _pending(interaction: Interaction) -> bool:
    return interaction.raw.get("pending") is True


def _content(pact: Pact) -> str:
    """What a pact says, whatever a broker or a tool added."""
    said = [{k: v for k, v in i.raw.items() if k not in {"_id", "key", "comments"}} for i in pact.interactions]
    return "\n".join([str(pact.version), *sorted(json.dumps(i, sort_keys=True) for i in said)])


def source_for(
    system: System, root: Path, *, fresh: Path | None = None, env: Mapping[str, str] | None = None
) -> ContractSource:
    """Choose where the contracts of a system come from: `[contracts]` of its file, and the environment's broker.

    Args:
        root: folder of `harness.toml`.
        fresh: folder with the contracts this very run produced; they replace those of the same consumer and provider.
        env: environment to look at; the process's own by default.

    Raises:
        UsageError: when something about the sources cannot be as it is written.
    """
    env = os.environ if env is None else env
    given = system.contracts
    has_fresh = fresh is not None and any(fresh.glob("*.json"))
    sources: list[ContractSource] = [_one(s, root, system, env) for s in given.sources]
    if not given.sources and not has_fresh:
        sources.append(FolderSource(root / system.suites.pacts, root))
    access = broker_access(given.broker, env, system.runtime.allow_targets)
    if access:
        sources.append(BrokerSource(access, tuple(system.services), given.broker, build_of(root, env).branch))
    over = FolderSource(fresh, root) if fresh is not None and has_fresh else None
    if over is not None and not sources:
        return over
    return CombinedSource(sources, over)


def _one(written: str, root: Path, system: System, env: Mapping[str, str]) -> ContractSource:
    variable = system.contracts.authorization_env
    scheme, separator, _ = written.partition("://")
    if not separator:
        return PathSource(written, root)
    if scheme not in {"http", "https"}:
        raise UsageError(f'contracts.sources: "{written}" cannot be read: only files, http and https are')
    if variable and not env.get(variable):
        raise UsageError(f"contracts.authorization_env: the environment variable {variable} is not set")
    return UrlSource(written, env.get(variable, "") if variable else "", system.runtime.allow_targets)
