"""The exploration as a part of the chaos stage: its server, its copies of the system, its evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.chaos.explore.catalogue import Failure
from harness.chaos.explore.explorer import (
    Explored,
    Explorer,
    chosen_edges,
    chosen_failures,
    copies,
    pairings,
)
from harness.chaos.explore.pairs.asked import asks_for_pair, split_pair
from harness.chaos.explore.pairs.rounds import Rounds
from harness.chaos.explore.pairs.telling import PairTelling
from harness.chaos.explore.stores.telling import untried
from harness.chaos.explore.telling import Telling
from harness.chaos.explore.trying import Effort
from harness.chaos.journal import Journal
from harness.chaos.rig import Rig
from harness.chaos.settings import ChaosSettings
from harness.chaos.toxiproxy import ToxiproxyServer, toxiproxy_server
from harness.chaos.turnstile import Turnstile
from harness.errors import UsageError
from harness.evidence import Artifact, Measure
from harness.evidence.grid import GRID_MEDIA_TYPE, write_grid
from harness.pipeline import StageContext
from harness.system.guardian import Guardian
from harness.system.machine import Machine
from harness.system.model import Edge, EdgeKind, System

__all__ = ["Exploration", "check_selection", "explore", "planned"]


@dataclass(frozen=True, slots=True)
class Exploration:
    """What an exploration leaves.

    Args:
        work: what was done, as a stage counts it.
        tried, untold: how many failures and pairs were tried, and how many could not be judged on this machine.
    """

    work: dict[str, int]
    measures: tuple[Measure, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    cut_short: str = ""
    tried: int = 0
    untold: int = 0


def planned(context: StageContext) -> tuple[tuple[Edge, Failure], ...]:
    """Each failure with the edge to try it on; none where exploration is switched off, or an experiment is asked for.

    Raises:
        UsageError: when a failure is named that there is not, or that cannot be tried on the edges, or a pair that is none.
    """
    settings = context.settings_as(ChaosSettings)
    if "experiment" in context.only or not (settings.explore or "fault" in context.only):
        return ()
    return _wanted(context.system, context.only, settings.failures)


def check_selection(system: System, only: Mapping[str, str]) -> None:
    """Look at what is asked for, before anything starts.

    Raises:
        UsageError: as `planned` does.
    """
    if "experiment" not in only and ("fault" in only or asks_for_pair(only)):
        _wanted(system, only, ())


def _wanted(system: System, only: Mapping[str, str], failures: Sequence[str]) -> tuple[tuple[Edge, Failure], ...]:
    """What is asked for; of failures these, all where there are none, unless one is named."""
    if not asks_for_pair(only):
        return tuple(_cells(system, only, failures))
    if "journey" in only:
        raise UsageError("a pair of failures chooses who walks by itself; leave out --only journey=...")
    order = [e.key for e in system.edges]
    cells = [cell for one in split_pair(only) for cell in _cells(system, one, failures)]
    for edge, _ in cells:
        if edge.kind is EdgeKind.RESOURCE:
            raise UsageError(f"{edge.name} is an edge to a store; only failures of services are tried in pairs")
    return tuple(sorted(cells, key=lambda cell: order.index(cell[0].key)))


def _cells(system: System, only: Mapping[str, str], failures: Sequence[str]) -> list[tuple[Edge, Failure]]:
    named = only.get("fault", "")
    return pairings(chosen_edges(system, only), chosen_failures([named] if named else failures))


async def explore(
    context: StageContext,
    journal: Journal,
    guardian: Guardian,
    progress: Callable[[float, float, str], None],
    turnstile: Turnstile,
    machine: Machine,
) -> Exploration:
    """Try every failure on every edge, and report what is found.

    Args:
        progress: told how many cells are done, of how many, and the one begun.
        turnstile: what else of this stage is at work goes through it as well.
        machine: watched meanwhile.
    """
    cells = planned(context)
    if not cells:
        return Exploration({})
    settings = context.settings_as(ChaosSettings)
    number = settings.copies or copies(context.system, len(cells), context.jobs)
    log = context.directory / "toxiproxy-explore.log"
    async with toxiproxy_server(seed=context.seed, log=log, builtin=True) as server:
        explorer = Explorer(
            system=context.system,
            root=context.root,
            seed=context.seed,
            log=context.directory / "journeys-explore.log",
            journal=journal,
            effort=Effort(
                at_once=settings.walks_at_once(context.profile),
                recovery_s=settings.recovery_within,
                invariants_s=settings.invariants_within,
                wait_s=settings.answer_within,
            ),
            rig_for=lambda n: _rig(context, server, guardian, n),
            progress=progress,
            journey=context.only.get("journey", ""),
            turnstile=turnstile,
            machine=machine,
        )
        explored = await explorer.explore(cells, number, _rounds(context, cells, number))
    return _conclude(context, explored, _edges(cells))


def _rounds(context: StageContext, cells: tuple[tuple[Edge, Failure], ...], number: int) -> Rounds | None:
    """Pairs, where they are wanted: in the full profile unless one failure is asked for, and where some are asked for."""
    asked = asks_for_pair(context.only)
    edges = tuple(e for e in _edges(cells) if e.kind is not EdgeKind.RESOURCE)
    # Pairs choose who walks by themselves.
    wanted = not {"fault", "journey"} & context.only.keys() and context.settings_as(ChaosSettings).tries_pairs(
        context.profile
    )
    if len(edges) < 2 or not (asked or wanted):
        return None
    failures = {e.key: tuple(f for edge, f in cells if edge == e and not f.lasts) for e in edges}
    return Rounds(edges, failures, number, everything="fault" in context.only and asked)


def _edges(cells: tuple[tuple[Edge, Failure], ...]) -> tuple[Edge, ...]:
    """In the order they are shown: stores last, although they are tried first."""
    return tuple(sorted(dict.fromkeys(e for e, _ in cells), key=lambda e: e.kind is EdgeKind.RESOURCE))


def _rig(context: StageContext, server: ToxiproxyServer, guardian: Guardian, number: int) -> Rig:
    return Rig(server, context.runtime(label=f"copy-{number}"), guardian, f"copy-{number}-")


def _conclude(context: StageContext, explored: Explored, edges: tuple[Edge, ...]) -> Exploration:
    telling = Telling(context.redactor, context.again)
    if "edge" not in context.only:
        for finding in untried(context.system):
            context.found(finding)
    for finding in telling.findings(explored):
        context.found(finding)
    path = write_grid(context.directory / "promises.json", telling.grid(explored, edges))
    measures = list(telling.measures(explored))
    artifacts = [context.artifact(path, "promises under failure", GRID_MEDIA_TYPE)]
    if explored.pairs is not None:
        pairs = PairTelling(context.redactor, context.again, asked=asks_for_pair(context.only))
        for finding in pairs.findings(explored.pairs):
            context.found(finding)
        path = write_grid(context.directory / "pairs.json", pairs.grid(explored.pairs))
        measures += pairs.measures(explored.pairs)
        artifacts.append(context.artifact(path, "promises under pairs of failures", GRID_MEDIA_TYPE))
    everything = [*explored.results, *explored.lookouts, *(explored.pairs.results if explored.pairs else ())]
    both = [r.seen.first for r in explored.pairs.results if r.seen.hit] if explored.pairs else []
    valid = [r.seen for r in (*explored.results, *explored.lookouts) if r.seen.hit]
    return Exploration(
        work={
            "faults_injected": len(valid) + 2 * len(both),
            "journeys": sum(len(s.during) + len(s.siblings) + len(s.after) for s in (*valid, *both)),
        },
        measures=tuple(measures),
        artifacts=tuple(artifacts),
        cut_short=explored.cut_short,
        tried=len(everything),
        untold=sum(not r.broken and any(b.excused for b in r.doubtful) for r in everything),
    )
