"""OpenAPI and AsyncAPI documents: where they come from, reading them within limits, and the committed baselines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from harness.documents.jsontext import TooDeepError, loads
from harness.documents.swagger import convert
from harness.errors import ConfigError
from harness.guard import Invitation, without_credentials
from harness.guard import address as join
from harness.system.auth import resolve
from harness.system.files import read_file
from harness.system.model import Service, System

__all__ = [
    "MOST_BYTES",
    "Declared",
    "DocumentError",
    "DocumentKind",
    "baseline_file",
    "declared",
    "decode",
    "download",
    "fetch",
    "in_version_3",
    "parse",
    "parse_any",
    "render",
]

#: The most bytes of a document that are read where nobody says otherwise.
MOST_BYTES = 20_000_000
_FETCH_S = 15.0
_MAX_NODES = 2_000_000
_MAX_DEPTH = 400
_SHOWN_BYTES = 300


class DocumentKind(StrEnum):
    """The two kinds of documents."""

    OPENAPI = "openapi"
    ASYNCAPI = "asyncapi"

    @property
    def label(self) -> str:
        """As people write it."""
        return "OpenAPI" if self is DocumentKind.OPENAPI else "AsyncAPI"


class DocumentError(Exception):
    """A document cannot be read; the text says why, after its name."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A document a service says it has.

    Args:
        source: path on the service, file below the project, or URL, as in `harness.toml`.
    """

    service: Service
    kind: DocumentKind
    source: str

    @property
    def title(self) -> str:
        """How messages call it: "the OpenAPI document of orders"."""
        return f"the {self.kind.label} document of {self.service.name}"


def declared(system: System) -> list[Declared]:
    """Every document of the system, by service as declared."""
    return [
        Declared(service, kind, source)
        for service in system.services.values()
        for kind, source in ((DocumentKind.OPENAPI, service.openapi), (DocumentKind.ASYNCAPI, service.asyncapi))
        if source
    ]


def baseline_file(folder: Path, service: str, kind: DocumentKind) -> Path:
    """Where a service's document is committed."""
    return folder / f"{service}.{kind}.json"


async def fetch(
    document: Declared, *, root: Path, address: str, max_bytes: int = MOST_BYTES, also: Iterable[str] = ()
) -> bytes:
    """Get a document's bytes: from the running service, from a file below `root`, or from a URL.

    Args:
        address: the service's base URL; empty when it does not run.
        also: hosts, or hosts with a port, that redirects may lead to besides (`runtime.allow_targets`).

    Raises:
        DocumentError: when it cannot be had, or is larger than `max_bytes`.
    """
    import anyio

    source = document.source
    if "://" not in source and not source.startswith("/"):
        return _of_file(root / source, source, max_bytes)
    url = source
    if source.startswith("/"):
        if not address:
            raise DocumentError(f"is served at {source}, but the service does not run")
        url = join(address, source)
    service = document.service
    let_in = partial(resolve, service, root) if service.auth else None
    return await anyio.to_thread.run_sync(
        partial(_download, url, source, max_bytes, let_in, also), abandon_on_cancel=True
    )


def _of_file(file: Path, shown: str, max_bytes: int) -> bytes:
    try:
        return read_file(file, shown, limit=max_bytes)
    except ConfigError as error:
        problem = error.problem.rstrip(".")
        raise DocumentError(
            f"{problem} ({shown})" if problem.startswith("is ") else f"cannot be read from {shown}: {problem}"
        ) from None


def download(url: str, max_bytes: int) -> bytes:
    """Get a document from a URL, within 15 s in all; redirects are followed on the same host only.

    Raises:
        DocumentError: when it cannot be had, or is larger than `max_bytes`.
    """
    return _download(url, "it", max_bytes, None, ())


def _download(
    url: str, shown: str, max_bytes: int, credentials: Callable[[], Mapping[str, str]] | None, also: Iterable[str]
) -> bytes:
    """Get a URL; `shown` is how messages call it."""
    from harness.guard.fetch import FetchError
    from harness.guard.fetch import fetch as get

    shown = without_credentials(shown) if "://" in shown else shown
    try:
        invited = Invitation.to((), also)
        answer = get(url, limit_s=_FETCH_S, max_bytes=max_bytes, credentials=credentials, invitation=invited)
    except FetchError as error:
        raise DocumentError(str(error) if shown == "it" else f"{error} (from {shown})") from None
    if answer.status != 200:
        raise DocumentError(f"cannot be fetched: {shown} answered {answer.status}")
    return answer.body


