"""Tries something once more where a promise seems broken: what is broken twice is broken. Knows not what it tries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from harness.chaos.turnstile import Turnstile
from harness.system.drive import Sample

__all__ = ["Breakable", "Settler", "Tried"]


class Tried(Protocol):
    """What a try has to tell of itself."""

    @property
    def tried(self) -> bool:
        """Whether it was tried at all: somebody met it, as far as can be told."""
        ...

    @property
    def recovery_s(self) -> float | None:
        """From its end until all went well again, in seconds; None when that was not seen."""
        ...

    @property
    def invariants(self) -> Sequence[Sample]:
        """Walks of invariants that did not hold in time."""
        ...


class Breakable(Protocol):
    """A promise that did not hold, as far as it matters here."""

    @property
    def kind(self) -> str:
        """Which promise."""
        ...

    @property
    def key(self) -> str:
        """Tells two of one kind apart, the same in every try."""
        ...

    @property
    def excused(self) -> bool:
        """Whether the machine was seen to add so much meanwhile that nobody can tell."""
        ...


T = TypeVar("T", bound=Tried)
B = TypeVar("B", bound=Breakable)
Attempt = Callable[[], Awaitable[tuple[T, Sequence[B]]]]


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
        self, attempt: Attempt[T, B], repeated: Callable[[], object]
    ) -> tuple[T, tuple[B, ...], tuple[B, ...]]:
        """Try, and where a promise was broken mend and try again, with nothing else of this run at work.

        Copies that are at work at once take each other's processors: what was seen among them says little of a service. Where
        the machine is so busy that even alone nobody can tell, it is tried once more, and then left open.
        What the last try leaves behind is mended only before the next: there may be none.

        Args:
            attempt: one try: what was seen, and what was broken.
            repeated: told when there is another try.

        Returns:
            What was seen last; what was broken among others and alone; what was in some try only, or cannot be told.
        """
        seen, broken = await self._try(attempt)
        if not seen.tried and not broken:
            # Events may have come after it was lifted, or a circuit breaker was in the way: nothing was tried yet.
            seen, broken = await self._try(attempt, alone=True)
        if not broken:
            return seen, (), ()
        repeated()
        again, still = await self._try(attempt, alone=True)
        if any(b.excused for b in still):
            repeated()
            again, still = await self._try(attempt, alone=True)
        lasting = tuple(b for b in still if _of(b) in _all(broken) and not b.excused)
        passing = [b for b in broken if _of(b) not in _all(still)]
        passing += [b for b in still if b not in lasting]
        return again if still or again.tried else seen, lasting, tuple(passing)

    async def _try(self, attempt: Attempt[T, B], *, alone: bool = False) -> tuple[T, Sequence[B]]:
        async with self.turnstile.alone() if alone else self.turnstile.among_others():
            if self._left is not None:
                await self.mend(self._left)
            seen, broken = await attempt()
            self._left = seen
            return seen, broken


def _of(broken: Breakable) -> tuple[str, str]:
    return broken.kind, broken.key


def _all(broken: Sequence[Breakable]) -> set[tuple[str, str]]:
    return {_of(b) for b in broken}
