"""Pairs as a part of the exploration: once no single failure is left, all copies go on with them. Judges and tells nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import anyio

from harness.chaos.explore.catalogue import Failure
from harness.chaos.explore.judging import Broken
from harness.chaos.explore.observation import Baseline, Cell
from harness.chaos.explore.pairs.judging import judge_pair, known
from harness.chaos.explore.pairs.pruning import Survey
from harness.chaos.explore.pairs.trying import try_pair
from harness.chaos.explore.pairs.values import Pair, PairResult, PairSeen, PairsTried
from harness.chaos.explore.replica import Replica
from harness.chaos.explore.result import Result
from harness.chaos.explore.trying import Effort
from harness.chaos.journal import Journal
from harness.chaos.settling import Settler
from harness.system.model import Edge, System

__all__ = ["Ground", "Rounds"]


@dataclass(frozen=True, slots=True)
class Ground:
    """What the exploration lends.

    Args:
        results: what came of the single failures so far; what is tried here in advance is added.
        single: tries a single failure on a copy.
        settler: of the copy.
        progress: told how many are done, of how many, and the one begun.
        over: whether nothing more is to be tried.
    """

    effort: Effort
    journal: Journal
    results: list[Result]
    single: Callable[[Cell, Replica], Awaitable[Result]]
    settler: Settler
    progress: Callable[[int, int, str], None]
    over: Callable[[], bool]


@dataclass(slots=True)
class Rounds:
    """Tries pairs on several copies of the system.

    Args:
        edges: in the order they are declared.
        failures: those of each edge, by its key.
        copies: how many copies take part; none begins a round before all have ended the one before.
        everything: leave no pair out, because just these were asked for.
    """

    edges: Sequence[Edge]
    failures: Mapping[str, Sequence[Failure]]
    copies: int
    everything: bool = False
    tried: PairsTried = field(default_factory=PairsTried)
    extra: list[Result] = field(default_factory=list)
    _baselines: dict[str, Baseline] | None = None
    _survey: Survey | None = None
    _cells: Iterator[Cell] = field(default=iter(()))
    _pairs: Iterator[Pair] = field(default=iter(()))
    _total: int = 0
    _arrived: int = 0
    _going: anyio.Event = field(default_factory=anyio.Event)

    async def take_part(self, here: Replica, ground: Ground) -> None:
        """Work on one copy until no pair is left."""
        # Only what goes well on every copy can be walked on any.
        common = here.baselines if self._baselines is None else self._baselines
        self._baselines = {n: b for n, b in common.items() if n in here.baselines}
        await self._meet(partial(self._look_out, here.system, ground))
        for cell in self._cells:
            if ground.over():
                break
            ground.progress(len(self.extra), self._total, f"{cell.edge.callee} {cell.failure.words} ({cell.edge.name})")
            self.extra.append(await ground.single(cell, here))
        await self._meet(self._plan)
        for pair in self._pairs:
            if ground.over():
                break
            ground.progress(len(self.extra) + len(self.tried.results), self._total, f"{pair.edges}: {pair.failures}")
            self.tried.results.append(await self._settled(pair, here, ground))

    async def _meet(self, then: Callable[[], None]) -> None:
        """Wait until all copies are here; the last does what is to be done then."""
        self._arrived += 1
        if self._arrived < self.copies:
            await self._going.wait()
            return
        then()
        going, self._going, self._arrived = self._going, anyio.Event(), 0
        going.set()

    def _look_out(self, system: System, ground: Ground) -> None:
        self._survey = Survey(
            system,
            self.edges,
            self.failures,
            self._baselines or {},
            tuple(ground.results),
            everything=self.everything,
        )
        cells = self._survey.lookouts()
        self._cells, self._total = iter(cells), len(cells)

    def _plan(self) -> None:
        if self._survey is None:
            return
        pairs, left = self._survey.pairs(self.extra)
        self._pairs, self._total = iter(pairs), self._total + len(pairs)
        self.tried.possible = len(pairs) + left.total()
        self.tried.left_out = {why.value: count for why, count in left.most_common()}
        self.tried.apart = self._survey.apart if self.everything else ()

    async def _settled(self, pair: Pair, here: Replica, ground: Ground) -> PairResult:
        return PairResult(
            *await ground.settler.settle(
                partial(self._try, pair, here, ground),
                partial(ground.journal.write, "repeated", experiment=pair.failures, edge=pair.edges),
            )
        )

    async def _try(self, pair: Pair, here: Replica, ground: Ground) -> tuple[PairSeen, list[Broken]]:
        effort = ground.effort
        seen = await try_pair(pair, here, effort, ground.journal)
        broken = judge_pair(here.system, seen, recovery_s=effort.recovery_s, wait_s=effort.wait_s)
        alone = known(seen, (*ground.results, *self.extra))
        return seen, [b for b in broken if (b.kind, b.key) not in alone]
