"""`harness toxiproxy`: the built-in Toxiproxy-compatible server, with the flags of the original."""

from __future__ import annotations

import click

from harness.errors import ExitCode

__all__ = ["command"]


@click.command(
    "toxiproxy", context_settings={"ignore_unknown_options": True, "help_option_names": []}, add_help_option=False
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> int:
    """Run the built-in Toxiproxy-compatible server; takes the flags of toxiproxy-server."""
    from harness.chaos.server.__main__ import main

    return ExitCode.USAGE if main(list(arguments)) else ExitCode.OK
