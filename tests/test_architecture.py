"""The house keeps its shape: who may import whom, what is heavy, and that the harness knows no system."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HARNESS = ROOT / "harness"

#: room -> rooms it may import. `errors` may be imported by all.
BELOW = {
    "guard": set(),
    "evidence": set(),
    "system": {"guard", "evidence"},
    "documents": {"system", "guard", "evidence"},
    "pipeline": {"system", "guard", "evidence"},
}
CAPABILITIES = {"contracts", "fuzz", "load", "chaos", "synthetic"}
ALLOWED: dict[str, set[str]] = {
    **BELOW,
    **{c: set(BELOW) for c in CAPABILITIES},
    # What two documents, or a contract and a document, differ in has a page too.
    "report": {"contracts", *BELOW},
    "starter": {"system", "evidence"},
    "testing": {"contracts", "chaos", *BELOW},
    "cli": {"report", "testing", "starter", *CAPABILITIES, *BELOW},
}
#: The same for the rooms of `contracts`; `stage`, its door, may import all.
_CONTRACTS = {"patterns": set(), "confidential": set(), "verified": set()}
_CONTRACTS |= {"pacts": {"confidential"}}
_CONTRACTS |= {"edges": {"pacts"}, "settings": set()}
CONTRACTS: dict[str, set[str]] = {
    **_CONTRACTS,
    "rules": {"compat"},
    "sources": {"pacts", "verified"},
    "compat": {"patterns"},
    "comparison": {"compat", "pacts"},
    "usage": {"compat", "pacts"},
    "difference": {"compat", "usage", "sources", "pacts"},
    "schema": {"compat", "usage", "sources", "pacts", "settings"},
    "consumer": {"sources", "edges", "pacts", "settings", "confidential"},
    "provider": {"consumer", "sources", "verified", "edges", "pacts", "patterns", "settings", "confidential"},
}
TARGETS = ("target_system", "contracts", "load", "chaos", "synthetic", "tests")
#: Names of the record shop's services that mean nothing else here.
SHOP_WORDS = re.compile(r"record shop|target_system|rec-1|tok_declined|place_order\b")


def modules() -> Iterator[Path]:
    yield from sorted(HARNESS.rglob("*.py"))


def imports_of(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield node.module or ""


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def test_rooms_import_only_downwards() -> None:
    wrong = []
    for file in modules():
        parts = file.relative_to(ROOT).parts
        room = parts[1] if len(parts) > 2 else ""
        for name in imports_of(file):
            if not room or not name.startswith("harness."):
                continue
            other = room_of(name)
            if other not in {room, "errors", "doors", ""} and other not in ALLOWED[room]:
                wrong.append(f"{file.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_the_rooms_of_contracts_import_only_downwards() -> None:
    wrong = []
    for file in sorted((HARNESS / "contracts").rglob("*.py")):
        room = file.relative_to(HARNESS / "contracts").parts[0].removesuffix(".py")
        for name in imports_of(file):
            other = name.split(".")[2] if name.startswith("harness.contracts.") else room
            if room not in {"stage", "__init__"} and other != room and other not in CONTRACTS[room]:
                wrong.append(f"{file.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_every_room_has_its_directions_written_down() -> None:
    rooms = {p.name for p in HARNESS.iterdir() if p.is_dir() and (p / "__init__.py").exists()}

    assert rooms == set(ALLOWED)


def test_the_harness_imports_nothing_of_the_target_system() -> None:
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in modules()
        for name in imports_of(file)
        if name.split(".")[0] in TARGETS
    ]
    assert wrong == []


def test_the_harness_does_not_name_the_target_system() -> None:
    files = [p for p in HARNESS.rglob("*") if p.suffix in {".py", ".j2", ".js", ".css"}]
    wrong = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if SHOP_WORDS.search(line)
    ]
    assert wrong == []


def test_nothing_private_of_another_room_is_imported() -> None:
    wrong = []
    for file in modules():
        parts = file.relative_to(ROOT).parts
        room = parts[1] if len(parts) > 2 else ""
        for name in imports_of(file):
            foreign = name.startswith("harness.") and room_of(name) != room
            if foreign and any(p.startswith("_") and not p.startswith("__") for p in name.split(".")[2:]):
                wrong.append(f"{file.relative_to(ROOT)} imports {name}")
    assert wrong == []


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_every_room_says_what_it_offers(room: str) -> None:
    package = importlib.import_module(f"harness.{room}")

    assert package.__doc__
    assert all(hasattr(package, name) for name in package.__all__)


def test_every_module_says_what_is_in_it() -> None:
    silent = [str(f.relative_to(ROOT)) for f in modules() if not ast.get_docstring(ast.parse(f.read_text("utf-8")))]

    assert silent == []


def test_planning_loads_nothing_heavy() -> None:
    heavy = (
        "schemathesis",
        "pact",
        "locust",
        "gevent",
        "plotly",
        "sqlalchemy",
        "hypothesis",
        "rich",
        "httpx",
        "jinja2",
    )
    code = (
        "import sys; from harness.cli import cli\n"
        "cli(['plan', '--config', sys.argv[1]], standalone_mode=False)\n"
        f"print('LOADED', sorted(set({heavy!r}) & sys.modules.keys()))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "harness.toml")], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert "LOADED []" in done.stdout
