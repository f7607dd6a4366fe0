"""Takes one service's store away and brings it back: behind a proxy, or in its file. What comes of it is seen elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import anyio.to_thread

from harness.chaos.explore.catalogue import Failure
from harness.chaos.explore.stores.catalogue import injections
from harness.chaos.explore.stores.sqlitefile import SqliteFile
from harness.chaos.explore.stores.whereabouts import StoreFile, StoreServer, store_edges, whereabouts
from harness.chaos.rig import Rig
from harness.system.model import Edge, System

__all__ = ["Outage", "outage_of", "wire_stores"]

#: A regular file in the run's folder: what should be in a folder of this name can be neither made nor opened, by nobody.
_NO_FOLDER = "no-folder"


class Outage(ABC):
    """One store that can be taken away from one service.

    `returns`: whether a service that was started meanwhile can find the store once it is back.
    """

    returns: bool

    @abstractmethod
    async def cut(self) -> str:
        """Take the store away from the service that runs.

        Returns:
            Empty, or why that is not so.
        """

    @abstractmethod
    async def restore(self) -> None:
        """Bring it back; safe to call when it is there."""

    @abstractmethod
    def told_at_start(self) -> Mapping[str, str]:
        """What a service that starts meanwhile is told otherwise, so that it finds no store."""


class _ServerOutage(Outage):
    """A proxy stands before the store."""

    returns = True

    def __init__(self, edge: Edge, failure: Failure, rig: Rig) -> None:
        self._edge, self._failure, self._rig = edge, failure, rig

    async def cut(self) -> str:
        if not await self._rig.bytes_through(self._edge):
            return f"{self._edge.caller} has not asked {self._edge.callee} for anything yet"
        await self._rig.put(self._edge, injections(self._edge, self._failure), self._failure.name)
        return ""

    async def restore(self) -> None:
        await self._rig.clear(self._edge)

    def told_at_start(self) -> Mapping[str, str]:
        return {}


class _FileOutage(Outage):
    """The store is a file of the run; a service that starts is told of one that cannot be."""

    returns = False

    def __init__(self, edge: Edge, where: StoreFile, rig: Rig) -> None:
        self._edge, self._where, self._runtime = edge, where, rig.runtime
        self._sqlite = SqliteFile(Path(f"{rig.runtime.data}{where.inside}"))

    async def cut(self) -> str:
        if await anyio.to_thread.run_sync(self._sqlite.take):
            return ""
        return f"the file could not be made unusable while {self._edge.caller} runs (no SQLite database, or locked)"

    async def restore(self) -> None:
        self._sqlite.give_back()

    def told_at_start(self) -> Mapping[str, str]:
        nowhere = self._runtime.data / _NO_FOLDER
        nowhere.touch()
        return {self._edge.env: self._where.below(str(nowhere))}


def outage_of(edge: Edge, failure: Failure, rig: Rig) -> Outage:
    """How the store at the end of an edge is taken away."""
    where = whereabouts(edge.template)
    if isinstance(where, StoreFile):
        return _FileOutage(edge, where, rig)
    return _ServerOutage(edge, failure, rig)


async def wire_stores(system: System, rig: Rig) -> None:
    """Put a proxy before every store that has an address; before the system is started."""
    for edge in store_edges(system):
        where = whereabouts(edge.template)
        if isinstance(where, StoreServer):
            await rig.stand_before(edge, where.address, where.at)
