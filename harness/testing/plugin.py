"""The pytest plugin: fixtures for consumer tests, and pacts published at the end of a run. Inert until a test uses it.

Loaded by itself wherever the harness is installed (`-p no:harness` keeps it out). `pytest contracts/` is all it takes:
every passed test's interactions go to the folder of published pacts (`[suites] pacts` in harness.toml, or --pact-dir).
A run of the whole suite replaces what it produced before; a partial one (-k, one file, a failed test) only updates.
With --tolerant-reader each passed test is replayed with other answers, see `harness.testing.replay`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.testing.project import add_options

if TYPE_CHECKING:
    from harness.testing.consumer import PactFactory
    from harness.testing.publishing import Outcome
    from harness.testing.replay.search import Limits

#: pytest loads them with this plugin: scenarios, which run against providers and not against a mock server; and faults.
pytest_plugins = ("harness.testing.scenarios", "harness.testing.toxics")

_SCRATCH = "harness_scratch"
_DESELECTED = "harness_deselected"
_EXAMPLES = 10
_REPLAYS_S = 300.0


@dataclass(slots=True)
class _State:
    """What the plugin remembers of one pytest process.

    Args:
        scratch: folder where each process of this run writes what its tests produced, one file per process; made when it is
            needed, and removed when `owned` is closed. After a kill the next run removes it.
        worker: name of this process among the run's processes.
        deselected: files of tests that were collected and then left out.
        unsuccessful: node id and outcome of tests that failed or were skipped.
        replays: how this process replays tests; None when it does not.
        to_replay: passed tests, in the order in which they ran, and the pacts each defined, decoded.
    """

    scratch: Path | None = None
    worker: str = "main"
    is_worker: bool = False
    deselected: set[str] = field(default_factory=set)
    unsuccessful: dict[str, str] = field(default_factory=dict)
    outcome: Outcome | None = None
    replays: Limits | None = None
    to_replay: dict[pytest.Function, list[dict[str, Any]]] = field(default_factory=dict)
    owned: ExitStack = field(default_factory=ExitStack)


_STATE = pytest.StashKey[_State]()
_PASSED = pytest.StashKey[bool]()
_LOG = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("harness", "consumer contracts, and faults")
    add_options(parser)
    group.addoption("--pact-dir", metavar="DIR", help="publish pacts here (default: [suites] pacts of harness.toml)")
    group.addoption("--harness-report", metavar="FILE", help="write results here, one JSON record a line")
    group.addoption(
        "--tolerant-reader",
        metavar="N",
        nargs="?",
        type=_replays,
        const=_EXAMPLES,
        default=0,
        help="replay each consumer test with up to N sets of other answers that its contract allows "
        f"(default when given: {_EXAMPLES}); write --tolerant-reader=N, or put it last",
    )
    group.addoption(
        "--tolerant-reader-seed", metavar="SEED", type=int, default=0, help="the same seed makes the same answers"
    )
    group.addoption(
        "--tolerant-reader-limit",
        metavar="SECONDS",
        type=float,
        default=_REPLAYS_S,
        help="the longest each process may spend on replays (default: %(default)s)",
    )


def _replays(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number; write --tolerant-reader=N, or put it last")
    return int(text)


def pytest_configure(config: pytest.Config) -> None:
    """Prepare; touches no file."""
    config.addinivalue_line("markers", "tolerant_reader(False, reason=...): do not replay this consumer test")
    given: dict[str, Any] | None = getattr(config, "workerinput", None)
    if given is not None:
        config.stash[_STATE] = _State(Path(given[_SCRATCH]), str(given["workerid"]), is_worker=True)
        return
    state = config.stash[_STATE] = _State()
    config.add_cleanup(state.owned.close)
    report = config.getoption("--harness-report")
    if report:
        from harness.testing.log import LogWriter

        config.stash[_LOG] = LogWriter(Path(report))
        config.pluginmanager.register(config.stash[_LOG], "harness-log")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker where to write."""
    node.workerinput[_SCRATCH] = str(_scratch(node.config.stash[_STATE]))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:  # noqa: ARG001 - the hook's signature
    """Take over what an xdist worker knows about tests it left out."""
    node.config.stash[_STATE].deselected.update(getattr(node, "workeroutput", {}).get(_DESELECTED, ()))


