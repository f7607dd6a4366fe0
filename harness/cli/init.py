"""`harness init`: a starter for a system of the user's own; asks only for what no flag said."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.errors import UsageError

__all__ = ["command"]


@click.command("init")
@click.option("--name", help="Name of the system; the folder's by default.")
@click.option(
    "--service",
    "services",
    multiple=True,
    metavar="NAME=COMMAND|URL",
    help='A service and how it starts, or where it runs: --service "orders=python -m orders". Repeatable.',
)
@click.option("--openapi", multiple=True, metavar="NAME=PATH", help="Its OpenAPI document: orders=/openapi.json.")
@click.option("--ready", multiple=True, metavar="NAME=PATH", help="Its readiness path: orders=/health.")
@click.option(
    "--edge",
    "edges",
    multiple=True,
    metavar="CALLER:CALLEE[=VARIABLE]",
    help="Who calls whom, and the variable that says where: orders:payments=PAYMENTS_URL.",
)
@click.option("--force", is_flag=True, help="Write harness.toml anew even when there is one.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
def command(
    name: str | None,
    services: tuple[str, ...],
    openapi: tuple[str, ...],
    ready: tuple[str, ...],
    edges: tuple[str, ...],
    force: bool,
    folder: Path,
) -> None:
    """Write harness.toml and a small example of each suite into FOLDER (here by default).

    With --service it asks nothing. Files that exist are left alone.
    """
    from harness.starter import read_flags, write_starter

    name = name or folder.resolve().name
    if not services:
        if not sys.stdin.isatty():
            raise UsageError('name at least one service: harness init --service "orders=python -m orders".')
        name, services, openapi, ready, edges = _ask(name)
    written = write_starter(read_flags(name, services, openapi, ready, edges), folder, force=force)
    for file in written:
        click.echo(file)
    click.echo("Next: harness doctor, then harness run.", err=True)


def _ask(name: str) -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Ask for what the flags would have said; an empty answer ends a list."""
    name = click.prompt("Name of the system", default=name, err=True)
    services, openapi, ready = [], [], []
    while service := click.prompt("A service (empty to go on)", default="", show_default=False, err=True):
        services.append(f"{service}={click.prompt('  its start command, or the URL where it runs', err=True)}")
        if document := click.prompt("  its OpenAPI document", default="/openapi.json", err=True).strip():
            openapi.append(f"{service}={document}")
        if path := click.prompt("  its readiness path", default="/health", err=True).strip():
            ready.append(f"{service}={path}")
    edges = []
    while edge := click.prompt(
        "Who calls whom, e.g. orders:payments=PAYMENTS_URL (empty to end)", default="", show_default=False, err=True
    ):
        edges.append(edge)
    return name, tuple(services), tuple(openapi), tuple(ready), tuple(edges)