def parse(raw: bytes, kind: DocumentKind) -> dict[str, Any]:
    """Read JSON or YAML, and make sure that it is a document of `kind` in a version that is understood.

    Returns:
        The document as it is written; `in_version_3` makes OpenAPI 3 of one in Swagger 2.0.

    Raises:
        DocumentError: when it is not.
    """
    value = decode(raw)
    if not isinstance(value, dict):
        raise DocumentError(f"is not {kind.label}: an object was expected, found a {type(value).__name__}")
    if kind is DocumentKind.OPENAPI and kind not in value and "swagger" in value:
        if not _is_swagger(value):
            raise DocumentError(f"is Swagger {value['swagger']}; 2.0 is understood, and OpenAPI 3.0 and 3.1")
        return value
    _check_version(value, kind)
    return value


def in_version_3(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document itself, or what it says in OpenAPI 3.0 where it is written in Swagger 2.0."""
    return convert(content) if _is_swagger(content) else content


def _is_swagger(content: Mapping[str, Any]) -> bool:
    return str(content.get("swagger", "")).startswith("2.")


def parse_any(raw: bytes) -> tuple[DocumentKind, dict[str, Any]]:
    """Read JSON or YAML that is a document of either kind; Swagger 2.0 counts as OpenAPI and is left as it is.

    Raises:
        DocumentError: when it is neither.
    """
    value = decode(raw)
    if not isinstance(value, dict):
        raise DocumentError(f"is no API document: an object was expected, found a {type(value).__name__}")
    if _is_swagger(value):
        return DocumentKind.OPENAPI, value
    kind = next((k for k in DocumentKind if k in value), None)
    if kind is None:
        keys = ", ".join(sorted(map(str, value))[:5]) or "nothing"
        raise DocumentError(f"is no API document: it has neither `openapi` nor `asyncapi` nor `swagger`, but {keys}")
    _check_version(value, kind)
    return kind, value


def _check_version(value: Mapping[str, Any], kind: DocumentKind) -> None:
    version = value.get(kind)
    accepted = ("3.0", "3.1") if kind is DocumentKind.OPENAPI else ("2.", "3.0")
    if not isinstance(version, str) or not version.startswith(accepted):
        found = "has no version" if version is None else f"says version {version!r}"
        known = "3.0 and 3.1" if kind is DocumentKind.OPENAPI else "2.x and 3.0"
        raise DocumentError(f"is not {kind.label}: the field `{kind}` {found}; {known} are understood")


def decode(raw: bytes) -> object:
    """Read JSON or YAML within limits of size and depth.

    Raises:
        DocumentError: when it is neither, or too much.
    """
    value = _decode(raw)
    _check_size(value)
    return value


def _decode(raw: bytes) -> object:
    try:
        return loads(raw)
    except TooDeepError as error:
        raise DocumentError(str(error)) from None
    except ValueError as error:
        problem = f"is not JSON: {error}"
    text = raw[:_SHOWN_BYTES].decode(errors="replace").lstrip()
    if text[:1] in {"{", "[", "<", ""}:  # JSON gone wrong, or a web page: YAML's message would mislead
        raise DocumentError(problem + (f"; it begins with {text[:40]!r}" if text[:1] == "<" else ""))
    return _decode_yaml(raw, problem)


def _decode_yaml(raw: bytes, problem: str) -> object:
    import yaml

    from harness.documents.quickyaml import load

    try:
        value = load(raw)
    except RecursionError:
        raise DocumentError("is nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise DocumentError(f"is neither JSON nor YAML: {str(error).splitlines()[0][:_SHOWN_BYTES]}") from None
    if isinstance(value, str):
        raise DocumentError(problem)
    _check_size(value)
    return _texts(value)


def _check_size(value: object) -> None:
    """YAML aliases make a few bytes stand for billions of values; such a document is refused before it is walked."""
    todo, seen = [(value, 0)], 0
    while todo:
        item, depth = todo.pop()
        seen += 1
        if seen > _MAX_NODES or depth > _MAX_DEPTH:
            raise DocumentError(f"holds more than {_MAX_NODES:,} values, or nests deeper than {_MAX_DEPTH}")
        if isinstance(item, dict):
            todo += [(v, depth + 1) for v in item.values()]
        elif isinstance(item, list):
            todo += [(v, depth + 1) for v in item]


def _texts(value: object) -> object:
    """YAML reads keys such as 200 as numbers and dates as dates; JSON has neither."""
    if isinstance(value, dict):
        return {k if isinstance(k, str) else json.dumps(k, default=str): _texts(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_texts(v) for v in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def render(content: Mapping[str, Any]) -> bytes:
    """A document as baselines are committed: sorted, so that only what changed shows up in a diff."""
    return (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
