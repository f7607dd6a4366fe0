"""Looks at what each stage needs before anybody waits for a run to find out; starts nothing."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import HarnessError
from harness.pipeline.plan import Plan
from harness.pipeline.registry import load_stage
from harness.pipeline.stage import Need
from harness.system.config import Project
from harness.system.runtime import check_startable

__all__ = ["Checkup", "examine"]


@dataclass(frozen=True, slots=True)
class Checkup:
    """What one stage (or the system itself) needs; `skip` is why it will not run, empty when it will."""

    name: str
    needs: tuple[Need, ...]
    skip: str = ""

    @property
    def ready(self) -> bool:
        """Whether it can do its work, or was switched off on purpose."""
        return bool(self.skip) or all(n.met or n.optional for n in self.needs)


def examine(project: Project, plan: Plan) -> tuple[Checkup, ...]:
    """Look at the system, then at every stage in the order of the plan."""
    return (
        Checkup("system", _system_needs(project)),
        *(Checkup(s.name, load_stage(s.name).needs(project.system, project.root), s.skip) for s in plan.stages),
    )


def _system_needs(project: Project) -> tuple[Need, ...]:
    system = project.system
    try:
        check_startable(system, project.root)
        startable = Need("start commands and ports of all services", met=True)
    except HarnessError as error:
        startable = Need("start commands and ports of all services", met=False, remedy=str(error))
    unready = [n for n, s in system.services.items() if not s.ready]
    unwired = [e.name for e in system.edges if not e.env]
    return (
        startable,
        Need(
            "a readiness path for every service",
            not unready,
            f"set services.{unready[0] if unready else 'NAME'}.ready; without it an open port counts as ready "
            f"({', '.join(unready)})",
            optional=True,
        ),
        Need(
            "an environment variable for every edge",
            not unwired,
            f"without env no stub and no fault can be put on: {', '.join(unwired)}",
            optional=True,
        ),
    )
