"""The history of runs in a database: saved whole, read back whole, asked for baselines; decides nothing itself."""

from __future__ import annotations

import os
import re
import statistics
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from harness.errors import InfrastructureError, UsageError, did_you_mean
from harness.evidence._rows import PastRun, labels_text, past_run, result_of, rows_of
from harness.evidence.finding import Finding, Severity
from harness.evidence.result import RunResult, Status

if TYPE_CHECKING:
    import sqlite3

    from sqlalchemy import Connection, Engine, Row, Select, Table

    from harness.evidence._tables import Tables

__all__ = ["DEFAULT_STORE", "STORE_SCHEMA_VERSION", "EvidenceStore", "PastRun"]

DEFAULT_STORE = "sqlite:///.harness/evidence.db"
STORE_SCHEMA_VERSION = 1
#: How long a run waits for another one that is writing at the same moment, in seconds.
_BUSY_S = 30.0
_PASSED = (Status.PASS.value, Status.WARN.value)


class EvidenceStore:
    """Runs, kept so that they can be compared.

    Nothing is created before the first `save`; asking an empty place answers that there is nothing.

    Args:
        url: SQLAlchemy URL; a SQLite file by default, relative to the current folder.
        system: keep to the runs of this system (a shared database holds several); all when empty.

    Raises:
        UsageError: when the URL is not one, or its driver is not installed.
        InfrastructureError: from every method, when the database cannot be read or written.
    """

    def __init__(self, url: str = DEFAULT_STORE, *, system: str = "") -> None:
        self.url, self._system = url, system
        self._file = _sqlite_file(url)
        self._opened: dict[bool, Engine] = {}

    def close(self) -> None:
        """Let go of the database."""
        for engine in self._opened.values():
            engine.dispose()
        self._opened.clear()

    def save(self, result: RunResult, *, versions: Mapping[str, str] | None = None) -> None:
        """Keep a run, in one transaction; a run of the same id is replaced.

        Args:
            versions: service -> version that was looked at.
        """
        with self._connection(write=True) as (connection, tables):
            for table in reversed(tables.in_order()):
                connection.execute(table.delete().where(table.c.run_id == result.run_id))
            for table, rows in rows_of(tables, result, versions or {}):
                if rows:
                    connection.execute(table.insert(), rows)

    def runs(self, limit: int = 20, *, profile: str = "") -> list[PastRun]:
        """The last runs, newest first."""
        with self._reading() as (connection, t):
            if connection is None:
                return []
            from sqlalchemy import case, func, select

            def found(severity: Severity) -> Any:
                return func.coalesce(func.sum(case((t.findings.c.severity == severity.value, 1), else_=0)), 0)

            query = (
                select(t.runs, found(Severity.ERROR).label("errors"), found(Severity.WARNING).label("warnings"))
                .join(t.findings, t.findings.c.run_id == t.runs.c.run_id, isouter=True)
                .group_by(*t.runs.c)
                .order_by(t.runs.c.started.desc(), t.runs.c.run_id.desc())
                .limit(limit)
            )
            return [past_run(row) for row in connection.execute(self._scoped(query, t, profile))]

    def latest(self, *, profile: str = "", passing_only: bool = False) -> PastRun | None:
        """The newest run (that passed, if asked), or None."""
        runs = self.runs(200 if passing_only else 1, profile=profile)
        return next((r for r in runs if not passing_only or r.verdict.value in _PASSED), None)

    def load(self, run_id: str) -> RunResult:
        """Read a run back, as it was saved.

        Raises:
            UsageError: when there is no such run.
        """
        with self._reading() as (connection, t):
            row = None
            if connection is not None:
                row = connection.execute(t.runs.select().where(t.runs.c.run_id == run_id)).first()
            if connection is None or row is None:
                near = did_you_mean(run_id, [r.run_id for r in self.runs(200)]) if connection is not None else ""
                raise UsageError(f'there is no run "{run_id}" in {self._shown}.{near}')
            return result_of(row, {table.name: _of_run(connection, table, run_id) for table in t.in_order()[1:]})

    def measure_history(
        self, name: str, labels: Mapping[str, str], *, profile: str, passing_only: bool = True, limit: int = 10
    ) -> list[float]:
        """Values of one measure (these labels exactly) in the last runs, newest first.

        Args:
            passing_only: leave out runs that failed or were inconclusive: they are no baseline.
        """
        with self._reading() as (connection, t):
            if connection is None:
                return []
            from sqlalchemy import select

            query = (
                select(t.measures.c.value)
                .join(t.runs, t.runs.c.run_id == t.measures.c.run_id)
                .where(t.measures.c.name == name, t.measures.c.labels == labels_text(labels))
                .order_by(t.runs.c.started.desc(), t.runs.c.run_id.desc())
                .limit(limit)
            )
            if passing_only:
                query = query.where(t.runs.c.verdict.in_(_PASSED))
            return [float(v) for (v,) in connection.execute(self._scoped(query, t, profile))]

    def stage_durations(self, profile: str, *, last: int = 5) -> dict[str, float]:
        """Seconds each stage usually takes: the median over its last runs that were not skipped."""
        with self._reading() as (connection, t):
            if connection is None:
                return {}
            from sqlalchemy import select

            query = (
                select(t.stages.c.name, t.stages.c.duration_s)
                .join(t.runs, t.runs.c.run_id == t.stages.c.run_id)
                .where(t.stages.c.status.in_((*_PASSED, Status.FAIL.value)))
                .order_by(t.runs.c.started.desc(), t.runs.c.run_id.desc())
                .limit(last * 50)
            )
            durations: dict[str, list[float]] = {}
            for name, seconds in connection.execute(self._scoped(query, t, profile)):
                durations.setdefault(name, []).append(seconds)
            return {name: statistics.median(values[:last]) for name, values in durations.items()}

    def seen_before(self, fingerprints: Collection[str], *, except_run: str = "") -> set[str]:
        """Which of these findings some earlier run had.

        Args:
            except_run: a run to leave out, usually the one the findings come from.
        """
        with self._reading() as (connection, t):
            if connection is None:
                return set()
            from sqlalchemy import select

            seen: set[str] = set()
            for some in _batches(sorted(fingerprints), 500):
                query = (
                    select(t.findings.c.fingerprint)
                    .distinct()
                    .join(t.runs, t.runs.c.run_id == t.findings.c.run_id)
                    .where(t.findings.c.fingerprint.in_(some), t.findings.c.run_id != except_run)
                )
                seen.update(f for (f,) in connection.execute(self._scoped(query, t, "")))
            return seen

    def new_findings(self, result: RunResult) -> list[Finding]:
        """The findings of `result` that no earlier run had."""
        findings = [f for s in result.stages for f in s.findings]
        seen = self.seen_before({f.fingerprint for f in findings}, except_run=result.run_id)
        return [f for f in findings if f.fingerprint not in seen]

    def _scoped(self, query: Select[Any], t: Tables, profile: str) -> Select[Any]:
        if self._system:
            query = query.where(t.runs.c.system == self._system)
        return query.where(t.runs.c.profile == profile) if profile else query

    @property
    def _shown(self) -> str:
        """The database as it may be named in a message: no password."""
        return str(self._file) if self._file else re.sub(r"://([^:/@]*):[^@]*@", r"://\1:***@", self.url)

    @contextmanager
    def _reading(self) -> Iterator[tuple[Connection | None, Tables]]:
        """A connection to read with; None where nothing was ever saved."""
        from harness.evidence._tables import tables

        try:
            missing = self._file is not None and not self._file.exists()
        except OSError as error:  # a folder that may not be entered: not the same as no history
            raise InfrastructureError(f"cannot open the evidence store {self._shown}: {error.strerror}.") from None
        if missing:
            yield None, tables()
            return
        with self._connection(write=False) as (connection, t):
            yield (connection if _has_tables(connection) else None), t

    @contextmanager
    def _connection(self, *, write: bool) -> Iterator[tuple[Connection, Tables]]:
        from sqlalchemy.exc import SQLAlchemyError

        from harness.evidence._tables import tables

        try:
            with self._engine(write=write).connect() as connection, connection.begin():
                if write:
                    tables().create(connection)
                if write or _has_tables(connection):
                    self._check_version(connection, tables())
                yield connection, tables()
        except SQLAlchemyError as error:
            raise self._trouble(error, write=write) from None
        except OSError as error:
            raise InfrastructureError(f"cannot open the evidence store {self._shown}: {error.strerror}.") from None

    def _check_version(self, connection: Connection, t: Tables) -> None:
        row = connection.execute(t.about.select()).first()
        if row is None:
            connection.execute(t.about.insert(), [{"schema_version": STORE_SCHEMA_VERSION}])
        elif row.schema_version > STORE_SCHEMA_VERSION:
            raise InfrastructureError(
                f"the evidence store {self._shown} was written by a newer harness (schema {row.schema_version}, "
                f"this one knows {STORE_SCHEMA_VERSION}). Upgrade the harness, or name another store."
            )

    def _engine(self, *, write: bool) -> Engine:
        if write not in self._opened:
            if self._file is not None and write:
                _make_private(self._file)
            url = self.url
            if self._file is not None and not write and not os.access(self._file.parent, os.W_OK):
                # Nobody writes there: without this, SQLite wants to make files of its own beside it before it reads.
                url = f"sqlite:///file:{quote(str(self._file.absolute()))}?mode=ro&immutable=1&uri=true"
            self._opened[write] = _open(url, sqlite=url.startswith("sqlite"), write=write)
        return self._opened[write]

    def _trouble(self, error: Exception, *, write: bool) -> InfrastructureError:
        said = str(getattr(error, "orig", None) or error).splitlines()[0]
        hint = "Is it reachable, and may this user use it?"
        if "not a database" in said or "malformed" in said:
            hint = "The file is damaged: move it away, the next run starts a new one."
        elif "locked" in said or "busy" in said:
            hint = f"Another program kept it locked for {_BUSY_S:g} s."
        elif "readonly" in said or "read-only" in said:
            hint = "It may only be read: allow writing, or name another store."
        elif "full" in said:
            hint = "Free some space."
        kept = " What the run found stands; only its line in the history is missing." if write else ""
        return InfrastructureError(
            f"cannot {'write to' if write else 'read'} the evidence store {self._shown}: {said}. {hint}{kept}"
        )


