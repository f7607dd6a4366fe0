"""Scenarios in the provider stage: found once, run in a pytest child against each provider that runs alone, judged."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.contracts.confidential import UNCUT
from harness.contracts.consumer.testlog import CollectionProblem, TestEnded
from harness.contracts.consumer.testlog import read as read_tests
from harness.contracts.provider.emptiness import is_readiness
from harness.contracts.provider.scenariolog import Asked, Deaf, Planned
from harness.contracts.provider.scenariolog import read as read_asked
from harness.evidence import Exchange, Finding, Place, Redactor, Severity
from harness.evidence.sweep import sweep_file
from harness.guard import INCIDENTS_FILE, Guarded, Invitation, guarded_module
from harness.system.channel import Channel
from harness.system.children import ChildResult, log_tail, python_module, run_child
from harness.system.scratch import private_folder

if TYPE_CHECKING:
    from harness.pipeline.stage import StageContext
    from harness.system.model import Service

__all__ = ["Scenarios", "find_scenarios", "run_scenarios"]

_COLLECT_S = 60.0
_SPARE_S = 30.0
_PER_SCENARIO_S = 20.0
_LOG_LINES = 12
_MAX_MEMORY = 4_000_000_000
#: Where a suite has its own servers, and the recorder is.
_HERE = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Scenarios:
    """The scenarios of a suite that can be run, in the order of their files."""

    planned: tuple[Planned, ...] = ()

    def of(self, provider: str) -> tuple[Planned, ...]:
        """Those about one provider."""
        return tuple(s for s in self.planned if s.provider == provider)

    def narrowed(self, context: StageContext) -> Scenarios:
        """Those that were asked for with `--only service=... / edge=...`; one interaction alone is no scenario."""
        service, edge = context.only.get("service"), context.only.get("edge", "").replace(":", " -> ")
        if "interaction" in context.only:
            return Scenarios()
        return Scenarios(
            tuple(s for s in self.planned if service in {None, s.provider} and edge in {"", _edge(context, s)})
        )


async def find_scenarios(context: StageContext) -> Scenarios:
    """Ask pytest which scenarios the suite has; what cannot be run is reported. Costs nothing where there are none."""
    suite = context.root / context.system.suites.contracts
    if not any("scenario" in _text(file) for file in suite.rglob("*.py")):
        return Scenarios()
    log = context.directory / "scenarios.log"
    with private_folder("harness-scenarios-") as folder:
        child = await _pytest(context, folder, log, _COLLECT_S, "--collect-only", "-qq")
        planned = tuple(r for r in read_asked(folder / "asked.ndjson") if isinstance(r, Planned))
        problems = [r for r in read_tests(folder / "tests.ndjson") if isinstance(r, CollectionProblem)]
    # A file that leaves itself out is no matter of this stage, unless it has scenarios.
    problems = [p for p in problems if not p.skipped or "scenario" in _text(context.root / p.file)]
    for finding in _uncollected(context, child, problems):
        context.found(finding)
    for scenario in planned:
        if scenario.problem:
            context.found(_finding(context, scenario, "scenario_unusable", scenario.problem))
    return Scenarios(tuple(s for s in planned if not s.problem)).narrowed(context)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


async def run_scenarios(
    context: StageContext, service: Service, base_url: str, scenarios: Sequence[Planned], provider_log: Path | None
) -> int:
    """Run the scenarios about one provider where it runs, and report what they found.

    Args:
        base_url: where the provider runs, alone.
        provider_log: its log, for the lines of a failed scenario's trace; None when somebody else started it.

    Returns:
        How many were carried through: they called the provider, and passed or failed.
    """
    if not scenarios:
        return 0
    log = context.directory / service.name / "scenarios.log"
    limit_s = min(context.stage_settings.time_limit, _SPARE_S + _PER_SCENARIO_S * len(scenarios))
    # Outside of the run's folder, and gone afterwards: what was asked holds credentials that work.
    with private_folder("harness-scenarios-") as folder:
        there = ("--provider-url", f"{service.name}={base_url}", "--scenarios-of", service.name)
        child = await _pytest(context, folder, log, limit_s, *there, base_url=base_url)
        ended = {r.test: r for r in read_tests(folder / "tests.ndjson") if isinstance(r, TestEnded)}
        told = read_asked(folder / "asked.ndjson")
    asked = {r.test: r for r in told if isinstance(r, Asked)}
    deaf = {r.test for r in told if isinstance(r, Deaf)}
    sweep_file(log, _redactor(context, service))  # what pytest shows of a failure may hold what lets a caller in
    carried = 0
    for scenario in scenarios:
        test = scenario.test
        case = _Case(context, service, scenario, ended.get(test), asked.get(test), test in deaf)
        finding = case.judged(child, log_tail(log), provider_log)
        if finding is not None:
            context.found(finding)
        carried += case.carried_through
    _all_skipped(context, scenarios, ended)
    return carried


async def _pytest(
    context: StageContext, folder: Path, log: Path, limit_s: float, *arguments: str, base_url: str = ""
) -> ChildResult:
    """Run pytest on the scenarios; with the address of a provider, guarded: what it answers must not send them elsewhere."""
    suite = context.system.suites.contracts
    invited = Invitation.to([base_url], (*_HERE, *context.system.runtime.allow_targets))
    guarded = Guarded(invited, log.parent / INCIDENTS_FILE, _MAX_MEMORY) if base_url else None
    start = guarded_module("pytest") if guarded else python_module("pytest")
    argv = [*start, suite, "-m", "scenario", "-q", "-p", "no:cacheprovider", "-n", "0", *UNCUT]
    if not any("schemathesis" in _text(file) for file in (context.root / suite).rglob("*.py")):
        argv += ["-p", "no:schemathesis"]  # its pytest plugin takes two seconds to load
    argv += ["--pact-dir", str(folder / "pacts"), "--harness-report", str(folder / "tests.ndjson")]
    argv += ["--scenario-log", str(folder / "asked.ndjson"), *arguments]
    log.parent.mkdir(parents=True, exist_ok=True)
    env = guarded.environment() if guarded else None
    with Channel() as channel:
        return await run_child(argv, cwd=context.root, log=log, time_limit_s=limit_s, env=env, channel=channel)


@dataclass(frozen=True, slots=True)
class _Case:
    """One scenario under judgement."""

    context: StageContext
    service: Service
    scenario: Planned
    ended: TestEnded | None
    asked: Asked | None
    deaf: bool

    @property
    def carried_through(self) -> bool:
        """Whether it says anything about the provider."""
        calls = self.asked.calls if self.asked else 0
        return calls > 0 and self.ended is not None and self.ended.outcome != "skipped" and not self.deaf

    def judged(self, child: ChildResult, tail: str, provider_log: Path | None) -> Finding | None:
        """What has to be reported; None for one that passed and proved something."""
        ended, what = self.ended, _words(self.scenario)
        if ended is None:
            limit = f"within {child.duration_s:.0f} s" if child.timed_out else "although it was collected"
            return self._finding("scenario_not_run", f"{what} did not run {limit}", detail=tail)
        if ended.outcome == "skipped":
            why = ended.message or "no reason given"
            return replace(self._finding("scenario_skipped", f"{what} was skipped: {why}"), severity=Severity.WARNING)
        # Where it failed before its first call, that is what has to be told.
        silent = ended.outcome == "passed" or "made no call to" in ended.message
        if silent and not (self.asked and self.asked.calls):
            title = f"{what} made no call to {self.service.name}, so it says nothing about it"
            return self._finding("scenario_silent", title)
        if ended.outcome == "failed":
            return self._failed(ended, what, provider_log)
        return self._empty(what)

    def _empty(self, what: str) -> Finding | None:
        """What makes a scenario that passed worth nothing; None when it shows something."""
        if self.deaf:
            title = f"{what} passes whatever {self.service.name} answers, so it says nothing about it"
            detail = "It passed once more when every answer was 200 with {}, and when every answer was 500: assert something."
            return self._finding("scenario_deaf", title, detail=detail)
        if self._asks_readiness():
            title = f"{what} asks {self.service.name} only whether it is ready, so any service that runs passes it"
            return replace(self._finding("scenario_only_readiness", title), severity=Severity.WARNING)
        return None

    def _asks_readiness(self) -> bool:
        asked = self.asked
        if asked is None or asked.calls != len(asked.exchanges):
            return False  # of so many calls, not all were kept
        lines = [request.split(" ", 2) for request, _ in asked.exchanges]
        return all(len(line) > 1 and is_readiness(line[1].split("\n")[0], self.service.ready) for line in lines)

    def _failed(self, ended: TestEnded, what: str, provider_log: Path | None) -> Finding:
        clean, asked = _redactor(self.context, self.service).text, self.asked
        told = [f"{n}. {request.splitlines()[0]} -> {answer.splitlines()[0]}"
                for n, (request, answer) in enumerate(asked.exchanges if asked else (), 1)]  # fmt: skip
        lines = _traced(provider_log, asked.trace_id) if asked else []
        parts = [clean(ended.detail), *(["its calls:", *map(clean, told)] if told else [])]
        parts += ["log of the provider:", *map(clean, lines)] if lines else []
        found = self._finding(
            "scenario_failed",
            f"{self.service.name} breaks {self.scenario.consumer}: {what}: {clean(ended.message)}",
            detail="\n".join(parts),
            line=ended.line,
        )
        last = asked.exchanges[-1] if asked and asked.exchanges else None
        exchange = Exchange(clean(last[0]), clean(last[1])) if last else None
        return replace(found, exchange=exchange, trace_id=asked.trace_id if asked else "")

    def _finding(self, rule: str, title: str, *, detail: str = "", line: int = 0) -> Finding:
        return _finding(self.context, self.scenario, rule, title, detail=detail, line=line)


def _finding(
    context: StageContext, scenario: Planned, rule: str, title: str, *, detail: str = "", line: int = 0
) -> Finding:
    known = scenario.provider in context.system.services
    return Finding(
        rule=f"provider.{rule}",
        severity=Severity.ERROR,
        title=title if rule != "scenario_unusable" else f"{_words(scenario)} cannot be run: {title}",
        detail=detail,
        place=Place(
            service=scenario.provider if known else "",
            edge=_edge(context, scenario) if known else "",
            consumer=scenario.consumer,
            file=scenario.file,
            line=line or scenario.line,
        ),
        reproduce=f"pytest {shlex.quote(scenario.test)}",
        key=scenario.test,
    )


def _words(scenario: Planned) -> str:
    """The scenario as a sentence: what its function is called."""
    name = scenario.test.split("::")[-1]
    function, bracket, parameters = name.partition("[")
    return f'scenario "{function.removeprefix("test_").replace("_", " ")}{" " if bracket else ""}{bracket}{parameters}"'


def _edge(context: StageContext, scenario: Planned) -> str:
    """The edge as harness.toml has it; events go from the provider to the consumer."""
    turned = context.system.edge(f"{scenario.provider} -> {scenario.consumer}")
    straight = context.system.edge(f"{scenario.consumer} -> {scenario.provider}")
    return turned.name if turned and not straight else f"{scenario.consumer} -> {scenario.provider}"


def _uncollected(context: StageContext, child: ChildResult, problems: Sequence[CollectionProblem]) -> list[Finding]:
    """Where the suite cannot be read, nobody knows which scenarios there are."""
    suite = context.system.suites.contracts
    found = [
        (
            problem.file or suite,
            f"{problem.file or suite} {'leaves itself out' if problem.skipped else 'cannot be collected'}: {problem.message}",
            problem.detail,
        )
        for problem in problems
    ]
    if not found and child.timed_out:
        found = [(suite, f"pytest did not find out within {child.duration_s:.0f} s which scenarios {suite}/ has", "")]
    if not found and child.returncode not in {0, 5}:
        found = [(suite, f"pytest cannot say which scenarios {suite}/ has: exit code {child.returncode}", "")]
    return [
        Finding(
            rule="provider.scenarios_unknown",
            severity=Severity.ERROR,
            title=title,
            detail=detail or log_tail(child.log, 25),
            place=Place(file=file),
            reproduce=f"pytest {suite} -m scenario --collect-only",
        )
        for file, title, detail in found
    ]


def _all_skipped(context: StageContext, scenarios: Sequence[Planned], ended: dict[str, TestEnded]) -> None:
    """Skipping one scenario is a remark; skipping all a consumer has leaves nothing that was shown."""
    for consumer in dict.fromkeys(s.consumer for s in scenarios):
        own = [s for s in scenarios if s.consumer == consumer]
        if all(s.test in ended and ended[s.test].outcome == "skipped" for s in own):
            what = f"every scenario {consumer} has about {own[0].provider} was skipped: nothing was shown"
            found = _finding(context, own[0], "scenarios_skipped", what)
            context.found(replace(found, reproduce=f"pytest {context.system.suites.contracts} -m scenario", key=""))


def _redactor(context: StageContext, service: Service) -> Redactor:
    """What masks the header that lets a caller in as well."""
    return Redactor((*context.system.redact, *((service.auth.header,) if service.auth else ())))


def _traced(log: Path | None, trace_id: str) -> list[str]:
    """The provider's log lines of one trace."""
    if log is None or not log.exists():
        return []
    with log.open(encoding="utf-8", errors="replace") as file:
        return [line.rstrip() for line in file if trace_id in line][-_LOG_LINES:]
