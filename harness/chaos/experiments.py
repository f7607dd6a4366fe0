"""Experiments as people write them (`chaos/*.toml`) and as values; every mistake is one message. Runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema

from harness.chaos.faults import FAULTS, Fault
from harness.chaos.processes import ProcessAction, ProcessFault, check_process_fault
from harness.errors import ConfigError, UsageError, did_you_mean
from harness.evidence import Quantity
from harness.system.config import read_toml
from harness.system.fields import Duration, Line, Strict, Whole
from harness.system.files import files_in, shown_path
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
    "Lift",
    "Promises",
    "SteadyState",
    "Step",
    "Wait",
    "experiment_of",
    "load_experiments",
    "read_injection",
    "select",
    "unique",
]

#: The fault that is no toxic: the proxy does not listen, so connections are refused.
REFUSED = "refused"
INVARIANTS_FILE = "invariants.py"
#: In milliseconds this is more than three weeks, in bytes two gigabytes.
_LARGEST_ATTRIBUTE = 2**31 - 1
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
    """One fault on an edge: a toxic's type and attributes (as the server has them), or `refused`.

    Args:
        edge: where; None: the experiment's edge.
    """

    type: str
    attributes: Mapping[str, int | str] = field(default_factory=dict)
    stream: str = "downstream"
    toxicity: float = 1.0
    edge: Edge | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Leave things as they are for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Lift:
    """Undo everything that is in force."""


#: What an experiment written in Python does, one after another.
Step = Injection | ProcessFault | Wait | Lift


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
    """Faults on edges and of processes, and what is promised before, while they last, and after.

    Args:
        file: as the user would type it.
        edge: where its faults are put; None when each names its own, or there are faults of processes only.
        journeys: walked in the background; not empty.
        rate: journeys per second; None: the stage's.
        fault_s: how long the fault lasts at least; None: the stage's.
        recovery_s: the longest from lifting the fault to the first of several good journeys in a row.
        after: invariants that must hold when it has recovered.
        processes: what is done to services, after `faults` were put in.
        steps: what is done instead, one after another; `faults` and `processes` then say what occurs among them.
    """

    name: str
    title: str
    file: str
    edge: Edge | None
    faults: tuple[Injection, ...]
    journeys: tuple[str, ...]
    during: Expectation
    steady: SteadyState = SteadyState()
    rate: float | None = None
    fault_s: float | None = None
    recovery_s: float = 5.0
    after: tuple[str, ...] = ()
    processes: tuple[ProcessFault, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def fault(self) -> str:
        """Its faults in one word, for labels: `latency`, `latency+bandwidth`, `kill`."""
        return "+".join(dict.fromkeys([*(f.type for f in self.faults), *(str(p.action) for p in self.processes)]))

    def edge_of(self, fault: Injection) -> Edge:
        """Where one of its faults is put."""
        edge = fault.edge or self.edge
        assert edge is not None  # experiments are read so that one of them is named
        return edge

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Edges its faults are put on, each once."""
        return tuple({e.key: e for e in map(self.edge_of, self.faults)}.values())

    @property
    def services(self) -> tuple[str, ...]:
        """Services to whose processes something is done, each once."""
        return tuple(dict.fromkeys(p.service for p in self.processes))

    @property
    def edge_names(self) -> str:
        """Its edges for labels and findings: `web -> billing`; empty when it has none."""
        return ", ".join(e.name for e in self.edges)

    @property
    def where(self) -> str:
        """Edges and services it touches, for people."""
        return ", ".join([*(e.name for e in self.edges), *self.services])


def _ratio(value: object) -> float:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        ratio = Quantity.parse(value).in_unit("ratio")
        if 0 <= ratio <= 1:
            return ratio
    raise ValueError("must be a share such as 99% or 0.99")


_Ratio = Annotated[float, BeforeValidator(_ratio, json_schema_input_type=str | float)]
#: Which of the two it must be, the fault says (`_checked`).
_Attribute = Annotated[object, WithJsonSchema({"type": ["integer", "string"]})]
_Names = Annotated[tuple[Line, ...], Field(min_length=1)]


class _FaultTable(Strict):
    type: str = Field(description="A toxic's type, or refused.")
    attributes: dict[str, _Attribute] = Field(default_factory=dict, description="As in docs/how-to/chaos.md.")
    stream: Literal["upstream", "downstream"] = "downstream"
    toxicity: float = Field(1.0, gt=0, le=1, allow_inf_nan=False, description="Share of connections it applies to.")
    edge: str = Field("", description="caller -> callee; the experiment's edge when left out.")


