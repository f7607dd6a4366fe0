"""The tables of `harness.toml` as they are written, with the values that have a unit; what they mean is in `config.py`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from harness.evidence.measure import Quantity
from harness.system.model import Broker, Suites

__all__ = [
    "ContractsTable",
    "Duration",
    "GateSpec",
    "HarnessFile",
    "QuantityText",
    "Rate",
    "ServiceTable",
    "Share",
    "StageSettings",
    "Strict",
    "UseTable",
]

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


class UseTable(Strict):
    """`[services.NAME.uses.NEIGHBOUR]`: an edge, and what it promises."""

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


class ServiceTable(Strict):
    """`[services.NAME]`: one service, how it is started and where its documents are."""

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
    uses: dict[Annotated[str, Field(pattern=_NAME)], UseTable] = Field(default_factory=dict)

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


class ContractsTable(Strict):
    """`[contracts]`: where pacts come from."""

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
    services: dict[Annotated[str, Field(pattern=_NAME)], ServiceTable] = Field(min_length=1)
    resources: dict[Annotated[str, Field(pattern=_NAME)], _ResourceTable] = Field(default_factory=dict)
    suites: _SuitesTable = Field(default_factory=_SuitesTable)
    contracts: ContractsTable = Field(default_factory=ContractsTable)
    stages: dict[str, dict[str, Any]] = Field(default_factory=dict)
    profiles: dict[Literal["quick", "full"], _ProfileTable] = Field(default_factory=dict)
    gates: tuple[GateSpec, ...] = ()
