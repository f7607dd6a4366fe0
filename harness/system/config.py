"""Reads `harness.toml` into the model; every mistake becomes one message with key, value found and what is accepted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import ConfigError, UsageError, did_you_mean
from harness.system.fields import StageSettings
from harness.system.mistakes import translate
from harness.system.model import (
    Auth,
    BreakerPromise,
    Broker,
    Edge,
    EdgeKind,
    OnFailure,
    Published,
    ResilienceContract,
    Resource,
    RuntimeKind,
    RuntimeSettings,
    Service,
    Suites,
    System,
)
from harness.system.tables import ContractsTable, GateSpec, HarnessFile, ServiceTable, UseTable
from harness.system.toml import read_toml
from harness.system.values import CALLEE_PLACEHOLDERS, PLACEHOLDERS, bad_placeholder

__all__ = [
    "CONFIG_FILE",
    "Project",
    "find_config",
    "load_project",
    "read_toml",
]

CONFIG_FILE = "harness.toml"


@dataclass(frozen=True, slots=True)
class Project:
    """A read `harness.toml`: the system, and the raw settings that stages read for themselves.

    Args:
        root: folder of `harness.toml`; every relative path in it starts here.
        stages: stage name -> its raw table.
        profiles: profile -> stage name -> raw overrides.
    """

    root: Path
    file: Path
    system: System
    gates: tuple[GateSpec, ...] = ()
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    profiles: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)

    def settings(self, stage: str, kind: type[StageSettings], profile: str) -> StageSettings:
        """Read the settings of `stage`, the profile's overrides applied.

        Raises:
            ConfigError: on an unknown key or a value that does not fit.
        """
        base, over = self.stages.get(stage, {}), self.profiles.get(profile, {}).get(stage, {})
        for table, prefix in ((over, f"profiles.{profile}.stages.{stage}"), (base, f"stages.{stage}")):
            try:
                kind.model_validate(dict(table))
            except ValidationError as error:
                raise translate(error, self.file.name, prefix, kind) from None
        settings = kind.model_validate({**base, **over})
        if not settings.enabled and not settings.reason:
            raise ConfigError(
                self.file.name, f"stages.{stage}.reason", "a stage that is switched off must say why, found nothing"
            )
        return settings


def find_config(start: Path) -> Path:
    """Look for `harness.toml` in `start` and the folders above it.

    Raises:
        UsageError: when there is none, or its path cannot be written down.
    """
    try:
        str(start).encode()
    except UnicodeEncodeError:  # results and requests to stages are UTF-8, and paths are in them
        raise UsageError(
            f"the path {str(start)!a} is not UTF-8 here (file names are read as {sys.getfilesystemencoding()}). "
            "Choose a UTF-8 locale or set PYTHONUTF8=1."
        ) from None
    if os.path.lexists(start) and not start.is_dir():
        return start
    for folder in (start, *start.parents):
        if os.path.lexists(folder / CONFIG_FILE):
            return folder / CONFIG_FILE  # a folder or a pipe of that name is told when it is read
    raise UsageError(
        f"no {CONFIG_FILE} in {start} or any folder above it. "
        f"Write a starter with `harness init`, or name one with --config FILE."
    )


def load_project(file: Path) -> Project:
    """Read and check `harness.toml`.

    Raises:
        ConfigError: on the first mistake found.
    """
    raw = read_toml(file)
    try:
        parsed = HarnessFile.model_validate(raw)
    except ValidationError as error:
        raise translate(error, file.name, "", HarnessFile) from None
    return Project(
        root=file.parent.resolve(),
        file=file.resolve(),
        system=_system(parsed, file.name),
        gates=parsed.gates,
        stages=parsed.stages,
        profiles={name: table.stages for name, table in parsed.profiles.items()},
    )


def _system(parsed: HarnessFile, file: str) -> System:
    for name, table in parsed.services.items():
        _check_placeholders(name, table, parsed, file)
        _check_variables(name, table, file)
    services = {n: _service(n, t, parsed.runtime.start_timeout) for n, t in parsed.services.items()}
    resources = {n: Resource(n, t.kind) for n, t in parsed.resources.items()}
    both = services.keys() & resources.keys()
    if both:
        name = min(both)
        raise ConfigError(file, f"resources.{name}", f'"{name}" is already the name of a service.')
    edges = tuple(
        _edge(caller, callee, use, services, resources, file)
        for caller, table in parsed.services.items()
        for callee, use in table.uses.items()
    )
    entry = parsed.system.entry or _default_entry(services, edges)
    if entry not in services:
        raise ConfigError(
            file, "system.entry", f'there is no service "{entry}".{did_you_mean(entry, services)}', ", ".join(services)
        )
    kind = RuntimeKind(parsed.runtime.kind)
    _check_startable(services, kind, file)
    _check_ports(services.values(), file)
    return System(
        name=parsed.system.name,
        services=services,
        edges=edges,
        resources=resources,
        entry=entry,
        runtime=RuntimeSettings(kind, parsed.runtime.production, parsed.runtime.allow_targets),
        suites=Suites(**parsed.suites.model_dump()),
        redact=parsed.system.redact,
        contracts=_published(parsed.contracts),
    )


def _check_placeholders(name: str, table: ServiceTable, parsed: HarnessFile, file: str) -> None:
    """Whatever the runtime fills in must stand for something: a typing error would be handed on as it is."""
    known = (*PLACEHOLDERS, *(f"services.{other}.url" for other in parsed.services))
    texts = {f"command.{i}": word for i, word in enumerate(table.command)}
    texts |= {f"env.{variable}": value for variable, value in table.env.items()}
    for key, text in texts.items():
        if problem := bad_placeholder(text, known):
            raise ConfigError(file, f"services.{name}.{key}", f"{problem}.")
    for callee, use in table.uses.items():
        # Where a resource is, its own template says.
        more = CALLEE_PLACEHOLDERS if callee in parsed.services else ()
        if problem := bad_placeholder(use.url, (*known, *more)):
            raise ConfigError(file, f"services.{name}.uses.{callee}.url", f"{problem}.")


def _check_variables(name: str, table: ServiceTable, file: str) -> None:
    """Two things told through one variable: the service would hear only of the last."""
    owners = {table.port_env: "its port"}
    for callee, use in table.uses.items():
        if use.env in owners:
            raise ConfigError(
                file,
                f"services.{name}.uses.{callee}.env",
                f'"{use.env}" tells {name} {owners[use.env]} already.',
                "a variable of its own",
            )
        if use.env:
            owners[use.env] = f"where {callee} is"


def _published(table: ContractsTable) -> Published:
    given = table.broker
    selectors = tuple(s.model_dump(exclude_defaults=True) for s in given.selectors)
    broker = Broker(**{**given.model_dump(), "url": given.url.rstrip("/"), "selectors": selectors})
    return Published(sources=table.sources, authorization_env=table.authorization_env, broker=broker)


def _service(name: str, table: ServiceTable, start_timeout: float) -> Service:
    return Service(
        name=name,
        command=table.command,
        cwd=table.cwd,
        env=table.env,
        image=table.image,
        url=table.url.rstrip("/"),
        openapi=table.openapi,
        asyncapi=table.asyncapi,
        ready=table.ready,
        states=table.states,
        messages=table.messages,
        port=table.port,
        port_env=table.port_env,
        start_timeout_s=table.start_timeout or start_timeout,
        auth=Auth(table.auth.header, table.auth.value, table.auth.command) if table.auth else None,
    )


def _edge(
    caller: str, callee: str, use: UseTable, services: Iterable[str], resources: Iterable[str], file: str
) -> Edge:
    key = f"services.{caller}.uses.{callee}"
    known = (*services, *resources)
    if callee not in known:
        raise ConfigError(
            file,
            key,
            f'there is no service or resource "{callee}".{did_you_mean(callee, known)}',
            ", ".join(known),
        )
    if callee == caller:
        raise ConfigError(file, key, "a service cannot be its own neighbour.")
    kind = EdgeKind(use.kind) if callee in set(services) else EdgeKind.RESOURCE
    failure = OnFailure(use.on_failure) if use.on_failure else None
    breaker = BreakerPromise(use.breaker.failures, use.breaker.open_for) if use.breaker else None
    contract = ResilienceContract(use.budget, use.attempts, failure, breaker)
    return Edge(caller, callee, use.env, kind, use.url, contract)


def _default_entry(services: Mapping[str, Service], edges: tuple[Edge, ...]) -> str:
    used = {e.callee for e in edges}
    return next((n for n in services if n not in used), next(iter(services)))


def _check_ports(services: Iterable[Service], file: str) -> None:
    owners: dict[int, str] = {}
    for service in services:
        if service.port in owners:
            raise ConfigError(
                file,
                f"services.{service.name}.port",
                f"{service.port} is the port of {owners[service.port]} already.",
                "a port of its own, or none at all to have one picked",
            )
        if service.port:
            owners[service.port] = service.name


def _check_startable(services: Mapping[str, Service], kind: RuntimeKind, file: str) -> None:
    for name, service in services.items():
        if kind is RuntimeKind.PROCESS and not service.command and not service.url:
            raise ConfigError(
                file,
                f"services.{name}.command",
                "nothing says how to start it.",
                'a list of words, such as ["python", "-m", "orders"], or url = "http://..." for one that runs already',
            )
        if kind is RuntimeKind.EXTERNAL and not service.url:
            raise ConfigError(file, f"services.{name}.url", "the external runtime needs to know where it runs.")