class _ProcessTable(Strict):
    service: str = Field(description="A service that the harness starts.")
    action: Literal["kill", "pause", "restart", "slow_start", "full_disk"]
    delay: Duration = Field(0.0, description="How long it stays away; for slow_start.")


class _SteadyTable(Strict):
    success: _Ratio = Field(1.0, description="Least share of journeys that succeed.")
    p95: Duration = Field(1.0, description="Their 95th percentile.")


class _DuringTable(Strict):
    expect: Literal["full", "degraded", "rejected"]
    statuses: tuple[Annotated[Whole, Field(ge=100, le=599)], ...] | None = Field(
        None, description="Answers allowed beside those the journeys expect; 503 by default when rejected."
    )
    latency: Duration = Field(description="The longest an answer at the entry may take.")
    success: _Ratio | None = Field(None, description="Least share of journeys that succeed; 0% when rejected.")


class _RecoveryTable(Strict):
    within: Duration = Field(5.0, description="From lifting the fault to the first of several good journeys.")


class Promises(Strict):
    """What an experiment says beside what it does, in TOML and in Python alike."""

    name: str = Field(
        "", pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100, description="By default the file's name."
    )
    title: Line = Field("", description="What is tried, in one line.")
    journeys: _Names = Field(description="Journeys walked in the background.")
    rate: float | None = Field(None, ge=0.01, le=1000, allow_inf_nan=False, description="Journeys per second.")
    steady_state: _SteadyTable = Field(default_factory=_SteadyTable)  # type: ignore[arg-type]  # pydantic fills defaults
    during: _DuringTable
    recovery: _RecoveryTable = Field(default_factory=_RecoveryTable)  # type: ignore[arg-type]  # pydantic fills defaults
    after: tuple[Line, ...] = Field((), description="Invariants that must hold when it has recovered.")


class ExperimentFile(Promises):
    """One file of the experiments' folder."""

    edge: str = Field("", description="caller -> callee; where its faults are put.")
    fault_for: Duration | None = Field(None, description="How long the fault lasts at least.")
    faults: tuple[_FaultTable, ...] = Field((), description="What is done to edges.")
    processes: tuple[_ProcessTable, ...] = Field((), description="What is done to services' processes.")


def load_experiments(system: System, root: Path) -> tuple[Experiment, ...]:
    """Read every experiment that is written in TOML, by file name.

    Raises:
        ConfigError: on the first mistake.
    """
    folder = root / system.suites.experiments
    files = files_in(folder, "*.toml", system.suites.experiments)
    return unique(_read(path, shown_path(path, root), system) for path in files)


def unique(experiments: Iterable[Experiment]) -> tuple[Experiment, ...]:
    """Make sure that no two experiments have one name.

    Raises:
        ConfigError: naming both files.
    """
    found: dict[str, Experiment] = {}
    for e in experiments:
        if e.name in found:
            raise ConfigError(e.file, "name", f'"{e.name}" is already the name of {found[e.name].file}.')
        found[e.name] = e
    return tuple(found.values())


def select(experiments: Sequence[Experiment], only: Mapping[str, str]) -> tuple[Experiment, ...]:
    """Keep those asked for on the command line (`experiment`, `edge`, `journey`).

    Raises:
        UsageError: when there is no experiment of that name.
    """
    name, edge, journey = only.get("experiment", ""), only.get("edge", ""), only.get("journey", "")
    names = [e.name for e in experiments]
    if name and name not in names:
        raise UsageError(f'there is no experiment "{name}".{did_you_mean(name, names)} Known: {", ".join(names)}.')
    return tuple(
        e
        for e in experiments
        if name in {"", e.name}
        and (not journey or journey in e.journeys)
        and (not edge or any(edge in {x.key, x.name} for x in e.edges))
    )


def _read(path: Path, shown: str, system: System) -> Experiment:
    raw = read_toml(path, shown)
    if not raw:
        raise ConfigError(shown, "", "is empty; an experiment says journeys, faults and what is promised during them.")
    try:
        table = ExperimentFile.model_validate(raw)
    except ValidationError as error:
        raise translate(error, shown, "", ExperimentFile) from None
    if not table.faults and not table.processes:
        raise ConfigError(shown, "faults", "is missing: an experiment needs [[faults]] on an edge, or [[processes]].")
    edge = _edge(table.edge, "edge", shown, system) if table.edge else None
    faults = tuple(_injection(f, f"faults.{i}", shown, system) for i, f in enumerate(table.faults))
    if edge is None and not all(f.edge for f in faults):
        raise ConfigError(shown, "edge", "is missing: it says where the faults are put.", _listed(_edge_names(system)))
    return experiment_of(
        table,
        path,
        shown,
        system,
        edge=edge,
        faults=faults,
        processes=tuple(_process(p, f"processes.{i}", shown, system) for i, p in enumerate(table.processes)),
        fault_s=table.fault_for,
    )


