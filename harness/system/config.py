"""Reads `harness.toml` into the model; every mistake becomes one message with key, value found and what is accepted."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from harness.errors import ConfigError, UsageError, did_you_mean
from harness.evidence.measure import Quantity
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

__all__ = [
    "CONFIG_FILE",
    "Duration",
    "GateSpec",
    "Project",
    "QuantityText",
    "Rate",
    "Share",
    "StageSettings",
    "Strict",
    "find_config",
    "load_project",
    "read_toml",
]

CONFIG_FILE = "harness.toml"
_NAME = r"^[A-Za-z][A-Za-z0-9_-]*$"


def _seconds(value: object) -> float:
    if isinstance(value, str):
        quantity = Quantity.parse(value)
        if quantity.unit:
            seconds = quantity.in_unit("s")
            if seconds <= 0:
                raise ValueError("must be longer than zero")
            return seconds
    raise ValueError("must be a duration with a unit, such as 800ms, 30s or 2m")


def _quantity(value: object) -> Quantity:
    if isinstance(value, Quantity):
        return value
    return Quantity.parse(value)  # type: ignore[arg-type]  # parse says itself what it accepts


def _per_second(value: object) -> float:
    if isinstance(value, str):
        quantity = Quantity.parse(value)
        rate = quantity.in_unit("1/s") if quantity.unit else 0.0
        if rate > 0:
            return rate
    raise ValueError('must be a rate above zero with a unit, such as "30/s" or "120/m"')


def _share(value: object) -> float:
    if isinstance(value, str):
        quantity = Quantity.parse(value)
        if quantity.unit == "%" and 0 <= quantity.value <= 100:
            return quantity.in_unit("ratio")
    raise ValueError('must be a percentage from 0% to 100%, such as "1%"')


#: Something per second, written in files as text with a unit: "30/s", "120/m".
Rate = Annotated[float, BeforeValidator(_per_second, json_schema_input_type=str)]
#: A share from 0 to 1, written in files as a percentage: "1%".
Share = Annotated[float, BeforeValidator(_share, json_schema_input_type=str)]
#: Seconds, written in files as text with a unit: "800ms", "30s", "2m".
Duration = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=str)]
#: A limit in a gate: "400ms", "1%", "50/s", 3.
QuantityText = Annotated[Quantity, BeforeValidator(_quantity, json_schema_input_type=str | int | float)]


class Strict(BaseModel):
    """Base of every table in a file: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StageSettings(Strict):
    """What every `[stages.<name>]` table takes.

    A stage that is switched off says why: `enabled = false` needs a `reason`.
    """

    enabled: bool = True
    reason: str = Field("", description="Why the stage is switched off; required with enabled = false.")
    after: tuple[str, ...] | None = Field(None, description="Stages that must have ended before this one starts.")
    requires: tuple[str, ...] | None = Field(None, description="Stages that must not have failed.")
    time_limit: Duration = Field(300.0, description="The longest the stage may take.")


class GateSpec(Strict):
    """One `[[gates]]` entry: a rule on a measure, or on findings."""

    measure: str = Field("", description="Name of the measure, e.g. load.latency.p99.")
    findings: str = Field("", description="Glob over rules of findings, e.g. fuzz.*; max is then a count.")
    where: dict[str, str] = Field(default_factory=dict, description="Labels the measure must carry.")
    max: QuantityText | None = None
    min: QuantityText | None = None
    warn: QuantityText | None = Field(None, description="Beyond this (in the direction of max or min), warn.")
    baseline: str = Field(
        "",
        pattern=r"^$|^[+-]\d+(\.\d+)?%$",
        description="Allowed change against the last passing runs, e.g. +10%.",
    )

    @field_validator("where", mode="before")
    @classmethod
    def _labels(cls, value: object) -> object:
        return {k: str(v) for k, v in value.items()} if isinstance(value, dict) else value


class _SystemTable(Strict):
    name: str = Field(min_length=1)
    entry: str = ""
    redact: tuple[str, ...] = ()


class _RuntimeTable(Strict):
    kind: Literal["process", "external"] = "process"
    production: bool = False
    allow_targets: tuple[str, ...] = ()
    start_timeout: Duration = 30.0


class _BreakerTable(Strict):
    failures: int = Field(ge=1, description="Failed calls in a row after which it opens.")
    open_for: Duration = Field(description="How long it stays open before it lets a probe through.")


class _UseTable(Strict):
    env: str = ""
    kind: Literal["http", "events"] = "http"
    url: str = ""
    budget: Duration | None = None
    attempts: int | None = Field(None, ge=1)
    on_failure: Literal["reject", "degrade", "queue"] | None = None
    breaker: _BreakerTable | None = Field(None, description="The caller's circuit breaker on this edge.")


class _AuthTable(Strict):
    header: str = "Authorization"
    value: str = "Bearer {token}"
    command: tuple[str, ...] = ()


