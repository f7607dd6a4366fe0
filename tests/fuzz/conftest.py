"""One run of the fuzz stage on a system of victims, shared by all tests and by all xdist workers: it takes a while."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from harness.evidence import Finding, StageResult, from_json, to_json
from harness.fuzz import FuzzStage
from harness.pipeline import Event, Note
from tests.helpers import make_context, write_project

VICTIM = Path(__file__).with_name("victim.py")
TOKEN = "sesame-open-please"
_TABLES: list[Path] = []


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """What the stage concluded, and what it said on the way."""

    result: StageResult
    notes: list[str]
    folder: Path

    def about(self, service: str) -> list[Finding]:
        return [f for f in self.result.findings if f.place.service == service]

    def rules(self, service: str) -> set[str]:
        return {f.rule for f in self.about(service) if f.severity != "info"}


def service(name: str, *defects: str, auth: bool = True, more: str = "") -> str:
    command = [sys.executable, str(VICTIM), *defects]
    words = ", ".join(f'"{w}"' for w in command)
    login = f'auth = {{ value = "Bearer {TOKEN}" }}' if auth else ""
    return f'[services.{name}]\ncommand = [{words}]\nopenapi = "/openapi.json"\n{login}\n{more}\n'


@pytest.fixture(scope="session", autouse=True)
def tables(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hypothesis' tables of Unicode take seconds to build: once is enough."""
    _TABLES.append(_shared(tmp_path_factory) / "fuzz-tables")


def fuzz(root: Path, toml: str, **more: object) -> Fuzzed:
    events: list[Event] = []
    cache = root / ".harness" / "cache"
    if not cache.exists():
        cache.mkdir(parents=True)
        _TABLES[0].mkdir(exist_ok=True)
        (cache / "hypothesis").symlink_to(_TABLES[0])
    project = write_project(root, toml)
    context = make_context(project, FuzzStage(), events, **more)  # type: ignore[arg-type]  # passed on as it comes
    result = anyio.run(FuzzStage().run, context)
    return Fuzzed(result, [e.text for e in events if isinstance(e, Note)], root)


def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run have in common."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def once(tmp_path_factory: pytest.TempPathFactory, name: str, run: Callable[[Path], Fuzzed]) -> Fuzzed:
    """Fuzz once for all workers: the first does it, the others wait and read its result."""
    root = _shared(tmp_path_factory) / f"fuzz-{name}"
    root.mkdir(exist_ok=True)
    kept = root / "result.json"
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            fuzzed = run(root)
            (root / "notes").write_text("\n".join(fuzzed.notes), encoding="utf-8")
            kept.write_text(to_json(fuzzed.result), encoding="utf-8")
    notes = (root / "notes").read_text(encoding="utf-8").splitlines()
    return Fuzzed(from_json(StageResult, kept.read_text(encoding="utf-8")), notes, root)


@pytest.fixture(scope="session")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Fuzzed:
    """Services with defects of different kinds, one without a document, one clean."""
    toml = "\n".join((
            '[system]\nname = "victims"\nentry = "clean"\n[stages.fuzz]\nmax_time = "1s"',
            service("clean"),
            service("rough", "server_error", "undeclared_status", "wrong_schema", "ignored_auth", "hostile"),
            service("dangling", "error_after_delete", "flaky", more='env = { FLAKED = "{root}/flaked" }'),
            service("mortal", "crash"),
            service("homepage", "document_not_json"),
            service("giant", "document_huge"),
            service("silent").replace('openapi = "/openapi.json"', ""),
    ))  # fmt: skip
    return once(tmp_path_factory, "victims", lambda root: fuzz(root, toml))
