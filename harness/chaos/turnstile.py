"""Lets several copies of a system be at work at once, and one of them alone: a time that was taken in a crowd accuses nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

__all__ = ["Turnstile"]


class Turnstile:
    """Whoever wants to be alone waits until the others have come out; until then, and meanwhile, nobody else goes in."""

    def __init__(self) -> None:
        self._changed = anyio.Condition()
        self._inside, self._waiting, self._alone = 0, 0, False

    @asynccontextmanager
    async def among_others(self) -> AsyncIterator[None]:
        """Be at work while others may be."""
        async with self._changed:
            while self._alone or self._waiting:
                await self._changed.wait()
            self._inside += 1
        try:
            yield
        finally:
            await self._leave(inside=1)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Be at work while nobody else is."""
        async with self._changed:
            self._waiting += 1
            try:
                while self._alone or self._inside:
                    await self._changed.wait()
                self._alone = True
            finally:
                self._waiting -= 1
                self._changed.notify_all()
        try:
            yield
        finally:
            await self._leave(alone=True)

    async def _leave(self, *, inside: int = 0, alone: bool = False) -> None:
        with anyio.CancelScope(shield=True):
            async with self._changed:
                self._inside -= inside
                self._alone = self._alone and not alone
                self._changed.notify_all()
