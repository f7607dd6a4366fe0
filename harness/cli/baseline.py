"""`harness baseline`: accept today's API documents as what was promised."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import config_option, project_from

__all__ = ["command"]


@click.command("baseline")
@click.argument("services", nargs=-1, metavar="[SERVICE]...")
@config_option
def command(services: tuple[str, ...], config: Path | None) -> None:
    """Write the OpenAPI and AsyncAPI documents of SERVICES (of all by default) as the baselines to compare with.

    Commit them: from then on the schema stage tells what a change takes away from somebody.
    """
    import anyio

    from harness.documents.baselines import accept_baselines
    from harness.system.guardian import Guardian
    from harness.system.scratch import private_folder

    project = project_from(config)
    with private_folder("harness-baseline-") as folder, Guardian():

        async def accept() -> list[Path]:
            return list(await accept_baselines(project.system, root=project.root, directory=folder, services=services))

        for file in anyio.run(accept):
            click.echo(file)
