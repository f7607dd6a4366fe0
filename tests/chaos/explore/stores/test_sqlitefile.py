"""A SQLite database is away for everybody who has it open or opens it, and comes back as it was."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.chaos.explore.stores.sqlitefile import SqliteFile

#: Another process, as a service is one: SQLite's locks are held by processes.
OTHER = """
import json, sqlite3, sys
path, mode, locking = sys.argv[1:]

def connect():
    made = sqlite3.connect(path, isolation_level=None, timeout=0.1)
    made.execute(f"PRAGMA locking_mode={locking}")
    return made

kept = connect()
kept.execute(f"PRAGMA journal_mode={mode}")
kept.execute("CREATE TABLE t (a)")
kept.execute("INSERT INTO t VALUES (1)")
print("ready", flush=True)
for line in sys.stdin:
    who, sql = json.loads(line)
    try:
        rows = (kept if who == "kept" else connect()).execute(sql).fetchall()
    except sqlite3.Error as error:
        rows = error.sqlite_errorname
    print(json.dumps(rows), flush=True)
"""
MODES = ["wal", "delete", "truncate", "persist", "memory", "off"]
READ, WRITE = "SELECT count(*) FROM t", "INSERT INTO t VALUES (2)"


class Other:
    """The other process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def asks(self, sql: str, *, anew: bool = False) -> Any:
        """What comes of a statement on the connection it has kept, or on a new one: rows, or the error's name."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(["new" if anew else "kept", sql]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def opened(path: Path, mode: str, locking: str = "normal") -> Iterator[Other]:
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, str(path), mode, locking],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            assert process.stdout.readline() == "ready\n"
            yield Other(process)
            process.stdin.close()
            process.wait(10)
        finally:
            process.kill()


@pytest.mark.parametrize("mode", MODES)
def test_every_connection_fails_at_once_and_goes_on_afterwards(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with opened(path, mode) as other:
        file = SqliteFile(path)

        assert file.take()
        away = [other.asks(sql, anew=anew) for sql in (READ, WRITE) for anew in (False, True)]
        file.give_back()

        assert away == ["SQLITE_CANTOPEN"] * 4
        assert [other.asks(WRITE), other.asks(WRITE, anew=True), other.asks(READ)] == [[], [], [[3]]]
    check = sqlite3.connect(path)
    assert check.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    check.close()


def test_what_select_1_says_proves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with opened(path, "wal") as other:
        file = SqliteFile(path)
        file.take()

        assert other.asks("SELECT 1") == [[1]]

        file.give_back()


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_transaction_that_is_under_way_is_waited_for(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with opened(path, mode) as other:
        assert other.asks("BEGIN IMMEDIATE") == other.asks(WRITE) == []
        file = SqliteFile(path)

        assert not file.take(within_s=0.05)
        assert other.asks("COMMIT") == []
        assert file.take(within_s=0.05)
        file.give_back()

        assert other.asks(READ) == [[2]]


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_whoever_reads_on_and_on_keeps_it(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with opened(path, mode) as other:
        other.asks("BEGIN")
        other.asks(READ)

        assert not SqliteFile(path).take(within_s=0.05)
        assert other.asks(READ) == [[1]]
        other.asks("COMMIT")
        assert other.asks(WRITE) == []


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_one_that_somebody_has_for_himself_alone_cannot_be_taken(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with opened(path, mode, "exclusive") as other:
        other.asks(WRITE)

        assert not SqliteFile(path).take(within_s=0.05)
        assert other.asks(READ) == [[2]]


def test_what_nobody_has_open_is_away_for_whoever_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with opened(path, "wal") as other:
        other.asks(WRITE)
    assert list(tmp_path.iterdir()) == [path]  # as an orderly end leaves it, in WAL mode
    file = SqliteFile(path)

    assert file.take()
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        sqlite3.connect(path).execute("SELECT * FROM t")
    file.give_back()

    assert sqlite3.connect(path).execute("SELECT a FROM t LIMIT 1").fetchall() == [(1,)]


@pytest.mark.parametrize("content", [b"", b"no database" * 20, None])
def test_what_is_no_database_is_left_alone(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    if content is not None:
        path.write_bytes(content)

    assert not SqliteFile(path).take()
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([] if content is None else [content])


def test_giving_back_what_was_not_taken_does_nothing(tmp_path: Path) -> None:
    SqliteFile(tmp_path / "a.db").give_back()

    assert list(tmp_path.iterdir()) == []