class _ServiceTable(Strict):
    command: tuple[str, ...] = ()
    cwd: str = "."
    env: dict[str, str] = Field(default_factory=dict)
    image: str = ""
    url: str = Field("", pattern=r"^$|^https?://")
    openapi: str = ""
    asyncapi: str = ""
    ready: str = Field("", pattern=r"^$|^/")
    states: str = Field("", pattern=r"^$|^/|^python:[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    messages: str = Field("", pattern=r"^$|^/")
    port: int = Field(0, ge=0, le=65535)
    port_env: str = "PORT"
    start_timeout: Duration | None = None
    auth: _AuthTable | None = None
    uses: dict[Annotated[str, Field(pattern=_NAME)], _UseTable] = Field(default_factory=dict)

    @field_validator("command", mode="before")
    @classmethod
    def _not_a_shell_line(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError('must be a list of words, such as ["python", "-m", "orders"]')  # noqa: TRY004
        return value

    @field_validator("env", mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        return {k: v if isinstance(v, str) else str(v) for k, v in value.items()} if isinstance(value, dict) else value


class _ResourceTable(Strict):
    kind: str = Field(min_length=1)


_SUITES = Suites()


class _SuitesTable(Strict):
    contracts: str = _SUITES.contracts
    pacts: str = _SUITES.pacts
    baselines: str = _SUITES.baselines
    journeys: str = _SUITES.journeys
    slos: str = _SUITES.slos
    locustfile: str = _SUITES.locustfile
    experiments: str = _SUITES.experiments


class _SelectorTable(Strict):
    """A consumer version selector, its keys as the Pact Broker's API spells them."""

    mainBranch: Literal[True] | None = None  # noqa: N815 - the API
    matchingBranch: Literal[True] | None = None  # noqa: N815 - the API
    deployedOrReleased: Literal[True] | None = None  # noqa: N815 - the API
    deployed: Literal[True] | None = None
    released: Literal[True] | None = None
    environment: str = ""
    branch: str = ""
    fallbackBranch: str = ""  # noqa: N815 - the API
    fallbackToMainBranch: Literal[True] | None = None  # noqa: N815 - the API
    tag: str = ""
    fallbackTag: str = ""  # noqa: N815 - the API
    latest: bool | None = None
    consumer: str = ""

    @model_validator(mode="after")
    def _selects(self) -> _SelectorTable:
        if not self.model_dump(exclude_defaults=True):
            raise ValueError("an empty table selects nothing; write one such as { mainBranch = true }")
        return self


_BROKER = Broker()


class _BrokerTable(Strict):
    url: str = Field(
        default="", pattern=r"^$|^https?://", description="Base URL; PACT_BROKER_BASE_URL takes precedence."
    )
    selectors: tuple[_SelectorTable, ...] = Field(
        default=(),
        description="Consumer versions whose pacts are verified; main, matching and deployed ones by default.",
    )
    pending: bool = Field(default=_BROKER.pending, description="Only tell mismatches of pacts that were never kept.")
    wip_since: str = Field(
        default="", pattern=r"^$|^\d{4}-\d{2}-\d{2}$", description="Verify work in progress from this day on as well."
    )
    publish: bool = Field(default=_BROKER.publish, description="Send the results of the provider stage to the broker.")


class _ContractsTable(Strict):
    sources: tuple[str, ...] = Field(
        default=(), description="Files, folders, globs and URLs of pacts; suites.pacts by default."
    )
    authorization_env: str = Field(
        default="", description="Environment variable whose value is the Authorization header for those URLs."
    )
    broker: _BrokerTable = Field(default_factory=_BrokerTable)

    @field_validator("sources", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError('must be a list, such as ["contracts/pacts"]')  # noqa: TRY004
        if isinstance(value, list) and any(not str(v).strip() for v in value):
            raise ValueError("one of the sources is empty")
        return value


class _ProfileTable(Strict):
    stages: dict[str, dict[str, Any]] = Field(default_factory=dict)


class HarnessFile(Strict):
    """The whole of `harness.toml`; the published JSON Schema is made from this and the stages' own settings."""

    system: _SystemTable
    runtime: _RuntimeTable = Field(default_factory=_RuntimeTable)
    services: dict[Annotated[str, Field(pattern=_NAME)], _ServiceTable] = Field(min_length=1)
    resources: dict[Annotated[str, Field(pattern=_NAME)], _ResourceTable] = Field(default_factory=dict)
    suites: _SuitesTable = Field(default_factory=_SuitesTable)
    contracts: _ContractsTable = Field(default_factory=_ContractsTable)
    stages: dict[str, dict[str, Any]] = Field(default_factory=dict)
    profiles: dict[Literal["quick", "full"], _ProfileTable] = Field(default_factory=dict)
    gates: tuple[GateSpec, ...] = ()


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
    if start.is_file():
        return start
    for folder in (start, *start.parents):
        if (folder / CONFIG_FILE).is_file():
            return folder / CONFIG_FILE
    raise UsageError(
        f"no {CONFIG_FILE} in {start} or any folder above it. "
        f"Write a starter with `harness init`, or name one with --config FILE."
    )


def read_toml(file: Path, shown: str = "") -> dict[str, Any]:
    """Read a TOML file.

    Args:
        shown: the file as the user would type it; its name by default.

    Raises:
        ConfigError: when it cannot be read, is not UTF-8, or is not TOML (with line and column).
    """
    shown = shown or file.name
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))  # some editors begin a file with a mark
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(shown, "", f"is not valid TOML: {error}.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(shown, "", f"is not UTF-8 text: {error}.") from None
    except OSError as error:
        raise ConfigError(shown, "", f"cannot be read: {error.strerror}.") from None


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


def _published(table: _ContractsTable) -> Published:
    given = table.broker
    selectors = tuple(s.model_dump(exclude_defaults=True) for s in given.selectors)
    broker = Broker(**{**given.model_dump(), "url": given.url.rstrip("/"), "selectors": selectors})
    return Published(sources=table.sources, authorization_env=table.authorization_env, broker=broker)


def _service(name: str, table: _ServiceTable, start_timeout: float) -> Service:
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
    caller: str, callee: str, use: _UseTable, services: Iterable[str], resources: Iterable[str], file: str
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
