"""The tables of `harness.toml` as they are written; what they mean is in `config.py`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from harness.system import values
from harness.system.fields import Duration, Flag, Line, QuantityText, Strict, Whole, checked
from harness.system.model import Broker, Suites

__all__ = ["ContractsTable", "GateSpec", "HarnessFile", "Name", "ServiceTable", "UseTable"]


def _unless_empty(problem_of: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: problem_of(text) if text else ""


def _document(text: str) -> str:
    if "://" in text:
        return values.bad_url(text, base=False)
    return values.bad_path(text) if text.startswith("/") else values.bad_line(text)


def _source(text: str) -> str:
    if "://" in text and not text.lower().startswith(("http://", "https://")):
        return "can be read from nowhere: only files, http and https are"
    return values.bad_url(text, base=False) if "://" in text else values.bad_line(text)


def _handler(text: str) -> str:
    return "" if text.startswith("python:") else values.bad_path(text)


#: A name in the system. It becomes the name of files, so it cannot be of any length.
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=100)]
_Word = Annotated[str, Field(max_length=values.LONGEST_WORD_B // 4), checked(values.unprintable)]
_VariableName = Annotated[str, Field(max_length=1000), checked(values.bad_environment_name)]
_MaybeVariable = Annotated[str, Field(max_length=1000), checked(_unless_empty(values.bad_environment_name))]
_BaseUrl = Annotated[str, Field(pattern=r"^$|^https?://"), checked(_unless_empty(values.bad_url))]
_Path = Annotated[str, Field(pattern=r"^$|^/"), checked(_unless_empty(values.bad_path))]


def _not_a_shell_line(value: object) -> object:
    if isinstance(value, str):
        raise ValueError('must be a list of words, such as ["python", "-m", "orders"]')  # noqa: TRY004
    if isinstance(value, list) and value and (not isinstance(value[0], str) or not value[0].strip()):
        raise ValueError("the first word must be the program to start, and it is empty")
    return value


_Command = Annotated[tuple[_Word, ...], BeforeValidator(_not_a_shell_line)]


def _labels(value: object) -> object:
    """A table of plain values, each as text."""
    if not isinstance(value, dict):
        return value
    for key, inner in value.items():
        if not isinstance(inner, str | int | float | date):
            kind = "table" if isinstance(inner, dict) else "list" if isinstance(inner, list) else type(inner).__name__
            raise ValueError(f"{key} must be a text, a number or a truth value, not a {kind}")  # noqa: TRY004
    return {k: v if isinstance(v, str) else str(v) for k, v in value.items()}


_Labels = Annotated[dict[Line, Line], BeforeValidator(_labels)]


class GateSpec(Strict):
    """One `[[gates]]` entry: a rule on a measure, or on findings."""

    measure: Line = Field("", description="Name of the measure, e.g. load.latency.p99.")
    findings: Line = Field("", description="Glob over rules of findings, e.g. fuzz.*; max is then a count.")
    where: _Labels = Field(default_factory=dict, description="Labels the measure must carry.")
    max: QuantityText | None = None
    min: QuantityText | None = None
    warn: QuantityText | None = Field(None, description="Beyond this (in the direction of max or min), warn.")
    baseline: str = Field(
        "",
        pattern=r"^$|^[+-][0-9]{1,6}(\.[0-9]{1,6})?%$",
        description="Allowed change against the last passing runs, e.g. +10%.",
    )


class _SystemTable(Strict):
    name: Line = Field(min_length=1, max_length=200)
    entry: str = ""
    redact: tuple[Annotated[Line, Field(min_length=1)], ...] = ()

    @field_validator("name")
    @classmethod
    def _said(cls, name: str) -> str:
        if not name.strip():
            raise ValueError("must not be blank")
        return name


class _RuntimeTable(Strict):
    kind: Literal["process", "external"] = "process"
    production: Flag = False
    allow_targets: tuple[Annotated[str, checked(values.bad_target)], ...] = ()
    start_timeout: Duration = 30.0


class _BreakerTable(Strict):
    failures: Whole = Field(ge=1, le=10_000, description="Failed calls in a row after which it opens.")
    open_for: Duration = Field(description="How long it stays open before it lets a probe through.")


class UseTable(Strict):
    """`[services.NAME.uses.NEIGHBOUR]`: an edge, and what it promises."""

    env: _MaybeVariable = ""
    kind: Literal["http", "events"] = "http"
    url: Annotated[str, Field(max_length=10_000), checked(values.bad_line)] = ""
    budget: Duration | None = None
    attempts: Whole | None = Field(None, ge=1, le=1000)
    on_failure: Literal["reject", "degrade", "queue", "drop"] | None = None
    breaker: _BreakerTable | None = Field(None, description="The caller's circuit breaker on this edge.")


class _AuthTable(Strict):
    header: Annotated[str, checked(values.bad_header_name)] = "Authorization"
    value: Annotated[str, Field(max_length=10_000), checked(values.bad_header_value)] = "Bearer {token}"
    command: _Command = ()

    @field_validator("value")
    @classmethod
    def _of_known_parts(cls, value: str) -> str:
        if problem := values.bad_placeholder(value, ("token",), variables=True):
            raise ValueError(problem)
        return value


class ServiceTable(Strict):
    """`[services.NAME]`: one service, how it is started and where its documents are."""

    command: _Command = ()
    cwd: Line = "."
    env: Annotated[dict[_VariableName, _Word], BeforeValidator(_labels)] = Field(default_factory=dict)
    image: Line = ""
    url: _BaseUrl = ""
    openapi: Annotated[str, checked(_unless_empty(_document))] = ""
    asyncapi: Annotated[str, checked(_unless_empty(_document))] = ""
    ready: _Path = ""
    states: Annotated[
        str,
        Field(pattern=r"^$|^/|^python:[A-Za-z_][\w.]*:[A-Za-z_]\w*$"),
        checked(_unless_empty(_handler)),
    ] = ""
    messages: _Path = ""
    port: Whole = Field(0, ge=0, le=65535)
    port_env: _VariableName = "PORT"
    start_timeout: Duration | None = None
    auth: _AuthTable | None = None
    uses: dict[Name, UseTable] = Field(default_factory=dict)


class _ResourceTable(Strict):
    kind: Line = Field(min_length=1)


_SUITES = Suites()


#: A file or folder of the project; empty would be the project itself.
_Place = Annotated[Line, Field(min_length=1)]


class _SuitesTable(Strict):
    contracts: _Place = _SUITES.contracts
    pacts: _Place = _SUITES.pacts
    baselines: _Place = _SUITES.baselines
    journeys: _Place = _SUITES.journeys
    slos: _Place = _SUITES.slos
    locustfile: _Place = _SUITES.locustfile
    experiments: _Place = _SUITES.experiments


class _SelectorTable(Strict):
    """A consumer version selector, its keys as the Pact Broker's API spells them."""

    mainBranch: Literal[True] | None = None  # noqa: N815 - the API
    matchingBranch: Literal[True] | None = None  # noqa: N815 - the API
    deployedOrReleased: Literal[True] | None = None  # noqa: N815 - the API
    deployed: Literal[True] | None = None
    released: Literal[True] | None = None
    environment: Line = ""
    branch: Line = ""
    fallbackBranch: Line = ""  # noqa: N815 - the API
    fallbackToMainBranch: Literal[True] | None = None  # noqa: N815 - the API
    tag: Line = ""
    fallbackTag: Line = ""  # noqa: N815 - the API
    latest: Flag | None = None
    consumer: Line = ""

    @model_validator(mode="after")
    def _selects(self) -> _SelectorTable:
        if not self.model_dump(exclude_defaults=True):
            raise ValueError("an empty table selects nothing; write one such as { mainBranch = true }")
        return self


