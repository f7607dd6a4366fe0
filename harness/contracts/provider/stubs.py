"""Stands in for a provider's neighbours: one `pact stub` process for each pact the provider has as a consumer."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio

from harness.contracts.pacts import InteractionKind, Pact, write_pact
from harness.errors import WaitTimeoutError
from harness.system.children import end_group, log_tail, start_child
from harness.system.ports import free_port
from harness.system.readiness import wait_until

__all__ = ["stubs_for"]

_START_S = 10.0


@asynccontextmanager
async def stubs_for(
    consumer: str, pacts: Sequence[Pact], *, root: Path, directory: Path
) -> AsyncIterator[dict[str, str]]:
    """Run a stub for each neighbour `consumer` has a contract with; gives their base URLs by the neighbour's name.

    Raises:
        WaitTimeoutError: when a stub does not come up.
    """
    mine = [p for p in pacts if p.consumer == consumer and p.of_kind(InteractionKind.HTTP)]
    # A broker may hold several versions of one contract; the first is the one that counts most.
    wanted = list({p.provider: p for p in reversed(mine)}.values())
    processes = []
    urls: dict[str, str] = {}
    try:
        for pact in wanted:
            http = replace(pact, interactions=pact.of_kind(InteractionKind.HTTP))
            file = write_pact(http, directory)
            port = free_port()
            log = directory / f"stub-{pact.provider}.log"
            argv = ["pact", "stub", "--file", str(file), "--port", str(port)]
            processes.append((pact.provider, await start_child(argv, cwd=root, log=log, env=_environment()), log))
            urls[pact.provider] = f"http://127.0.0.1:{port}"
        for name, process, log in processes:
            seen = await wait_until(urls[name], "", limit_s=_START_S, gave_up=lambda p=process: _ended(p))  # type: ignore[misc]  # bound early
            if seen:
                raise WaitTimeoutError(f"the stub of {name} to accept connections", _START_S, seen, log_tail(log))
        yield urls
    finally:
        with anyio.CancelScope(shield=True):
            for _, process, _log in processes:
                await end_group(process)


def _environment() -> dict[str, str | None]:
    """What a stub's process gets: `pact stub` reads options from variables, a broker's address among them."""
    return {**dict.fromkeys(name for name in os.environ if name.startswith("PACT_")), "PACT_DO_NOT_TRACK": "true"}


def _ended(process: anyio.abc.Process) -> str:
    return f"it ended with exit code {process.returncode}" if process.returncode is not None else ""