@pytest.fixture
def pact(request: pytest.FixtureRequest) -> Generator[PactFactory]:
    """Make pacts: `contract = pact("orders", "catalog")`; published when the test passes."""
    from harness.testing.consumer import PactFactory

    state, stash = request.config.stash[_STATE], request.node.stash
    if state.replays is not None:
        from harness.testing.replay.rerun import REPLAY

        if (replay := stash.get(REPLAY, None)) is not None:
            yield PactFactory(replay)
            return
    factory = PactFactory()
    stash[_PASSED] = False  # not what an earlier attempt of a flaky test left
    yield factory
    if stash.get(_PASSED, False):
        made = factory.finish()
        _keep(state, "pacts", [{"test": request.node.nodeid, "pact": raw} for raw in made])
        if made and isinstance(request.node, pytest.Function):
            state.to_replay[request.node] = made
    elif request.config.getoption("--harness-report") or hasattr(request.config, "workerinput"):
        _keep(state, "failed", [{"pact": raw} for raw in factory.defined()])


def _scratch(state: _State) -> Path:
    if state.scratch is None:
        from harness.system.scratch import private_folder, sweep

        sweep()
        state.scratch = state.owned.enter_context(private_folder("harness-pacts-"))
    return state.scratch


def _keep(state: _State, kind: str, records: Sequence[dict[str, Any]]) -> None:
    """One file per process: sixteen processes writing one pact file at once lose some of it."""
    from harness.contracts.consumer.testlog import opened_privately

    file = _scratch(state) / f"{state.worker}.{kind}"
    with open(file, "a", encoding="utf-8", opener=opened_privately) as sink:
        for record in records:
            sink.write(json.dumps(record) + "\n")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Replay when all tests are over: what other answers leave behind in the process must not reach their outcomes."""
    done = yield
    state = session.config.stash[_STATE]
    if state.replays is not None and state.to_replay:
        from dataclasses import asdict

        from harness.testing.replay.search import replay_all

        _keep(state, "waiting", [{"test": item.nodeid, "pacts": made} for item, made in state.to_replay.items()])
        for record in replay_all(state.to_replay, state.replays):
            _keep(state, "replays", [asdict(record)])
    return done


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],  # noqa: ARG001 - the hook's signature
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether the test itself passed, for the fixture's end."""
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Remember where tests were left out; scenarios produce no pacts, so without them a run is still complete."""
    for item in items:
        if item.get_closest_marker("scenario"):
            continue
        item.config.stash[_STATE].deselected.add(item.nodeid)


class _Watcher:
    """Sees reports in the controlling process; registered by `pytest_sessionstart` because it needs the config."""

    def __init__(self, state: _State) -> None:
        self._state = state

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # A flaky test that will run again reports "rerun": only its last attempt counts.
        if report.failed or report.skipped:
            self._state.unsuccessful[report.nodeid] = report.outcome

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            self._state.unsuccessful[report.nodeid] = report.outcome


def pytest_sessionstart(session: pytest.Session) -> None:
    """Watch reports in the controlling process; see whether tests are to be replayed."""
    state = session.config.stash[_STATE]
    if session.config.getoption("--tolerant-reader"):
        from harness.testing.publishing import replay_limits

        state.replays = replay_limits(session.config)
    if not state.is_worker:
        session.config.pluginmanager.register(_Watcher(state), "harness-watcher")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Publish what the passed tests produced; a worker only reports what it left out."""
    config, state = session.config, session.config.stash[_STATE]
    if state.is_worker:
        config.workeroutput[_DESELECTED] = sorted(state.deselected)  # type: ignore[attr-defined]  # xdist's
        return
    log = config.stash.get(_LOG, None)
    if log is None and not (state.scratch and any(state.scratch.iterdir())):
        return
    from harness.testing.publishing import publish

    state.outcome = publish(
        config,
        _scratch(state),
        deselected=state.deselected,
        unsuccessful=state.unsuccessful,
        interrupted=bool(session.shouldstop or session.shouldfail) or exitstatus not in {0, 1, 5},
    )
    if state.outcome.failed:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if log is not None:
        log.close(int(session.exitstatus), state.outcome)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was published, and what could not be."""
    outcome = config.stash[_STATE].outcome
    for line in outcome.lines() if outcome else ():
        terminalreporter.write_line(line)
