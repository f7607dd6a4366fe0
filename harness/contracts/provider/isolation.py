"""A provider running alone: its neighbours are stubs made from their own contracts. What is asked of it is not in here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from harness.contracts.pacts import Pact
from harness.contracts.provider.stubs import stubs_for
from harness.system.model import RuntimeKind, System
from harness.system.runtime import ProcessRuntime

__all__ = ["alone", "log_of"]


@asynccontextmanager
async def alone(
    system: System, name: str, *, root: Path, directory: Path, pacts: Sequence[Pact]
) -> AsyncIterator[ProcessRuntime]:
    """Run one service while the block runs; one that runs already is taken as it is, neighbours included.

    Args:
        name: a service of `system`.
        root: folder of harness.toml.
        directory: logs and data go here.
        pacts: every contract known; those in which the service is the consumer make its neighbours' stubs.

    Raises:
        StartError: when the service does not start.
        WaitTimeoutError: when a stub does not come up.
    """
    external = system.runtime.kind is RuntimeKind.EXTERNAL or not system.services[name].command
    async with stubs_for(name, () if external else pacts, root=root, directory=directory / "stubs") as stubs:
        runtime = ProcessRuntime(system.only([name]), root=root, directory=directory)
        for neighbour, url in stubs.items():
            if runtime.system.edge(f"{name}:{neighbour}"):
                runtime.wire(f"{name}:{neighbour}", url)
        async with runtime.running():
            yield runtime


def log_of(name: str, directory: Path) -> Path:
    """Where `alone` lets a service write, also when it did not start; there is no such file when it ran already."""
    return directory / f"{name}.log"
