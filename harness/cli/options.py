"""Options and arguments that several commands share."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.errors import did_you_mean
from harness.evidence.secrets import remember_url
from harness.system.confidential import remember_system
from harness.system.config import Project, find_config, load_project

if TYPE_CHECKING:
    from harness.evidence.store import EvidenceStore
    from harness.system.model import System

__all__ = [
    "config_option",
    "only_option",
    "out_option",
    "profile_option",
    "project_from",
    "read_only",
    "store_from",
    "store_option",
]

_ONLY_KEYS = ("service", "edge", "fault", "interaction", "experiment", "journey")
F = TypeVar("F", bound=Callable[..., Any])


def config_option(function: F) -> F:
    """`--config FILE`."""
    return click.option(
        "--config",
        "-c",
        type=click.Path(path_type=Path),
        default=None,
        metavar="FILE",
        help="harness.toml to use; looked for in this folder and those above by default.",
    )(function)


def profile_option(function: F) -> F:
    """`--profile quick|full`."""
    return click.option(
        "--profile", type=click.Choice(["quick", "full"]), default="quick", show_default=True, help="How deep to look."
    )(function)


def only_option(function: F) -> F:
    """`--only key=value`, repeatable."""
    return click.option(
        "--only",
        "only",
        multiple=True,
        metavar="KEY=VALUE",
        help="Narrow a stage: service=orders, edge=orders:payments, experiment=NAME, journey=NAME. Repeatable.",
    )(function)


def _writable(_context: click.Context, _option: click.Parameter, folder: Path | None) -> Path | None:
    """Make sure, before anything runs, that reports can be written into `folder`."""
    if folder is not None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise click.BadParameter(f"cannot write into {folder}: {error.strerror}") from None
    return folder


def out_option(function: F) -> F:
    """`--out DIR`."""
    return click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        callback=_writable,
        help="Write the reports here; into the run's own folder by default.",
    )(function)


def store_option(function: F) -> F:
    """`--store URL`."""
    return click.option(
        "--store", metavar="URL", help="Evidence store (SQLAlchemy URL); .harness/evidence.db by default."
    )(function)


def store_from(url: str | None, project: Project) -> EvidenceStore:
    """Open the evidence store of a project."""
    from harness.evidence.store import EvidenceStore

    remember_url(url or "")
    default = f"sqlite:///{project.root / '.harness' / 'evidence.db'}"
    return EvidenceStore(url or default, system=project.system.name)


def read_only(pairs: tuple[str, ...], system: System) -> dict[str, str]:
    """Read `--only` pairs.

    Raises:
        click.BadParameter: when one has no `=`, its key is none that a stage reads, or there is no such service or edge.
    """
    only = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key or not value:
            raise _bad_only(f'"{pair}" is not KEY=VALUE, such as service=orders')
        if key not in _ONLY_KEYS:
            raise _bad_only(f'unknown key "{key}".{did_you_mean(key, _ONLY_KEYS)} Accepted: {", ".join(_ONLY_KEYS)}.')
        if key == "service" and value not in system.services:
            raise _bad_only(f'there is no service "{value}".{did_you_mean(value, system.services)}')
        for edge in value.split("+") if key == "edge" else ():  # two of them for a pair of faults
            if system.edge(edge.strip()) is None:
                edges = [e.key for e in system.service_edges()]
                raise _bad_only(f'there is no edge "{edge}".{did_you_mean(edge, edges)} Edges: {", ".join(edges)}.')
        only[key] = value
    return only


def _bad_only(message: str) -> click.BadParameter:
    return click.BadParameter(message, param_hint="--only")


def project_from(config: Path | None) -> Project:
    """Read the project the command is about."""
    if config is not None and not config.exists():
        raise click.BadParameter(f"there is no file {config}", param_hint="--config")
    project = load_project(find_config((config or Path.cwd()).absolute()))
    remember_system(project.system)
    return project
