"""Scenarios under pytest: the marker, the `provider` fixture, and what is left out of a run that is not about them.

    @pytest.mark.scenario(consumer="web", provider="billing")
    def test_a_refund_is_paid_once(provider):
        provider.given("an invoice exists", id="inv-1")
        ...provider.client.post(...)...

`pytest contracts/` leaves scenarios out, because it is about the consumers' own code. `pytest contracts/ -m scenario` runs
them: each provider alone, once per session, neighbours stubbed; or wherever `--provider-url NAME=URL` says it is.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.testing.project import find_project

if TYPE_CHECKING:
    from harness.system.config import Project
    from harness.testing.provider import Provider

__all__ = ["provider"]

_PARTIES = ("consumer", "provider")
_HOW = '@pytest.mark.scenario(consumer="...", provider="...")'


@dataclass(slots=True)
class _Session:
    """What is kept for one pytest process: where providers are, and what has to be ended."""

    project: Project | None
    urls: dict[str, str]
    ending: ExitStack = field(default_factory=ExitStack)
    left_out: int = 0


_SESSION = pytest.StashKey[_Session]()
_PASSED = pytest.StashKey[bool]()
_NONSENSE_IS_SAID = pytest.StashKey[tuple[int, bytes]]()
#: What a scenario that listens cannot all be content with. The first is enough for most, and no reason to try again.
_NONSENSE = ((200, b"{}"), (500, b""))
_NONSENSE_S = 5.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("harness")
    group.addoption(
        "--provider-url",
        metavar="NAME=URL",
        action="append",
        default=[],
        help="run scenarios against a provider that runs already (repeatable); others are started alone",
    )
    group.addoption("--scenarios-of", metavar="NAME", help="run the scenarios of this provider only")
    group.addoption("--scenario-log", metavar="FILE", help="write what scenarios asked here, one JSON record a line")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and read the addresses."""
    config.addinivalue_line(
        "markers", "scenario(consumer, provider): a sequence of calls whose meaning the consumer relies on"
    )
    urls: dict[str, str] = {}
    for given in config.getoption("--provider-url"):
        name, equals, url = given.partition("=")
        if not (name and equals and url.startswith(("http://", "https://"))):
            raise pytest.UsageError(f"--provider-url takes NAME=URL, e.g. billing=http://127.0.0.1:8000; got {given!r}")
        urls[name] = url.rstrip("/")
    if urls:
        from harness.system.telling import tell_what_is_sent

        tell_what_is_sent()
    config.stash[_SESSION] = _Session(None, urls)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the providers that were started."""
    session = config.stash.get(_SESSION, None)
    if session is not None:
        session.ending.close()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Write down every scenario there is; leave those out that nobody asked for."""
    scenarios = [item for item in items if item.get_closest_marker("scenario")]
    if not scenarios:
        return
    session = config.stash[_SESSION]
    session.project = find_project(config)
    _write_down(config, scenarios)
    of = config.getoption("--scenarios-of")
    if of:
        out = [item for item in items if item not in scenarios or _party(item, "provider") != of]
    else:
        out = [] if _asked_for_all(config) else [i for i in scenarios if not _named(config, i)]
    if out:
        gone = set(map(id, out))
        items[:] = [item for item in items if id(item) not in gone]
        session.left_out = sum(1 for item in out if item in scenarios) if not of else 0
        config.hook.pytest_deselected(items=out)


def _asked_for_all(config: pytest.Config) -> bool:
    """`-m` that speaks of scenarios decides by itself; an address is no use without them."""
    return "scenario" in (config.getoption("markexpr") or "") or bool(config.getoption("--provider-url"))


