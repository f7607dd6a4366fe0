"""Options and arguments that several commands share."""

from __future__ import annotations

import os
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

__all__ = [
    "config_option",
    "make_writable",
    "narrowed",
    "only_option",
    "out_option",
    "profile_option",
    "project_from",
    "read_only",
    "store_from",
    "store_option",
]

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
    """`--only key=value`, repeatable, with `--edge` and `--fault`, which are shorter."""
    return click.option(
        "--only",
        "only",
        multiple=True,
        metavar="KEY=VALUE",
        help="Narrow stages: service=orders, edge=orders:payments, experiment=NAME, journey=NAME, fault=NAME, "
        "interaction=TEXT. Stages that do not know the key are left out. Repeatable.",
    )(_edge_and_fault(function))


def _edge_and_fault(function: F) -> F:
    edge = click.option(
        "--edge", default="", metavar="CALLER:CALLEE", help="The same as --only edge=CALLER:CALLEE; A:B+C:D for a pair."
    )
    fault = click.option(
        "--fault",
        default="",
        metavar="NAME",
        help="The same as --only fault=NAME: one kind of failure on edges; NAME+NAME for a pair.",
    )
    return edge(fault(function))


def make_writable(folder: Path | None) -> None:
    """Make sure, before anything runs, that reports can be written into `folder`.

    Raises:
        click.BadParameter: when they cannot.
    """
    if folder is not None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise click.BadParameter(f"cannot write into {folder}: {why}", param_hint="--out") from None


def out_option(function: F) -> F:
    """`--out DIR`."""
    return click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
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


def read_only(pairs: tuple[str, ...], project: Project) -> dict[str, str]:
    """Read `--only` pairs.

    Raises:
        click.BadParameter: when one has no `=`, its key is none that a stage reads or is given twice, or there is no such
            service, edge or journey.
    """
    from harness.system.journeyscan import written_journeys

    system = project.system
    from harness.pipeline.narrowing import known_keys
    from harness.pipeline.registry import load_stage, stage_names

    keys = known_keys([load_stage(n) for n in stage_names()])
    only: dict[str, str] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key or not value:
            raise _bad_only(f'"{pair}" is not KEY=VALUE, such as service=orders')
        if key not in keys:
            raise _bad_only(f'unknown key "{key}".{did_you_mean(key, keys)} Accepted: {", ".join(keys)}.')
        if key in only:
            raise _bad_only(f"{key} is given twice; a stage can be narrowed to one of them")
        if key == "service" and value not in system.services:
            raise _bad_only(f'there is no service "{value}".{did_you_mean(value, system.services)}')
        for edge in value.split("+") if key == "edge" else ():  # two of them for a pair of faults
            if system.edge(edge.strip()) is None:
                edges = [e.key for e in system.service_edges()]
                raise _bad_only(f'there is no edge "{edge}".{did_you_mean(edge, edges)} Edges: {", ".join(edges)}.')
        journeys = written_journeys(project.root, system.suites.journeys) if key == "journey" else None
        if journeys is not None and value not in journeys:
            raise _bad_only(f'there is no journey "{value}".{did_you_mean(value, journeys)}')
        only[key] = value
    return only


def narrowed(only: tuple[str, ...], edge: str, fault: str) -> tuple[str, ...]:
    """The pairs of `--only`, those of the short options among them."""
    return (*only, *(f"{key}={value}" for key, value in (("edge", edge), ("fault", fault)) if value))


def _bad_only(message: str) -> click.BadParameter:
    return click.BadParameter(message, param_hint="--only")


def project_from(config: Path | None) -> Project:
    """Read the project the command is about."""
    if config is not None and not os.path.lexists(config):
        raise click.BadParameter(f"there is no file {config}", param_hint="--config")
    project = load_project(find_config((config or Path.cwd()).absolute()))
    remember_system(project.system)
    return project
