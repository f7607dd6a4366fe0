"""Tries something once more where a promise seems broken: what is broken twice is broken. Knows not what it tries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from harness.chaos.explore.judging import Broken
from harness.chaos.explore.turnstile import Turnstile
from harness.system.drive import Sample

__all__ = ["Settler", "Tried"]


class Tried(Protocol):
    """What a try has to tell of itself."""

    @property
    def hit(self) -> bool:
        """Whether any call met what was tried."""
        ...

    @property
    def recovery_s(self) -> float | None:
        """From its end until all went well again, in seconds; None when that was not seen."""
        ...

    @property
    def invariants(self) -> Sequence[Sample]:
        """Walks of invariants that did not hold in time."""
        ...


T = TypeVar("T", bound=Tried)


@dataclass(slots=True)
class Settler:
    """Tries one thing after the other on one copy of the system.

    Args:
        mend: makes good what a try has left behind and does not go by itself.
        turnstile: of all copies.
    """

    mend: Callable[[Tried], Awaitable[None]]
    turnstile: Turnstile = field(default_factory=Turnstile)
    _left: Tried | None = None

    async def settle(
        self, attempt: Callable[[], Awaitable[tuple[T, list[Broken]]]], repeated: Callable[[], object]
    ) -> tuple[T, tuple[Broken, ...], tuple[Broken, ...]]:
        """Try, and where a promise was broken mend and try again: alone, where it is one about time.

        Copies that are at work at once take each other's processors: what was slow among them says little of a service.
        What the last try leaves behind is mended only before the next: there may be none.

        Args:
            attempt: one try: what was seen, and what was broken.
            repeated: told when there is a second try.

        Returns:
            What was seen, what was broken both times, and what only once.
        """
        seen, broken = await self._try(attempt)
        if not seen.hit and not broken:
            # Events may have come after it was lifted: nothing was tried yet.
            seen, broken = await self._try(attempt)
        if not broken:
            return seen, (), ()
        repeated()
        again, still = await self._try(attempt, alone=any(b.timing for b in broken))
        lasting = tuple(b for b in still if _of(b) in _all(broken))
        passing = [b for b in broken if _of(b) not in _all(still)]
        passing += [b for b in still if _of(b) not in _all(broken)]
        return again if still else seen, lasting, tuple(passing)

    async def _try(
        self, attempt: Callable[[], Awaitable[tuple[T, list[Broken]]]], *, alone: bool = False
    ) -> tuple[T, list[Broken]]:
        async with self.turnstile.alone() if alone else self.turnstile.among_others():
            if self._left is not None:
                await self.mend(self._left)
            seen, broken = await attempt()
            self._left = seen
            return seen, broken


def _of(broken: Broken) -> tuple[str, str]:
    return broken.kind, broken.key


def _all(broken: Sequence[Broken]) -> set[tuple[str, str]]:
    return {_of(b) for b in broken}
