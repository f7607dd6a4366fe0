"""The exploration as a part of the chaos stage: its server, its copies of the system, its evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.chaos.explore.catalogue import Failure
from harness.chaos.explore.explorer import Explored, Explorer, chosen_edges, chosen_failures, copies, pairings
from harness.chaos.explore.stores.catalogue import fitting
from harness.chaos.explore.stores.telling import untried
from harness.chaos.explore.telling import Telling
from harness.chaos.explore.trying import Effort
from harness.chaos.journal import Journal
from harness.chaos.rig import Rig
from harness.chaos.settings import ChaosSettings
from harness.chaos.toxiproxy import ToxiproxyServer, toxiproxy_server
from harness.evidence import Artifact, Measure
from harness.evidence.grid import GRID_MEDIA_TYPE, write_grid
from harness.pipeline import StageContext
from harness.system.guardian import Guardian
from harness.system.model import Edge

__all__ = ["Exploration", "explore", "planned"]


@dataclass(frozen=True, slots=True)
class Exploration:
    """What an exploration leaves.

    Args:
        work: what was done, as a stage counts it.
    """

    work: dict[str, int]
    measures: tuple[Measure, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    cut_short: str = ""


def planned(context: StageContext) -> tuple[tuple[Edge, ...], tuple[Failure, ...]]:
    """Edges and failures to try; none where exploration is switched off, or an experiment is asked for.

    Raises:
        UsageError: when a failure is named that there is not, or that cannot be tried on the edges.
    """
    settings = context.settings_as(ChaosSettings)
    asked = context.only.get("fault", "")
    failures = chosen_failures([asked] if asked else settings.failures)
    if "experiment" in context.only or not (settings.explore or asked):
        return (), ()
    edges = chosen_edges(context.system, context.only)
    tried = {edge for edge, _ in pairings(edges, failures)}
    return tuple(e for e in edges if e in tried), failures


async def explore(
    context: StageContext, journal: Journal, guardian: Guardian, progress: Callable[[float, float, str], None]
) -> Exploration:
    """Try every failure on every edge, and report what is found.

    Args:
        progress: told how many cells are done, of how many, and the one begun.
    """
    edges, failures = planned(context)
    if not edges:
        return Exploration({})
    settings = context.settings_as(ChaosSettings)
    number = settings.copies or copies(context.system, len(fitting(edges, failures)), context.jobs)
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
        )
        explored = await explorer.explore(edges, failures, number)
    return _conclude(context, explored, edges)


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
    valid = [r.seen for r in explored.results if r.seen.hit]
    return Exploration(
        work={
            "faults_injected": len(valid),
            "journeys": sum(len(s.during) + len(s.siblings) + len(s.after) for s in valid),
        },
        measures=tuple(telling.measures(explored)),
        artifacts=(context.artifact(path, "promises under failure", GRID_MEDIA_TYPE),),
        cut_short=explored.cut_short,
    )
