"""`harness up`: the system, running until somebody says stop."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.leftovers import end_what_was_killed
from harness.cli.options import config_option, project_from, store_from

__all__ = ["command"]


@click.command("up")
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as one JSON line once all are ready.")
def command(services: tuple[str, ...], config: Path | None, as_json: bool) -> None:
    """Start the system, or some of its services, print where they listen, and keep them running until Ctrl-C."""
    from harness.evidence import masked_text
    from harness.system.confidential import keep_private
    from harness.system.keep import keep_running

    project = project_from(config)
    keep_private(project.root)
    end_what_was_killed(project, store_from(None, project))

    def ready(addresses: dict[str, str]) -> None:
        import json

        addresses = {name: masked_text(url) for name, url in addresses.items()}
        if as_json:
            click.echo(json.dumps(addresses))
            return
        width = max(map(len, addresses))
        for name, url in addresses.items():
            click.echo(f"{name:{width}}  {url}")
        click.echo("Ready. Stop with Ctrl-C.", err=True)

    keep_running(project, services, ready)
