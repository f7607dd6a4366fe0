"""Walks are the same in every run, and never the same twice within one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio

from harness.chaos.explore.declared import Documents
from harness.chaos.explore.replica import Replica
from harness.system.model import System


@dataclass
class NotingWalker:
    """Walks nothing; notes the seeds, which data and traces of a walk come from."""

    seeds: list[int] = field(default_factory=list)

    async def walk(self, _file: Path, _journey: str, seeds: Sequence[int], **_more: Any) -> list[Any]:
        self.seeds += seeds
        return []


def seeds_of(*walks: tuple[str, str], seed: int = 1) -> list[int]:
    walker = NotingWalker()
    system = System("s", {}, (), entry="")
    documents = Documents(system, Path())
    here = Replica(system, cast(Any, None), cast(Any, walker), Path("j.py"), None, seed, documents)

    async def walk() -> None:
        for journey, what in walks:
            await here.walk(journey, what, 2)

    anyio.run(walk)
    return walker.seeds


def test_a_second_try_walks_with_other_seeds_so_that_it_is_not_taken_for_what_the_first_has_left() -> None:
    seeds = seeds_of(("buy", "shop:bank hang"), ("buy", "shop:bank hang"), ("look", "shop:bank hang"))

    assert len(set(seeds)) == 6


def test_the_same_cell_is_walked_with_the_same_seeds_in_every_run_whatever_was_walked_before() -> None:
    alone = seeds_of(("buy", "shop:bank hang"))

    assert seeds_of(("buy", "shop:bank slow"), ("buy", "shop:bank hang"))[2:] == alone
    assert seeds_of(("buy", "shop:bank hang"), seed=2) != alone
