"""`harness compare`: whether contracts keep to the document of their provider, without running it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from harness.errors import ExitCode

__all__ = ["command"]


@click.command("compare")
@click.argument("pacts", nargs=-1, required=True, metavar="PACT...")
@click.argument("document", metavar="DOCUMENT")
@click.option("--provider", default="", metavar="NAME", help="Whose document it is, when the pacts name several.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="What to print.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it here instead.")
@click.option("--allow-remote-refs", is_flag=True, help="Follow a $ref of the document to another host.")
@click.pass_context
def command(
    ctx: click.Context,
    pacts: tuple[str, ...],
    document: str,
    provider: str,
    format_: str,
    out: Path | None,
    allow_remote_refs: bool,
) -> None:
    """Check every interaction of PACTs against the OpenAPI, Swagger 2 or AsyncAPI document of their provider.

    PACT is a file, a folder, a pattern or a URL; DOCUMENT a file, a URL or git:REVISION:PATH. Exit code 1 when an
    interaction cannot happen as agreed (any error), 0 when all can, 3 when there was nothing to compare.
    """
    from harness.contracts.comparison import Comparator, Severity, read_pacts
    from harness.documents.addresses import read_document
    from harness.errors import UsageError
    from harness.evidence import Redactor
    from harness.report.comparison import FORMATS, as_text

    named = read_pacts(pacts, provider)
    located = read_document(document, remote_refs=allow_remote_refs)
    compared = Comparator(located.content, strict_base=located.converted).compare(named)
    colour = format_ == "text" and out is None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    text = as_text(compared, document, colour=True) if colour else FORMATS[format_](compared, document)
    text = Redactor().values(text)  # names of fields are what this is about
    if out is None:
        click.echo(text, nl=False)
    else:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{out} cannot be written: {error.strerror}") from None
    if not compared.interactions:
        where = Redactor().values(document)
        click.echo(f"harness: no interaction could be compared with {where}: nothing was checked", err=True)
        ctx.exit(ExitCode.INCONCLUSIVE)
    ctx.exit(ExitCode.FAIL if compared.count(Severity.ERROR) else ExitCode.OK)