def _named(config: pytest.Config, item: pytest.Item) -> bool:
    """Whether the test was typed out: `pytest file.py::test`, with or without its parameters."""
    here = config.invocation_params.dir
    typed = [arg.split("::", 1) for arg in config.args if "::" in arg]
    own = item.nodeid.partition("::")[2]
    return any(
        (here / file).resolve() == item.path.resolve() and (own == name or own.startswith((f"{name}[", f"{name}::")))
        for file, name in typed
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how to run what was left out."""
    session = config.stash.get(_SESSION, None)
    if session is not None and session.left_out:
        many = f"{session.left_out} scenario{'s' if session.left_out > 1 else ''}"
        terminalreporter.write_line(f"{many} left out; run them with: pytest {' '.join(config.args)} -m scenario")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a scenario that cannot mean anything as it is written."""
    if item.get_closest_marker("scenario"):
        problem = _problem(item, item.config.stash[_SESSION])
        if problem:
            pytest.fail(problem, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],  # noqa: ARG001 - the hook's signature
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether a scenario failed in any of its phases."""
    report = yield
    item.stash[_PASSED] = report.passed and item.stash.get(_PASSED, True)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Run a scenario that passed against nonsense, when all is said about it: it has to notice."""
    done = yield
    log = item.config.getoption("--scenario-log")
    if not isinstance(item, pytest.Function) or not item.get_closest_marker("scenario"):
        return done
    if log and item.stash.get(_PASSED, False):
        from harness.contracts.provider.scenariolog import Deaf, append
        from harness.testing.replay.rerun import leave

        try:
            if all(_is_content_with(item, answer) for answer in _NONSENSE):
                append(Path(log), Deaf(test=item.nodeid))
        finally:
            leave(item, nextitem)
    return done


def _is_content_with(item: pytest.Function, nonsense: tuple[int, bytes]) -> bool:
    from harness.testing.replay.rerun import Replay, rerun

    item.stash[_NONSENSE_IS_SAID] = nonsense
    try:
        return rerun(item, Replay(), _NONSENSE_S) is None
    finally:
        del item.stash[_NONSENSE_IS_SAID]


@pytest.fixture
def provider(request: pytest.FixtureRequest) -> Generator[Provider]:
    """The provider a scenario is about, alone; see `harness.testing.provider.Provider`."""
    if request.node.get_closest_marker("scenario") is None:
        pytest.fail(f"the fixture `provider` is for scenarios: mark the test with {_HOW}", pytrace=False)
    from harness.testing.provider import Provider
    from harness.testing.recorder import Recorder

    session, name = request.config.stash[_SESSION], _party(request.node, "provider")
    service = session.project.system.services.get(name) if session.project else None
    headers = _auth(session, name)
    nonsense = request.node.stash.get(_NONSENSE_IS_SAID, None)
    with Recorder(_base_url(session, name), Provider.timeout_s, nonsense) as recorder:
        made = Provider(name, recorder, headers, service)
        try:
            yield made
        finally:
            made.close()
            if not nonsense:
                _write_asked(request.config, request.node.nodeid, recorder)
    if not recorder.calls and not nonsense:
        pytest.fail(f"the scenario made no call to {name}, so it says nothing about it", pytrace=False)


def _party(item: pytest.Item, which: str) -> str:
    marker = item.get_closest_marker("scenario")
    given = marker.kwargs.get(which, "") if marker else ""
    return given if isinstance(given, str) else ""


def _problem(item: pytest.Item, session: _Session) -> str:
    """Why a scenario cannot be run as it is written; empty when it can."""
    marker = item.get_closest_marker("scenario")
    assert marker is not None
    missing = [which for which in _PARTIES if not _party(item, which)]
    unknown = [repr(name) for name in marker.kwargs if name not in _PARTIES] + list(map(repr, marker.args))
    if missing or unknown:
        said = [f"{' and '.join(missing)} missing"] if missing else []
        said += [f"{', '.join(unknown)} not understood"] if unknown else []
        return f"a scenario is marked {_HOW}: {'; '.join(said)}"
    if "provider" not in getattr(item, "fixturenames", ()):
        return "the scenario does not ask for the fixture `provider`, so it cannot call it"
    return _unknown_party(item, session)


def _unknown_party(item: pytest.Item, session: _Session) -> str:
    from harness.errors import did_you_mean

    if session.project is None:
        if _party(item, "provider") in session.urls:
            return ""
        name = _party(item, "provider")
        return f"there is no harness.toml that says how to start {name}; write one, or give --provider-url {name}=URL"
    services = session.project.system.services
    for which in _PARTIES:
        name = _party(item, which)
        if name not in services:
            known = ", ".join(services)
            return (
                f'scenario({which}="{name}"): there is no such service in harness.toml.{did_you_mean(name, services)} '
                f"Services: {known}."
            )
    return ""


def _base_url(session: _Session, name: str) -> str:
    if name not in session.urls:
        session.urls[name] = _start(session, name)
    return session.urls[name]


def _start(session: _Session, name: str) -> str:
    """Start a provider alone, for the rest of the session."""
    from anyio.from_thread import start_blocking_portal

    from harness.contracts.provider.isolation import alone
    from harness.contracts.sources import FolderSource
    from harness.errors import HarnessError
    from harness.system.scratch import private_folder

    project = session.project
    assert project is not None
    pacts = FolderSource(project.root / project.system.suites.pacts, project.root).contracts().pacts
    folder = session.ending.enter_context(private_folder("harness-scenarios-"))
    portal = session.ending.enter_context(start_blocking_portal())
    running = alone(project.system, name, root=project.root, directory=folder, pacts=pacts)
    try:
        runtime = session.ending.enter_context(portal.wrap_async_context_manager(running))
    except HarnessError as error:
        pytest.fail(f"{name} alone: {error}", pytrace=False)
    return runtime.addresses[name]


def _auth(session: _Session, name: str) -> Mapping[str, str]:
    if session.project is None or name not in session.project.system.services:
        return {}
    from harness.errors import HarnessError
    from harness.system.auth import resolve

    try:
        return resolve(session.project.system.services[name], session.project.root)
    except HarnessError as error:
        pytest.fail(str(error), pytrace=False)


def _write_down(config: pytest.Config, scenarios: Sequence[pytest.Item]) -> None:
    file = config.getoption("--scenario-log")
    if not file:
        return
    from harness.contracts.provider.scenariolog import Planned, append

    for item in scenarios:
        path, line, _ = item.location
        append(
            Path(file),
            Planned(
                test=item.nodeid,
                consumer=_party(item, "consumer"),
                provider=_party(item, "provider"),
                file=path,
                line=(line or 0) + 1,
                problem=_problem(item, config.stash[_SESSION]),
            ),
        )


def _write_asked(config: pytest.Config, test: str, recorder: Any) -> None:
    file = config.getoption("--scenario-log")
    if file:
        from harness.contracts.provider.scenariolog import Asked, append

        asked = Asked(test=test, calls=recorder.calls, trace_id=recorder.trace_id, exchanges=tuple(recorder.exchanges))
        append(Path(file), asked)
