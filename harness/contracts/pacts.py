"""Pact files: reading, merging and writing them. Nothing here runs a test or a provider."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.contracts.confidential import remember_sent
from harness.documents.jsontext import TooDeepError, loads
from harness.errors import ConfigError
from harness.system.files import read_file

__all__ = [
    "Interaction",
    "InteractionKind",
    "MergeConflict",
    "Merger",
    "Pact",
    "PactError",
    "file_name",
    "interaction_key",
    "overlay",
    "pact_from_json",
    "read_pact",
    "render_pact",
    "same",
    "write_pact",
    "written_here",
]

_MAX_BYTES = 50_000_000
_NEWEST = 4
_MAX_NAME = 100  # bytes; two of them have to fit into a file's name


class PactError(ValueError):
    """A file is not a pact; the text says why, without the file's name."""


class InteractionKind(StrEnum):
    """What an interaction is about, in the words of the Pact V4 specification."""

    HTTP = "Synchronous/HTTP"
    ASYNC = "Asynchronous/Messages"
    SYNC = "Synchronous/Messages"


@dataclass(frozen=True, slots=True)
class Interaction:
    """One thing a consumer expects of a provider.

    Args:
        states: names of the provider states, in order.
        pending: whether a mismatch is only told, not held against the provider.
        raw: the interaction as it stands in the file.
    """

    description: str
    kind: InteractionKind
    states: tuple[str, ...]
    pending: bool
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def key(self) -> str:
        """What makes it one of a kind within its pact: description and provider states with their parameters."""
        return interaction_key(self.raw)

    @property
    def given(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """Its provider states with their parameters, in order, however its version writes them."""
        return tuple((str(s.get("name", "")), s.get("params") or {}) for s in _states(self.raw))

    @property
    def operation(self) -> str:
        """`GET /orders/1`; empty for messages."""
        request = self.raw.get("request")
        if self.kind is not InteractionKind.HTTP or not isinstance(request, Mapping):
            return ""
        return f"{str(request.get('method', 'GET')).upper()} {request.get('path', '/')}"


@dataclass(frozen=True, slots=True)
class Pact:
    """One pact: what `consumer` expects of `provider`.

    Args:
        file: where it was read; None for one that is only in memory.
        version: major version of the Pact specification it is written in.
        origin: how messages call where it came from, when that was no file, such as its URL.
        pending: whether its provider never kept it on its branch, so that mismatches are only told; each of its
            interactions then is pending, too.
        wip: whether it is pending and nobody asked for it: work in progress of a consumer.
        notices: what the broker says about it, such as why it is verified.
        links: what the broker says can be done with it, URLs by relation, such as `pb:publish-verification-results`.
    """

    consumer: str
    provider: str
    interactions: tuple[Interaction, ...]
    version: int = _NEWEST
    file: Path | None = None
    origin: str = ""
    pending: bool = False
    wip: bool = False
    notices: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def edge(self) -> str:
        """`consumer -> provider`, as findings write it."""
        return f"{self.consumer} -> {self.provider}"

    def of_kind(self, kind: InteractionKind) -> tuple[Interaction, ...]:
        """Its interactions of one kind, in the file's order."""
        return tuple(i for i in self.interactions if i.kind is kind)


def file_name(consumer: str, provider: str) -> str:
    """The file a pact is published in."""
    return f"{consumer}-{provider}.json".replace("/", "_")


def read_pact(file: Path) -> Pact:
    """Read a pact file of specification version 1 to 4.

    Raises:
        PactError: when it is no such thing; the text does not repeat the file's name.
    """
    try:
        raw = loads(read_file(file, limit=_MAX_BYTES))
    except ConfigError as error:
        raise PactError(error.problem.rstrip(".")) from None
    except TooDeepError as error:
        raise PactError(str(error)) from None
    except ValueError as error:
        raise PactError(f"is not JSON: {error}") from None
    return pact_from_json(raw, file)


def pact_from_json(raw: object, file: Path | None = None) -> Pact:
    """Make sense of a decoded pact.

    Raises:
        PactError: when it is not a pact.
    """
    if not isinstance(raw, dict):
        raise PactError(f"is not a pact: an object with consumer and provider was expected, found {_type(raw)}")
    version = _version(raw)
    items = [*_list(raw, "interactions"), *_list(raw, "messages")]
    interactions = tuple(_interaction(item, "messages" in raw) for item in items)
    return Pact(_party(raw, "consumer"), _party(raw, "provider"), interactions, version, file)


def _version(raw: Mapping[str, Any]) -> int:
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    said = metadata.get("pactSpecification") or metadata.get("pact-specification") or {}
    text = str(said.get("version", "")) if isinstance(said, dict) else str(said)
    text = text or str(metadata.get("pactSpecificationVersion", "") or "3")
    major = text.split(".")[0]
    if not major.isdigit():
        raise PactError(f"is written in version {text!r} of the Pact specification, which is no version")
    if int(major) > _NEWEST:
        raise PactError(f"is written in version {text} of the Pact specification; 1 to {_NEWEST} are understood")
    return int(major)


def _party(raw: Mapping[str, Any], role: str) -> str:
    value = raw.get(role)
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(name, str) or not name:
        raise PactError(f"is not a pact: it names no {role}")
    if len(name.encode()) > _MAX_NAME or not name.isprintable():
        raise PactError(
            f"is no pact with usable names: its {role} is too long or has characters that cannot be printed"
        )
    return name


def _list(raw: Mapping[str, Any], key: str) -> list[Any]:
    value = raw.get(key, [])
    if not isinstance(value, list):
        raise PactError(f"is not a pact: {key} is {_type(value)}, a list was expected")
    return value


def _interaction(item: object, messages: bool) -> Interaction:
    if not isinstance(item, dict) or not isinstance(item.get("description"), str):
        raise PactError("is not a pact: an interaction has no description")
    written = item.get("type") or (
        InteractionKind.ASYNC if messages and "request" not in item else InteractionKind.HTTP
    )
    try:
        kind = InteractionKind(written)
    except ValueError:
        raise PactError(f"has an interaction of the unknown type {written!r}") from None
    states = tuple(str(s.get("name", "")) for s in _states(item))
    remember_sent(item)
    return Interaction(item["description"], kind, states, item.get("pending") is True, item)


def interaction_key(item: Mapping[str, Any]) -> str:
    """What makes an interaction one of a kind, as it stands in a file or as a verifier asks for it."""
    states = [{k: v for k, v in state.items() if v != {}} for state in _states(item)]
    return json.dumps([item.get("description"), states], sort_keys=True)


def _states(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Provider states as V3 and later write them; `providerState` is how V1 and V2 did."""
    states = item.get("providerStates")
    if isinstance(states, list):
        return [s for s in states if isinstance(s, dict)]
    single = item.get("providerState") or item.get("provider_state") or states
    return [{"name": single}] if isinstance(single, str) and single else []


def _type(value: object) -> str:
    names = {"dict": "an object", "list": "a list", "str": "text", "NoneType": "null", "bool": "a boolean"}
    return names.get(type(value).__name__, "a number")


def render_pact(pact: Pact) -> bytes:
    """Write a pact so that the same content is always the same bytes: sorted, and free of tool versions.

    It stays in the version it was written in: the parts of an interaction mean other things in another.
    """
    ordered = sorted(pact.interactions, key=lambda i: (i.description, i.key, i.kind))
    old_messages = [i.raw for i in ordered if i.kind is not InteractionKind.HTTP] if pact.version < _NEWEST else []
    raw: dict[str, Any] = {
        "consumer": {"name": pact.consumer},
        "provider": {"name": pact.provider},
        "interactions": [i.raw for i in ordered if not old_messages or i.kind is InteractionKind.HTTP],
        "metadata": {"pactSpecification": {"version": "4.0" if pact.version >= _NEWEST else f"{pact.version}.0.0"}},
    }
    if old_messages:
        # Before version 4 a pact is of one kind; pact takes one with "interactions" for one over HTTP.
        raw["messages"] = old_messages
        if not raw["interactions"]:
            del raw["interactions"]
    return (json.dumps(raw, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def write_pact(pact: Pact, folder: Path) -> Path:
    """Write a pact into `folder` under its own name; a reader never sees half of it."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / file_name(pact.consumer, pact.provider)
    half = target.with_suffix(f".{os.getpid()}.tmp")
    half.write_bytes(render_pact(pact))
    half.replace(target)
    return target


def written_here(pact: Pact) -> bool:
    """Whether a pact's file is one that `write_pact` wrote: other tools and people leave another order, or their version.

    White space makes no difference, as a formatter may have been over it.
    """
    if pact.file is None:
        return False
    try:
        there = json.loads(pact.file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    # Members are compared in their order: that of a file written by hand is hardly alphabetical.
    return json.dumps(there) == json.dumps(json.loads(render_pact(pact)))


@dataclass(frozen=True, slots=True)
class MergeConflict:
    """Two tests do not agree.

    Args:
        tests: ids of the two tests, sorted.
        what: what they do differently, as verb and object.
        remedy: what to do about it.
    """

    consumer: str
    provider: str
    tests: tuple[str, str]
    what: str
    remedy: str

    def __str__(self) -> str:
        first, second = self.tests
        return (
            f"{first} and {second} {self.what} between {self.consumer} and {self.provider} differently; {self.remedy}"
        )


class Merger:
    """Brings the interactions of many tests together, one pact for each pair of consumer and provider.

    The outcome does not depend on the order in which tests are added.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], dict[str, dict[str, tuple[str, Interaction]]]] = {}
        self._versions: dict[tuple[str, str], dict[int, str]] = {}

    def add(self, test: str, pact: Pact) -> None:
        """Take the interactions a test defined."""
        pair = self._found.setdefault((pact.consumer, pact.provider), {})
        versions = self._versions.setdefault((pact.consumer, pact.provider), {})
        versions[pact.version] = min(test, versions.get(pact.version, test))
        for interaction in pact.interactions:
            content = json.dumps(interaction.raw, sort_keys=True)
            variants = pair.setdefault(interaction.key, {})
            earlier = variants.get(content)
            if earlier is None or test < earlier[0]:
                variants[content] = (test, interaction)

    def conflicts(self) -> tuple[MergeConflict, ...]:
        """Interactions of which there are two versions, and pacts in two versions of the specification; sorted."""
        found = []
        for (consumer, provider), keys in self._found.items():
            versions = self._versions[consumer, provider]
            if len(versions) > 1:
                one, two = sorted(versions.values())[:2]
                written = " and ".join(map(str, sorted(versions)))
                remedy = f"they use {written}, and one pact is written in one: call with_specification alike in all"
                found.append(MergeConflict(consumer, provider, (one, two), "set the specification's version", remedy))
                continue
            found += [
                _conflict(consumer, provider, variants.values()) for variants in keys.values() if len(variants) > 1
            ]
        return tuple(sorted(found, key=str))

    def pacts(self) -> tuple[Pact, ...]:
        """The merged pacts, sorted by consumer and provider; of a conflict, the version of the first test by name."""
        return tuple(
            Pact(
                consumer,
                provider,
                tuple(min(v.values(), key=lambda x: x[0])[1] for v in keys.values()),
                version=max(self._versions[consumer, provider]),
            )
            for (consumer, provider), keys in sorted(self._found.items())
        )


def _conflict(consumer: str, provider: str, variants: Iterable[tuple[str, Interaction]]) -> MergeConflict:
    """What to say of the variants of one interaction, of which there are at least two."""
    (one, first), (two, _) = sorted(variants, key=lambda v: v[0])[:2]
    given = f" (given {', '.join(first.states)})" if first.states else ""
    remedy = "give one of them another description or another provider state"
    return MergeConflict(consumer, provider, (one, two), f'define "{first.description}"{given}', remedy)


def overlay(base: Pact, newer: Pact) -> Pact:
    """`newer` laid over `base`: interactions only `base` has are kept.

    Raises:
        PactError: when they are written in different versions of the specification, which cannot be mixed.
    """
    keys = {i.key for i in newer.interactions}
    kept = tuple(i for i in base.interactions if i.key not in keys)
    if kept and base.version != newer.version:
        raise PactError(
            f"is written in version {base.version} of the Pact specification, and this part of the tests uses "
            f"version {newer.version}: run the whole suite once"
        )
    return Pact(newer.consumer, newer.provider, (*newer.interactions, *kept), newer.version)


def same(one: Iterable[Interaction], other: Iterable[Interaction]) -> bool:
    """Whether two sets of interactions say the same."""

    def normal(items: Iterable[Interaction]) -> list[str]:
        return sorted(json.dumps(i.raw, sort_keys=True) for i in items)

    return normal(one) == normal(other)
