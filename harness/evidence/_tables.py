"""The tables of the evidence store; imported only when the store is used, because SQLAlchemy is heavy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from sqlalchemy import Column, Connection, Float, Index, Integer, MetaData, String, Table, Text

__all__ = ["Tables", "tables"]


@dataclass(frozen=True, slots=True)
class Tables:
    """Every table; all but `about` carry `run_id`."""

    metadata: MetaData
    about: Table
    runs: Table
    versions: Table
    stages: Table
    measures: Table
    findings: Table
    gates: Table

    def in_order(self) -> tuple[Table, ...]:
        """The tables of a run, the run itself first."""
        return (self.runs, self.versions, self.stages, self.measures, self.findings, self.gates)

    def create(self, connection: Connection) -> None:
        """Create what is missing."""
        self.metadata.create_all(connection)


def _key(name: str = "run_id") -> Column[str]:
    return Column(name, String(120), primary_key=True)


def _position() -> Column[int]:
    return Column("position", Integer, primary_key=True)


@cache
def tables() -> Tables:
    """The tables, described once per process."""
    metadata = MetaData()
    return Tables(
        metadata=metadata,
        about=Table("about", metadata, Column("schema_version", Integer, primary_key=True)),
        runs=_runs(metadata),
        versions=Table("versions", metadata, _key(), _key("service"), Column("version", String(200), nullable=False)),
        stages=_stages(metadata),
        measures=_measures(metadata),
        findings=_findings(metadata),
        gates=_gates(metadata),
    )


def _runs(metadata: MetaData) -> Table:
    return Table(
        "runs",
        metadata,
        _key(),
        Column("system", String(200), nullable=False),
        Column("profile", String(40), nullable=False),
        Column("environment", String(200), nullable=False),
        Column("commit", String(80), nullable=False),
        Column("branch", String(300), nullable=False),
        Column("started", String(40), nullable=False),
        Column("duration_s", Float, nullable=False),
        Column("verdict", String(20), nullable=False),
        Column("reason", Text, nullable=False),
        Column("exit_code", Integer, nullable=False),
        Column("seed", String(80), nullable=False),
        Column("command", Text, nullable=False),
        Column("resources", Text, nullable=False),
        Column("schema_version", Integer, nullable=False),
        Index("runs_by_time", "system", "profile", "started"),
    )


def _stages(metadata: MetaData) -> Table:
    return Table(
        "stages",
        metadata,
        _key(),
        _position(),
        Column("name", String(120), nullable=False),
        Column("status", String(20), nullable=False),
        Column("reason", Text, nullable=False),
        Column("work", Text, nullable=False),
        Column("started", Float, nullable=False),
        Column("duration_s", Float, nullable=False),
        Column("usage_error", Integer, nullable=False),
        Column("artifacts", Text, nullable=False),
    )


def _measures(metadata: MetaData) -> Table:
    return Table(
        "measures",
        metadata,
        _key(),
        _key("stage"),
        _position(),
        Column("name", String(200), nullable=False),
        Column("value", Float, nullable=False),
        Column("unit", String(20), nullable=False),
        Column("labels", Text, nullable=False),
        Index("measures_by_name", "name", "run_id"),
    )


def _findings(metadata: MetaData) -> Table:
    return Table(
        "findings",
        metadata,
        _key(),
        _key("stage"),
        _position(),
        Column("fingerprint", String(16), nullable=False),
        Column("rule", String(200), nullable=False),
        Column("severity", String(20), nullable=False),
        Column("title", Text, nullable=False),
        Column("service", Text, nullable=False),
        Column("edge", Text, nullable=False),
        Column("document", Text, nullable=False),
        Index("findings_by_fingerprint", "fingerprint", "run_id"),
    )


def _gates(metadata: MetaData) -> Table:
    return Table(
        "gates",
        metadata,
        _key(),
        _position(),
        Column("gate", Text, nullable=False),
        Column("stage", String(120), nullable=False),
        Column("status", String(20), nullable=False),
        Column("document", Text, nullable=False),
    )