def _make_private(file: Path) -> None:
    """Make the database, or narrow one that is there: SQLite gives what it puts beside it (-wal, -shm) the same mode."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    for one in (file, *(file.with_name(file.name + end) for end in ("-wal", "-shm", "-journal"))):
        with suppress(OSError):  # not there, or another user's who lets us write
            if one.stat().st_mode & 0o077:
                one.chmod(0o600)


def _open(url: str, *, sqlite: bool, write: bool) -> Engine:
    from sqlalchemy import create_engine, event
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    from sqlalchemy.pool import NullPool

    try:
        # One short transaction at a time: nothing to pool, and no file stays open between them.
        engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": _BUSY_S} if sqlite else {})
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise UsageError(f"cannot use {url.split('://', maxsplit=1)[0]!r} as an evidence store: {error}") from None
    if sqlite:
        event.listen(engine, "connect", _prepare_writer if write else _prepare)
        # A writer takes the lock at once: one that began by reading could not wait for another writer any more.
        begin = "BEGIN IMMEDIATE" if write else "BEGIN"
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin as said in _open, not when the driver thinks fit


def _prepare_writer(connection: sqlite3.Connection, record: object) -> None:
    import sqlite3

    _prepare(connection, record)
    # WAL lets others read while a run is saved. Where it cannot be had just now, the old journal is as safe.
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode=WAL")


def _has_tables(connection: Connection) -> bool:
    from sqlalchemy import inspect

    return bool(inspect(connection).has_table("runs"))


def _sqlite_file(url: str) -> Path | None:
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", url)
    return Path(match[1]) if match and match[1] != ":memory:" and not match[1].startswith("file:") else None


def _batches(items: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _of_run(connection: Connection, table: Table, run_id: str) -> list[Row[Any]]:
    rows = connection.execute(table.select().where(table.c.run_id == run_id))
    return sorted(rows, key=lambda row: getattr(row, "position", 0))
