"""What a starter has to be told, and how it is told on the command line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.errors import UsageError, did_you_mean

__all__ = ["Answers", "EdgeAnswer", "ServiceAnswer", "read_flags"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """One service: how it is started (words, or the URL where it runs), its document, its readiness path."""

    name: str
    command: tuple[str, ...] = ()
    url: str = ""
    openapi: str = ""
    ready: str = ""


@dataclass(frozen=True, slots=True)
class EdgeAnswer:
    """One edge and the environment variable that tells the caller where the callee is; empty when it cannot be told."""

    caller: str
    callee: str
    env: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """All that a starter is made from."""

    name: str
    services: tuple[ServiceAnswer, ...]
    edges: tuple[EdgeAnswer, ...] = field(default=())

    @property
    def entry(self) -> ServiceAnswer:
        """The service where users come in: the first that no other uses."""
        used = {e.callee for e in self.edges}
        return next((s for s in self.services if s.name not in used), self.services[0])

    @property
    def external(self) -> bool:
        """Whether all of it runs already, so that nothing is started."""
        return all(s.url for s in self.services)

    def can_be_told(self, edge: EdgeAnswer) -> bool:
        """Whether a proxy can be put on an edge: its caller is started here, and learns from a variable."""
        return bool(edge.env) and any(s.name == edge.caller and s.command for s in self.services)


def read_flags(
    name: str, services: Iterable[str], openapi: Iterable[str], ready: Iterable[str], edges: Iterable[str]
) -> Answers:
    """Read the flags of `harness init`.

    Args:
        services: `NAME=COMMAND LINE` or `NAME=http://...`.
        openapi, ready: `NAME=PATH`.
        edges: `CALLER:CALLEE` or `CALLER:CALLEE=VARIABLE`.

    Raises:
        UsageError: when one cannot be read, or names an unknown service.
    """
    started = dict(_pair(text, "--service", "orders=python -m orders") for text in services)
    if not started:
        raise UsageError('no service was named. Name at least one: --service "orders=python -m orders".')
    documents = _of_services(openapi, "--openapi", "orders=/openapi.json", started)
    readiness = _of_services(ready, "--ready", "orders=/health", started)
    return Answers(
        name=name,
        services=tuple(_service(n, how, documents.get(n, ""), readiness.get(n, "")) for n, how in started.items()),
        edges=tuple(_edge(text, started) for text in edges),
    )


def _pair(text: str, flag: str, example: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not value.strip() or not _NAME.fullmatch(name):
        raise UsageError(f'{flag} "{text}" cannot be read. Expected something like {flag} "{example}".')
    return name, value.strip()


def _of_services(texts: Iterable[str], flag: str, example: str, known: Mapping[str, str]) -> dict[str, str]:
    pairs = dict(_pair(text, flag, example) for text in texts)
    for name in pairs:
        _check_known(name, flag, known)
    return pairs


def _check_known(name: str, flag: str, known: Iterable[str]) -> None:
    if name not in set(known):
        raise UsageError(
            f'{flag}: there is no service "{name}".{did_you_mean(name, known)} Named with --service: {", ".join(known)}.'
        )


def _service(name: str, how: str, openapi: str, ready: str) -> ServiceAnswer:
    if how.startswith(("http://", "https://")):
        return ServiceAnswer(name, url=how, openapi=openapi, ready=ready)
    try:
        words = tuple(shlex.split(how))
    except ValueError as error:
        raise UsageError(f"--service {name}: the command line {how!r} cannot be read: {error}.") from None
    return ServiceAnswer(name, command=words, openapi=openapi, ready=ready)


def _edge(text: str, known: Mapping[str, str]) -> EdgeAnswer:
    edge, _, env = text.partition("=")
    caller, sign, callee = edge.partition(":")
    if not sign:
        raise UsageError(
            f'--edge "{text}" cannot be read. Expected something like --edge orders:payments=PAYMENTS_URL.'
        )
    for name in (caller, callee):
        _check_known(name, "--edge", known)
    return EdgeAnswer(caller, callee, env)
