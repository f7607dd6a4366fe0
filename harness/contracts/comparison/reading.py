"""Contracts by address: files, folders, patterns and URLs, read without insisting on what a comparison does not need."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.contracts.pacts import InteractionKind, Pact, PactError, pact_from_json
from harness.documents.jsontext import TooDeepError, loads
from harness.documents.reading import DocumentError, download
from harness.errors import ConfigError, UsageError, did_you_mean
from harness.system.files import read_file

__all__ = ["NamedPact", "read_pacts"]

#: Address and contract.
NamedPact = tuple[str, Pact]

_MAX_BYTES = 50_000_000


def read_pacts(addresses: Sequence[str], provider: str = "") -> list[NamedPact]:
    """Read every contract, each file once, in the order of the addresses.

    Args:
        addresses: files, folders (their `*.json` files), glob patterns, `http(s)` URLs.
        provider: only contracts with this provider; empty where all have the same.

    Raises:
        UsageError: when one cannot be read, there are none, or it is not clear whose are meant.
    """
    names = list(dict.fromkeys(name for address in addresses for name in _expanded(address)))
    found = [(name, _read(name)) for name in names]
    providers = sorted({pact.provider for _, pact in found})
    if not provider and len(providers) > 1:
        raise UsageError(
            f"the pacts have the providers {', '.join(providers)}; say whose document it is with --provider NAME"
        )
    chosen = [(name, pact) for name, pact in found if provider in {"", pact.provider}]
    if not chosen:
        known = f" Providers: {', '.join(providers)}."
        raise UsageError(f'no pact has the provider "{provider}".{did_you_mean(provider, providers)}{known}')
    return chosen


def _expanded(address: str) -> Iterator[str]:
    if "://" in address or Path(address).is_file():
        yield address
        return
    folder = Path(address)
    # A pattern can be absolute, which Path.glob does not take.
    matches = glob.glob(address, recursive=True)  # noqa: PTH207
    files = sorted(folder.glob("*.json") if folder.is_dir() else map(Path, matches))
    kept = [str(file) for file in files if file.is_file()]
    if not kept:
        what = "holds no *.json file" if folder.is_dir() else "is no file, no folder, and a pattern that fits no file"
        raise UsageError(f"{address} {what}")
    yield from kept


def _read(address: str) -> Pact:
    try:
        raw = _raw(address)
        return pact_from_json(_completed(raw), None if "://" in address else Path(address))
    except (DocumentError, PactError) as error:
        raise UsageError(f"{address} {error}") from None


def _raw(address: str) -> object:
    if "://" in address:
        content = download(address, _MAX_BYTES)
    else:
        try:
            content = read_file(Path(address), limit=_MAX_BYTES)
        except ConfigError as error:
            problem = error.problem.rstrip(".")
            raise PactError(problem if problem.startswith("is ") else f"cannot be read: {problem}") from None
    try:
        return loads(content)
    except TooDeepError as error:
        raise PactError(str(error)) from None
    except ValueError as error:
        began = content[:40].decode(errors="replace").lstrip()
        seen = f"; it begins with {began!r}" if began.startswith("<") else ""
        raise PactError(f"is not JSON: {error}{seen}") from None


def _completed(raw: object) -> object:
    """Names are for people: a contract without them can still be compared, one without interactions is none."""
    if not isinstance(raw, dict):
        return raw
    if not {"interactions", "messages"} & raw.keys():
        raise PactError("is not a pact: it has neither interactions nor messages")
    whole: dict[str, Any] = {"consumer": {"name": "(consumer)"}, "provider": {"name": "(provider)"}, **raw}
    for key in ("interactions", "messages"):
        if isinstance(whole.get(key), list):
            whole[key] = [_described(i, f"{key} {n}") for n, i in enumerate(whole[key])]
    listed = whole.get("interactions")
    for number, interaction in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(interaction, dict) and _lacks_request(interaction):
            raise PactError(f"is not a pact: interaction {number} (counted from 0) has no request")
    return whole


def _lacks_request(interaction: dict[str, Any]) -> bool:
    """Whether an exchange over HTTP does not say what is asked for; it would be taken for `GET /`."""
    kind = interaction.get("type") or InteractionKind.HTTP
    return kind == InteractionKind.HTTP and not isinstance(interaction.get("request"), dict)


def _described(interaction: object, name: str) -> object:
    if isinstance(interaction, dict) and not isinstance(interaction.get("description"), str):
        return {**interaction, "description": f"({name})"}
    return interaction