def experiment_of(
    table: Promises,
    path: Path,
    shown: str,
    system: System,
    *,
    name: str = "",
    faults: tuple[Injection, ...],
    processes: tuple[ProcessFault, ...],
    edge: Edge | None = None,
    steps: tuple[Step, ...] = (),
    fault_s: float | None = None,
) -> Experiment:
    """Put together what an experiment promises and what it does.

    Args:
        path: its file. shown: the same as the user would type it. name: unless the table has one; by default the file's.

    Raises:
        ConfigError: when it names invariants and there are none, or one service twice.
    """
    if table.after and not (path.parent / INVARIANTS_FILE).is_file():
        raise ConfigError(
            shown, "after", f"names invariants, but there is no {INVARIANTS_FILE} in {system.suites.experiments}/."
        )
    services = [p.service for p in processes]
    twice = next((s for s in services if services.count(s) > 1), "")
    if twice and not steps:
        raise ConfigError(shown, "processes", f"{twice} is named twice; one thing can be done to a service at a time.")
    expect = Expect(table.during.expect)
    rejected = expect is Expect.REJECTED
    statuses, success = table.during.statuses, table.during.success
    return Experiment(
        name=table.name or name or path.stem,
        title=table.title or table.name or name or path.stem,
        file=shown,
        edge=edge,
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
        fault_s=fault_s,
        recovery_s=table.recovery.within,
        after=table.after,
        processes=processes,
        steps=steps,
    )


def _edge_names(system: System) -> list[str]:
    return [e.name for e in system.edges if e.kind is not EdgeKind.RESOURCE]


def _edge(text: str, key: str, file: str, system: System) -> Edge:
    wanted = " -> ".join(part.strip() for part in text.replace("->", ":").split(":"))
    edge = system.edge(wanted)
    if edge is None:
        names = _edge_names(system)
        raise ConfigError(
            file, key, f'there is no edge "{text}" in the system.{did_you_mean(wanted, names)}', _listed(names)
        )
    if edge.kind is EdgeKind.RESOURCE:
        raise ConfigError(file, key, f'"{edge.name}" leads to a resource; only edges between services have proxies.')
    if not edge.env:
        raise ConfigError(
            file,
            key,
            f"nothing tells {edge.caller} where {edge.callee} is, so no proxy can be put there; "
            f"services.{edge.caller}.uses.{edge.callee}.env in harness.toml names the variable.",
        )
    return edge


def read_injection(raw: Mapping[str, object], key: str, file: str, system: System | None = None) -> Injection:
    """One fault from the keys of a `[[faults]]` table, wherever it was written.

    Args:
        key: where it stands, for messages. file: as the user would type it. system: where its edge is looked up.

    Raises:
        ConfigError: on the first mistake.
    """
    try:
        table = _FaultTable.model_validate(raw)
    except ValidationError as error:
        raise translate(error, file, key, _FaultTable) from None
    return _injection(table, key, file, system)


def _injection(table: _FaultTable, key: str, file: str, system: System | None = None) -> Injection:
    if table.type not in _TYPES:
        raise ConfigError(
            file, f"{key}.type", f'found "{table.type}".{did_you_mean(table.type, _TYPES)}', _listed(_TYPES)
        )
    attributes = _checked(table, key, file)
    needed = _MUST_BE_POSITIVE.get(table.type)
    if needed and not attributes.get(needed):
        raise ConfigError(file, f"{key}.attributes.{needed}", "is missing or 0, so the fault would do nothing.")
    edge = _edge(table.edge, f"{key}.edge", file, system) if table.edge and system is not None else None
    return Injection(table.type, attributes, table.stream, table.toxicity, edge)


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
        if isinstance(value, int) and value > _LARGEST_ATTRIBUTE:
            raise ConfigError(file, where, f"found {value}.", f"{_LARGEST_ATTRIBUTE} or less")
        checked[name] = value
    if table.type != REFUSED:
        make: Callable[..., Fault] = FAULTS[table.type]
        if problem := make(**checked).problem():
            raise ConfigError(file, f"{key}.attributes", problem)
    return checked


def _process(table: _ProcessTable, key: str, file: str, system: System) -> ProcessFault:
    fault = ProcessFault(table.service, ProcessAction(table.action), table.delay)
    check_process_fault(fault, key, file, system)
    return fault


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
