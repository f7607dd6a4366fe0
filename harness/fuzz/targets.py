"""Decides what is fuzzed: which services, whether traffic is invited there, and each one's share of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.errors import UsageError, did_you_mean
from harness.fuzz.documents import Document
from harness.system.model import Service, System

__all__ = ["Target", "candidates", "check_invited", "shares"]

#: The least that is worth starting Schemathesis for, in seconds.
_LEAST_S = 3.0


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


def shares(documents: Mapping[str, Document], per_service_s: float) -> dict[str, float]:
    """Split the time (`per_service_s` for each service) in proportion to operations; nobody gets less than is useful."""
    total = sum(len(d.operations) for d in documents.values())
    pool = per_service_s * len(documents)
    return {n: max(pool * len(d.operations) / total, min(_LEAST_S, per_service_s)) for n, d in documents.items()}
