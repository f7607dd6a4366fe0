"""Which journeys a file registers, told from its text. Nothing of the project is run; where it takes that, nothing is said."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.errors import ConfigError, did_you_mean
from harness.system.files import read_file, there

__all__ = ["check_journey_names", "written_journeys"]

_MODULES = frozenset({"harness.system", "harness.system.journeys"})


def check_journey_names(root: Path, journeys: str, asked: Iterable[tuple[str, str, tuple[str, ...]]]) -> None:
    """Make sure that journeys named elsewhere exist, as far as that can be told without running the journeys file.

    Args:
        journeys: the journeys file, relative to the project.
        asked: file, key and names of each place that names some.

    Raises:
        ConfigError: naming the place and the journey.
    """
    asked = tuple(asked)
    known = written_journeys(root, journeys) if asked else None
    if known is None:
        return
    for file, key, names in asked:
        for name in names:
            if name not in known:
                problem = f'there is no journey "{name}" in {journeys}.{did_you_mean(name, known)}'
                raise ConfigError(file, key, problem, ", ".join(sorted(known)))


def written_journeys(root: Path, file: str) -> frozenset[str] | None:
    """Names of the journeys that are functions under `@journey` at the top of the file.

    Returns:
        None when there may be others: the file is not there or not Python, it uses `journey` otherwise, registers none in
        this way, or imports something that may register more.
    """
    tree = _parsed(root / file, file)
    if tree is None or not _imports_are_plain(tree, root, {(root / file).resolve()}):
        return None
    words = _names_of_journey(tree)
    found: dict[str, None] = {}
    seen = 0
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            name = _name_under(decorator, node.name, words)
            if name is not None:
                seen += 1
                found[name] = None
    uses = sum(isinstance(n, ast.Name) and n.id in words for n in ast.walk(tree))
    return frozenset(found) if found and "" not in found and uses == seen else None


def _parsed(path: Path, shown: str) -> ast.Module | None:
    if not there(path, shown):
        return None
    try:
        return ast.parse(read_file(path, shown))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # told by those who read it to run it
        return None


def _names_of_journey(tree: ast.Module) -> Mapping[str, None]:
    """What the file calls the decorator."""
    return {
        alias.asname or alias.name: None
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module in _MODULES
        for alias in node.names
        if alias.name == "journey"
    }


def _name_under(decorator: ast.expr, function: str, words: Mapping[str, None]) -> str | None:
    """The journey a decorator makes: its name, empty when that cannot be read, None when it makes none."""
    if isinstance(decorator, ast.Name):
        return function if decorator.id in words else None
    if not (isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id in words):
        return None
    for keyword in decorator.keywords:
        if keyword.arg is None:
            return ""
        if keyword.arg == "name":
            given = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            return (given or function) if isinstance(given, str) else ""
    return function


def _imports_are_plain(tree: ast.Module, root: Path, seen: set[Path], *, beside: bool = False) -> bool:
    """Whether importing the file registers nothing beside what stands in it.

    Args:
        beside: it is no journeys file but a module of the project that one imports; one that knows us may register some.
    """
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = {(a.asname or a.name).partition(".")[0]: a.name for a in node.names}
            if any(m.partition(".")[0] == "harness" for m in modules.values()):
                return False
        elif isinstance(node, ast.ImportFrom):
            modules = {a.asname or a.name: node.module or "" for a in node.names}
            if node.level or "*" in modules:
                return False
        else:
            continue
        if beside and any(m.partition(".")[0] == "harness" for m in modules.values()):
            return False
        if not all(_is_plain(module, root, seen, used=word in used) for word, module in modules.items()):
            return False
    return True


def _is_plain(module: str, root: Path, seen: set[Path], *, used: bool) -> bool:
    """Whether a module registers no journeys.

    The standard library and ours do not, nor do modules of the project that do not know us. Of what is installed, what is
    imported without being used may be imported for what it registers.
    """
    first = module.partition(".")[0]
    if first in sys.stdlib_module_names:
        return True
    if first == "harness":
        return module in _MODULES or module.startswith("harness.system")
    stem = root.joinpath(*module.split("."))
    own = [p for p in (root / first / "__init__.py", stem.with_suffix(".py"), stem / "__init__.py") if p.is_file()]
    for path in own:
        if path.resolve() not in seen:
            seen.add(path.resolve())
            tree = _parsed(path, str(path))
            if tree is None or not _imports_are_plain(tree, root, seen, beside=True):
                return False
    return bool(own) or (used and "journey" not in module)
