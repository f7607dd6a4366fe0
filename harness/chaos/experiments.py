"""Experiments as people write them (`chaos/*.toml`) and as values; every mistake is one message. Runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema

from harness.chaos.faults import FAULTS, Fault
from harness.errors import ConfigError, UsageError, did_you_mean
from harness.evidence import Quantity
from harness.system.config import Duration, Strict, read_toml
from harness.system.mistakes import translate
from harness.system.model import Edge, EdgeKind, System

__all__ = [
    "INVARIANTS_FILE",
    "REFUSED",
    "Expect",
    "Expectation",
    "Experiment",
    "ExperimentFile",
    "Injection",
    "SteadyState",
    "load_experiments",
    "read_injection",
    "select",
]

#: The fault that is no toxic: the proxy does not listen, so connections are refused.
REFUSED = "refused"
INVARIANTS_FILE = "invariants.py"
#: A toxic whose main attribute is zero does nothing, so an experiment with it would prove nothing.
_MUST_BE_POSITIVE = {
    "latency": "latency",
    "slicer": "average_size",
    "slow_close": "delay",
    "http_delay": "delay",
    "http_fail_first": "count",
}
_TYPES = (REFUSED, *sorted(t for t in FAULTS if t != "noop"))


class Expect(StrEnum):
    """What users see while the fault lasts: all of it, less of it, or a quick and honest no."""

    FULL = "full"
    DEGRADED = "degraded"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault: a toxic's type and attributes (as the server has them), or `refused`."""

    type: str
    attributes: Mapping[str, int | str] = field(default_factory=dict)
    stream: str = "downstream"
    toxicity: float = 1.0


@dataclass(frozen=True, slots=True)
class SteadyState:
    """What holds when all is well: the share of journeys that succeed, and their p95 in seconds."""

    success: float = 1.0
    p95_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must hold while the fault lasts.

    Args:
        statuses: answers at the entry that are allowed beside those the journey expects.
        latency_s: the longest one answer at the entry may take, in seconds.
        success: the least share of journeys that succeed.
    """

    expect: Expect
    statuses: tuple[int, ...]
    latency_s: float
    success: float


@dataclass(frozen=True, slots=True)
class Experiment:
    """A fault on an edge, and what is promised before, while it lasts, and after.

    Args:
        file: as the user would type it.
        journeys: walked in the background; not empty.
        rate: journeys per second; None: the stage's.
        fault_s: how long the fault lasts at least; None: the stage's.
        recovery_s: the longest from lifting the fault to the first of several good journeys in a row.
        after: invariants that must hold when it has recovered.
    """

    name: str
    title: str
    file: str
    edge: Edge
    faults: tuple[Injection, ...]
    journeys: tuple[str, ...]
    during: Expectation
    steady: SteadyState = SteadyState()
    rate: float | None = None
    fault_s: float | None = None
    recovery_s: float = 5.0
    after: tuple[str, ...] = ()

    @property
    def fault(self) -> str:
        """Its faults in one word, for labels: `latency`, `latency+bandwidth`."""
        return "+".join(dict.fromkeys(f.type for f in self.faults))


def _ratio(value: object) -> float:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        ratio = Quantity.parse(value).in_unit("ratio")
        if 0 <= ratio <= 1:
            return ratio
    raise ValueError("must be a share such as 99% or 0.99")


_Ratio = Annotated[float, BeforeValidator(_ratio, json_schema_input_type=str | float)]
#: Which of the two it must be, the fault says (`_checked`).
_Attribute = Annotated[object, WithJsonSchema({"type": ["integer", "string"]})]
_Names = Annotated[tuple[str, ...], Field(min_length=1)]


class _FaultTable(Strict):
    type: str = Field(description="A toxic's type, or refused.")
    attributes: dict[str, _Attribute] = Field(default_factory=dict, description="As in docs/how-to/chaos.md.")
    stream: Literal["upstream", "downstream"] = "downstream"
    toxicity: float = Field(1.0, gt=0, le=1, description="Share of connections it applies to.")


class _SteadyTable(Strict):
    success: _Ratio = Field(1.0, description="Least share of journeys that succeed.")
    p95: Duration = Field(1.0, description="Their 95th percentile.")


class _DuringTable(Strict):
    expect: Literal["full", "degraded", "rejected"]
    statuses: tuple[Annotated[int, Field(ge=100, le=599)], ...] | None = Field(
        None, description="Answers allowed beside those the journeys expect; 503 by default when rejected."
    )
    latency: Duration = Field(description="The longest an answer at the entry may take.")
    success: _Ratio | None = Field(None, description="Least share of journeys that succeed; 0% when rejected.")


class _RecoveryTable(Strict):
    within: Duration = Field(5.0, description="From lifting the fault to the first of several good journeys.")


class ExperimentFile(Strict):
    """One file of the experiments' folder."""

    name: str = Field("", pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._-]*$", description="By default the file's name.")
    title: str = Field("", description="What is tried, in one line.")
    edge: str = Field(description="caller -> callee")
    journeys: _Names = Field(description="Journeys walked in the background.")
    rate: float | None = Field(None, gt=0, le=1000, description="Journeys per second.")
    fault_for: Duration | None = Field(None, description="How long the fault lasts at least.")
    faults: Annotated[tuple[_FaultTable, ...], Field(min_length=1)]
    steady_state: _SteadyTable = Field(default_factory=_SteadyTable)  # type: ignore[arg-type]  # pydantic fills defaults
    during: _DuringTable
    recovery: _RecoveryTable = Field(default_factory=_RecoveryTable)  # type: ignore[arg-type]  # pydantic fills defaults
    after: tuple[str, ...] = Field((), description="Invariants that must hold when it has recovered.")