_BROKER = Broker()


class _BrokerTable(Strict):
    url: _BaseUrl = Field(default="", description="Base URL; PACT_BROKER_BASE_URL takes precedence.")
    selectors: tuple[_SelectorTable, ...] = Field(
        default=(),
        description="Consumer versions whose pacts are verified; main, matching and deployed ones by default.",
    )
    pending: Flag = Field(default=_BROKER.pending, description="Only tell mismatches of pacts that were never kept.")
    wip_since: str = Field(
        default="",
        pattern=r"^$|^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        description="Verify work in progress from this day on as well.",
    )
    publish: Flag = Field(default=_BROKER.publish, description="Send the results of the provider stage to the broker.")

    @field_validator("wip_since")
    @classmethod
    def _a_day(cls, value: str) -> str:
        if value:
            try:
                date.fromisoformat(value)
            except ValueError:
                raise ValueError("there is no such day") from None
        return value


class ContractsTable(Strict):
    """`[contracts]`: where pacts come from."""

    sources: tuple[Annotated[str, checked(_source)], ...] = Field(
        default=(), description="Files, folders, globs and URLs of pacts; suites.pacts by default."
    )
    authorization_env: _MaybeVariable = Field(
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
    services: dict[Name, ServiceTable] = Field(min_length=1)
    resources: dict[Name, _ResourceTable] = Field(default_factory=dict)
    suites: _SuitesTable = Field(default_factory=_SuitesTable)
    contracts: ContractsTable = Field(default_factory=ContractsTable)
    stages: dict[str, dict[str, Any]] = Field(default_factory=dict)
    profiles: dict[Literal["quick", "full"], _ProfileTable] = Field(default_factory=dict)
    gates: tuple[GateSpec, ...] = ()
