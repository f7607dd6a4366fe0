"""Baselines: today's documents written down as what was promised. They are compared in `schema`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.documents.reading import Declared, DocumentError, baseline_file, declared, fetch, parse, render
from harness.errors import UsageError, did_you_mean
from harness.system.model import System

__all__ = ["ACCEPT_COMMAND", "accept_baselines", "write_baselines"]

#: The command that writes baselines; `{service}` is filled in.
ACCEPT_COMMAND = "harness baseline {service}"
_MAX_BYTES = 200_000_000


async def accept_baselines(
    system: System, *, root: Path, directory: Path, services: Iterable[str] = ()
) -> tuple[Path, ...]:
    """Start the system, and write the documents of `services` (all by default) as the baselines to keep to.

    Args:
        root: folder of `harness.toml`.
        directory: logs of the start go here.

    Returns:
        The files written, by service as declared.

    Raises:
        UsageError: when a service is not known or its document cannot be read.
        StartError: when the system does not start.
    """
    from harness.system.runtime import ProcessRuntime

    chosen = tuple(services)
    for name in chosen:
        if name not in system.services:
            known = ", ".join(system.services)
            raise UsageError(f'there is no service "{name}".{did_you_mean(name, system.services)} Services: {known}.')
    wanted = [d for d in declared(system) if not chosen or d.service.name in chosen]
    if all(not d.source.startswith("/") for d in wanted):
        return await write_baselines(wanted, system=system, root=root, addresses={})
    runtime = ProcessRuntime(system, root=root, directory=directory)
    async with runtime.running():
        return await write_baselines(wanted, system=system, root=root, addresses=runtime.addresses)


async def write_baselines(
    documents: Iterable[Declared], *, system: System, root: Path, addresses: dict[str, str]
) -> tuple[Path, ...]:
    """Fetch documents and write them as baselines, sorted; all of them are read before the first is written.

    Raises:
        UsageError: when one cannot be read.
    """
    folder = root / system.suites.baselines
    ready: list[tuple[Path, bytes]] = []
    for document in documents:
        try:
            address = addresses.get(document.service.name, "") or document.service.url
            also = system.runtime.allow_targets
            raw = await fetch(document, root=root, address=address, max_bytes=_MAX_BYTES, also=also)
            content = render(parse(raw, document.kind))
        except DocumentError as error:
            raise UsageError(f"{document.title} {error}") from None
        ready.append((baseline_file(folder, document.service.name, document.kind), content))
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in ready:
        file.write_bytes(content)
    return tuple(file for file, _ in ready)