def load_experiments(system: System, root: Path) -> tuple[Experiment, ...]:
    """Read every experiment of the project, by file name.

    Raises:
        ConfigError: on the first mistake.
    """
    folder = root / system.suites.experiments
    found: dict[str, Experiment] = {}
    for path in sorted(folder.glob("*.toml")):
        shown = str(path.relative_to(root))
        experiment = _read(path, shown, system)
        if experiment.name in found:
            raise ConfigError(
                shown, "name", f'"{experiment.name}" is already the name of {found[experiment.name].file}.'
            )
        found[experiment.name] = experiment
    return tuple(found.values())


def select(experiments: Sequence[Experiment], only: Mapping[str, str]) -> tuple[Experiment, ...]:
    """Keep those asked for on the command line (`experiment`, `edge`).

    Raises:
        UsageError: when there is no experiment of that name.
    """
    name, edge = only.get("experiment", ""), only.get("edge", "")
    names = [e.name for e in experiments]
    if name and name not in names:
        raise UsageError(f'there is no experiment "{name}".{did_you_mean(name, names)} Known: {", ".join(names)}.')
    return tuple(e for e in experiments if name in {"", e.name} and edge in {"", e.edge.key, e.edge.name})


def _read(path: Path, shown: str, system: System) -> Experiment:
    try:
        table = ExperimentFile.model_validate(read_toml(path, shown))
    except ValidationError as error:
        raise translate(error, shown, "", ExperimentFile) from None
    if table.after and not (path.parent / INVARIANTS_FILE).is_file():
        raise ConfigError(
            shown, "after", f"names invariants, but there is no {INVARIANTS_FILE} in {system.suites.experiments}/."
        )
    faults = tuple(_injection(f, f"faults.{i}", shown) for i, f in enumerate(table.faults))
    expect = Expect(table.during.expect)
    rejected = expect is Expect.REJECTED
    statuses, success = table.during.statuses, table.during.success
    return Experiment(
        name=table.name or path.stem,
        title=table.title or table.name or path.stem,
        file=shown,
        edge=_edge(table.edge, shown, system),
        faults=faults,
        journeys=table.journeys,
        during=Expectation(
            expect,
            statuses=((503,) if rejected else ()) if statuses is None else statuses,
            latency_s=table.during.latency,
            success=(0.0 if rejected else 1.0) if success is None else success,
        ),
        steady=SteadyState(table.steady_state.success, table.steady_state.p95),
        rate=table.rate,
        fault_s=table.fault_for,
        recovery_s=table.recovery.within,
        after=table.after,
    )


def _edge(text: str, file: str, system: System) -> Edge:
    wanted = " -> ".join(part.strip() for part in text.replace("->", ":").split(":"))
    edge = system.edge(wanted)
    if edge is None:
        names = [e.name for e in system.edges if e.kind is not EdgeKind.RESOURCE]
        raise ConfigError(
            file, "edge", f'there is no edge "{text}" in the system.{did_you_mean(wanted, names)}', _listed(names)
        )
    if edge.kind is EdgeKind.RESOURCE:
        raise ConfigError(file, "edge", f'"{edge.name}" leads to a resource; only edges between services have proxies.')
    if not edge.env:
        raise ConfigError(
            file,
            "edge",
            f"nothing tells {edge.caller} where {edge.callee} is, so no proxy can be put there; "
            f"services.{edge.caller}.uses.{edge.callee}.env in harness.toml names the variable.",
        )
    return edge


def read_injection(raw: Mapping[str, object], key: str, file: str) -> Injection:
    """One fault from the keys of a `[[faults]]` table, wherever it was written.

    Args:
        key: where it stands, for messages. file: as the user would type it.

    Raises:
        ConfigError: on the first mistake.
    """
    try:
        table = _FaultTable.model_validate(raw)
    except ValidationError as error:
        raise translate(error, file, key, _FaultTable) from None
    return _injection(table, key, file)


def _injection(table: _FaultTable, key: str, file: str) -> Injection:
    if table.type not in _TYPES:
        raise ConfigError(
            file, f"{key}.type", f'found "{table.type}".{did_you_mean(table.type, _TYPES)}', _listed(_TYPES)
        )
    attributes = _checked(table, key, file)
    needed = _MUST_BE_POSITIVE.get(table.type)
    if needed and not attributes.get(needed):
        raise ConfigError(file, f"{key}.attributes.{needed}", "is missing or 0, so the fault would do nothing.")
    return Injection(table.type, attributes, table.stream, table.toxicity)


def _checked(table: _FaultTable, key: str, file: str) -> dict[str, int | str]:
    """The attributes, each known to the fault and of its type, and together of sense to it."""
    kinds = {f.name: f.type for f in fields(FAULTS[table.type])} if table.type != REFUSED else {}
    checked: dict[str, int | str] = {}
    for name, value in table.attributes.items():
        where = f"{key}.attributes.{name}"
        if name not in kinds:
            problem = f'{table.type} has no attribute "{name}".{did_you_mean(name, kinds)}'
            raise ConfigError(file, where, problem, _listed(kinds) or "no attributes at all")
        wanted, word = (str, "string") if kinds[name] == "str" else (int, "integer")
        if not isinstance(value, int | str) or type(value) is not wanted:
            raise ConfigError(file, where, f"input should be a valid {word}, found {value!r}.")
        if isinstance(value, int) and value < 0:
            raise ConfigError(file, where, f"found {value}.", "0 or more")
        checked[name] = value
    if table.type != REFUSED:
        make: Callable[..., Fault] = FAULTS[table.type]
        if problem := make(**checked).problem():
            raise ConfigError(file, f"{key}.attributes", problem)
    return checked


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
