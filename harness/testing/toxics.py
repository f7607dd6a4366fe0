"""The fixtures `toxics` and `toxics_session`: the system of harness.toml behind proxies, for people's own tests.

    def test_checkout_survives_a_slow_bank(toxics):
        with toxics.edge("orders", "payments").latency(2000):
            assert requests.post(toxics.url("gateway") + "/orders", ...).status_code == 503

Nothing is started until a test asks for an edge, a URL or a proxy. Under xdist every worker has a system of its own.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.testing.project import find_project

if TYPE_CHECKING:
    from harness.chaos.bench import Bench
    from harness.chaos.toxics import Toxics
    from harness.system.config import Project

__all__ = ["toxics", "toxics_session"]


@pytest.fixture(scope="session")
def _toxics_bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Bench]:
    from harness.chaos.bench import Bench

    project = find_project(request.config)
    problem = _problem(request.config, project)
    if problem:
        pytest.fail(problem, pytrace=False)
    with Bench(project, directory=Path(tmp_path_factory.mktemp("toxics"))) as bench:
        yield bench


@pytest.fixture
def toxics(_toxics_bench: Bench) -> Generator[Toxics]:
    """Faults for one test, see `harness.chaos.toxics.Toxics`; all of them are lifted when it has ended."""
    from harness.chaos.toxics import Toxics

    made = Toxics(_toxics_bench)
    try:
        yield made
    finally:
        made.close()
        dead = _toxics_bench.revive()
    if dead:
        said = "\n".join(f"{name} ended during this test; last lines of its log:\n{log}" for name, log in dead.items())
        pytest.fail(said, pytrace=False)


@pytest.fixture(scope="session")
def toxics_session(_toxics_bench: Bench) -> Generator[Toxics]:
    """The same for fixtures that live longer than a test; what is in force or made stays until the session ends."""
    from harness.chaos.toxics import Toxics

    made = Toxics(_toxics_bench)
    try:
        yield made
    finally:
        made.close()


def _problem(config: pytest.Config, project: Project | None) -> str:
    """Why several workers cannot each have the system; empty when they can."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if project is None or workers < 2:
        return ""
    fixed = [f"services.{s.name}.port = {s.port}" for s in project.system.services.values() if s.command and s.port]
    if not fixed:
        return ""
    return (
        f"{workers} pytest workers would each start the system, but harness.toml gives it fixed ports "
        f"({', '.join(fixed)}): take them out, so that free ones are picked, or run without -n"
    )
