"""`harness diff`: what two versions of an API document changed, and whom that breaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.errors import ExitCode

if TYPE_CHECKING:
    from harness.contracts.difference import Difference

__all__ = ["command"]

_LEVELS = ("breaking", "warning", "compatible")


def _rules(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Print the catalogue and end."""
    if not wanted:
        return
    from harness.report.changes import rules_table

    click.echo(rules_table(), nl=False)
    ctx.exit()


@click.command("diff")
@click.argument("old")
@click.argument("new")
@click.option("--pacts", type=click.Path(path_type=Path), metavar="DIR", help="Contracts of the known consumers.")
@click.option("--provider", default="", metavar="NAME", help="Whose document it is, when DIR holds pacts of several.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "markdown", "sarif"]),
    default="text",
    show_default=True,
    help="What to print.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it here instead.")
@click.option("--level", type=click.Choice(_LEVELS), default="compatible", help="The mildest change that text shows.")
@click.option("--allow-remote-refs", is_flag=True, help="Follow a $ref to another host.")
@click.option("--rules", is_flag=True, is_eager=True, expose_value=False, callback=_rules, help="Print every rule.")
@click.pass_context
def command(
    ctx: click.Context,
    old: str,
    new: str,
    pacts: Path | None,
    provider: str,
    format_: str,
    out: Path | None,
    level: str,
    allow_remote_refs: bool,
) -> None:
    """Compare two versions of an OpenAPI, Swagger 2 or AsyncAPI document.

    OLD and NEW are files, URLs or git:REVISION:PATH. Exit code 1 when somebody can break: with --pacts a known
    consumer, without it any client that keeps to OLD; 0 when nobody can.
    """
    from harness.contracts.difference import contracts_of, difference
    from harness.documents.addresses import read_document
    from harness.evidence import Redactor

    before = read_document(old, remote_refs=allow_remote_refs)
    after = read_document(new, remote_refs=allow_remote_refs)
    found = difference(before, after, contracts_of(pacts, provider) if pacts is not None else None)
    # Names of fields are what this is about; what looks like a credential is not.
    text = Redactor().values(_rendered(found, format_, level, colour=out is None and _coloured()))
    if out is not None:
        out.write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)
    if not found.operations:
        raise click.ClickException(f"neither {old} nor {new} has an operation: nothing was compared")
    ctx.exit(ExitCode.FAIL if found.breaks else ExitCode.OK)


def _coloured() -> bool:
    import os
    import sys

    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _rendered(found: Difference, format_: str, level: str, *, colour: bool) -> str:
    from harness.contracts.compat import Level
    from harness.report.changes import FORMATS, as_text

    if format_ != "text":
        return FORMATS[format_](found)
    return as_text(found, colour=colour, levels=tuple(Level(x) for x in _LEVELS[: _LEVELS.index(level) + 1]))
