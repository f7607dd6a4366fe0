"""Renders the starter's files and puts them in place, without ever overwriting one."""

from __future__ import annotations

import json
from pathlib import Path

from harness.errors import UsageError
from harness.starter.describe import Answers

__all__ = ["starter_files", "write_starter"]

_TEMPLATES = {
    "harness.toml": "harness.toml.j2",
    "synthetic/journeys.py": "journeys.py.j2",
    "synthetic/slos.toml": "slos.toml.j2",
    "load/locustfile.py": "locustfile.py.j2",
    "contracts/README.md": "contracts.md.j2",
}


def starter_files(answers: Answers) -> dict[str, str]:
    """Render every file of the starter.

    Returns:
        Path below the project -> text. An experiment is there for each edge whose caller can be told another address.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("harness.starter", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # TOML and Python, not HTML; texts go through `toml`
    )
    templates.filters["toml"] = _toml
    files = {path: templates.get_template(name).render(it=answers) for path, name in _TEMPLATES.items()}
    for edge in answers.edges:
        if answers.can_be_told(edge):
            text = templates.get_template("experiment.toml.j2").render(it=answers, edge=edge)
            files[f"chaos/{edge.caller}-{edge.callee}.toml"] = text
    return files


def write_starter(answers: Answers, folder: Path, *, force: bool = False) -> list[Path]:
    """Write the starter into `folder`.

    Args:
        force: write `harness.toml` anew even when there is one; other files that exist are always left alone.

    Returns:
        The files written.

    Raises:
        UsageError: when there is a `harness.toml` already, or a file cannot be written.
    """
    config = folder / "harness.toml"
    if config.exists() and not force:
        raise UsageError(f"{config} exists already. Change it by hand, or write a new one over it with --force.")
    written = []
    for name, text in starter_files(answers).items():
        file = folder / name
        if file.exists() and not (force and file == config):
            continue
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {file}: {error.strerror}.") from None
        written.append(file)
    return written


def _toml(value: object) -> str:
    """A TOML basic string, or an array of them; JSON's escapes are valid TOML."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
