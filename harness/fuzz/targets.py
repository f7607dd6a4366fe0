"""Decides what is fuzzed: which services, whether traffic is invited there, their documents, and each one's share of time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError, did_you_mean
from harness.system.model import Service, System

__all__ = ["Document", "Target", "candidates", "check_invited", "load_document", "shares"]

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
#: A larger document keeps Schemathesis busy for longer than a stage may take.
_LARGEST_B = 10_000_000
_FETCH_LIMIT_S = 20.0
#: The least that is worth starting Schemathesis for, in seconds.
_LEAST_S = 3.0


@dataclass(frozen=True, slots=True)
class Document:
    """A service's OpenAPI document.

    Args:
        location: what Schemathesis is given: a URL or a file.
        operations: `GET /orders/{order_id}` and so on, as declared.
        text: the document as read.
        problem: why it cannot be used; empty when it can.
    """

    location: str
    operations: tuple[str, ...] = ()
    text: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """One service to fuzz: where it is, its document, the headers that let a caller in, its share of time in seconds."""

    name: str
    base_url: str
    document: Document
    auth: Mapping[str, str]
    seconds: float


def candidates(
    system: System, only: Mapping[str, str], excluded: Iterable[str]
) -> tuple[list[Service], dict[str, str]]:
    """Which services have a document to fuzz by.

    Returns:
        The services, and for each other one the reason why not.

    Raises:
        UsageError: when a service named does not exist.
    """
    excluded = set(excluded)
    wanted = only.get("service", "")
    for name, where in ((wanted, "--service"), *((e, "stages.fuzz.exclude") for e in sorted(excluded))):
        if name and name not in system.services:
            raise UsageError(f'{where}: there is no service "{name}".{did_you_mean(name, system.services)}')
    chosen, left = [], {}
    for name, service in system.services.items():
        if wanted and name != wanted:
            continue
        if name in excluded:
            left[name] = "excluded by stages.fuzz.exclude"
        elif not service.openapi:
            left[name] = f"has no OpenAPI document (services.{name}.openapi)"
        else:
            chosen.append(service)
    return chosen, left


def check_invited(system: System, addresses: Mapping[str, str], services: Iterable[Service]) -> None:
    """Refuse to send hostile traffic where it was not invited.

    Raises:
        UsageError: when the system is production, or an address is neither on loopback nor allowed by name.
    """
    from urllib.parse import urlsplit

    if system.runtime.production:
        raise UsageError(
            "fuzzing sends hostile requests; a runtime with production = true accepts synthetic checks only."
        )
    for service in services:
        for url in (addresses[service.name], service.openapi if "//" in service.openapi else ""):
            host = urlsplit(url).hostname or ""
            if url and not system.runtime.invites(url):
                raise UsageError(
                    f"fuzzing refuses {url} (service {service.name}): it is not on loopback. If traffic is welcome there, "
                    f'say so in harness.toml: runtime.allow_targets = ["{host}"].'
                )


async def load_document(service: Service, base_url: str, root: Path) -> Document:
    """Read a service's document and see whether it can be used at all; never raises for what is wrong with it."""
    if "//" in service.openapi or service.openapi.startswith("/"):
        location = service.openapi if "//" in service.openapi else base_url + service.openapi
        return _judge(location, *await _fetch(location))
    file = (root / service.openapi).resolve()
    try:
        return _judge(str(file), file.read_bytes(), "")
    except OSError as error:
        return Document(str(file), problem=f"cannot be read: {error.strerror}")


async def _fetch(url: str) -> tuple[bytes, str]:
    import httpx

    body = bytearray()
    try:
        async with httpx.AsyncClient(timeout=_FETCH_LIMIT_S) as client, client.stream("GET", url) as response:
            if response.status_code != 200:
                return b"", f"GET {url} was answered {response.status_code}"
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _LARGEST_B:
                    break
    except httpx.HTTPError as error:
        return b"", f"GET {url} was not answered: {type(error).__name__} {error}".rstrip()
    return bytes(body), ""


def _judge(location: str, body: bytes, problem: str) -> Document:
    if not problem and len(body) > _LARGEST_B:
        problem = f"is larger than {_LARGEST_B // 1_000_000} MB"
    if problem:
        return Document(location, problem=problem)
    text = body.decode(errors="replace")
    parsed = _parse(text, yaml=not location.endswith(".json"))
    if parsed is None:
        return Document(location, problem=f"is neither JSON nor YAML; it begins with {text[:60]!r}")
    if not isinstance(parsed, dict) or not ("openapi" in parsed or "swagger" in parsed):
        return Document(location, problem='is no OpenAPI document: there is no "openapi" version in it')
    operations = tuple(_operations(parsed.get("paths")))
    return Document(location, operations, text, "" if operations else "declares no operation")


def _parse(text: str, *, yaml: bool) -> object:
    try:
        return json.loads(text)
    except RecursionError:
        return None
    except ValueError:
        pass
    if yaml and not text.lstrip().startswith("<"):
        import yaml as parser

        try:
            return parser.safe_load(text)
        except (parser.YAMLError, RecursionError):
            return None
    return None


def _operations(paths: object) -> Iterable[str]:
    for path, item in paths.items() if isinstance(paths, dict) else ():
        for method in item if isinstance(item, dict) else ():
            if str(method).lower() in _METHODS:
                yield f"{str(method).upper()} {path}"


def shares(documents: Mapping[str, Document], per_service_s: float) -> dict[str, float]:
    """Split the time (`per_service_s` for each service) in proportion to operations; nobody gets less than is useful."""
    total = sum(len(d.operations) for d in documents.values())
    pool = per_service_s * len(documents)
    return {n: max(pool * len(d.operations) / total, min(_LEAST_S, per_service_s)) for n, d in documents.items()}
