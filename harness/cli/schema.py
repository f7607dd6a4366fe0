"""`harness schema`: the JSON Schema of `harness.toml`, for editors."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of harness.toml, with the settings of every installed stage."""
    import json

    from harness.pipeline.schema import config_schema

    click.echo(json.dumps(config_schema(), indent=2))
