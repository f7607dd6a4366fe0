"""The provider stage: each provider that has pacts runs alone, its neighbours stubbed, and is verified in a child."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from harness.contracts.consumer.run import FRESH
from harness.contracts.edges import edge_name
from harness.contracts.pacts import InteractionKind, Pact
from harness.contracts.provider.controls import control
from harness.contracts.provider.engine import Verification
from harness.contracts.provider.judging import Judged, judge, reproduce
from harness.contracts.provider.results import kept, publisher_for
from harness.contracts.provider.scenarios import Scenarios, find_scenarios, run_scenarios
from harness.contracts.provider.states import states_of
from harness.contracts.provider.stubs import stubs_for
from harness.contracts.provider.vacuity import vacuous
from harness.contracts.sources import Contracts, overlooked, source_for
from harness.contracts.sources.publishing import Outcome
from harness.contracts.verified import PactResult
from harness.errors import StartError, UsageError, did_you_mean
from harness.evidence import Artifact, Finding, Measure, Place, Severity, StageResult, Status
from harness.system.children import log_tail
from harness.system.model import RuntimeKind, Service

if TYPE_CHECKING:
    from harness.contracts.settings import ProviderSettings
    from harness.pipeline.stage import StageContext
    from harness.system.runtime import ProcessRuntime

__all__ = ["verify_providers"]

_NOT_STARTED = "provider.not_started"


@dataclass(slots=True)
class _Tally:
    """How far the stage is, over all providers."""

    total: int
    done: int = 0
    providers: int = 0
    interactions: int = 0
    messages: int = 0
    kept: int = 0
    scenarios: Scenarios = field(default_factory=Scenarios)
    carried_through: int = 0
    edges: dict[str, int] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)


async def verify_providers(context: StageContext, settings: ProviderSettings) -> StageResult:
    """Verify every pact against its provider; providers side by side."""
    publisher = await publisher_for(context)
    source = source_for(context.system, context.root, fresh=context.run_directory / "consumer" / FRESH)
    contracts = await anyio.to_thread.run_sync(source.contracts)
    context.note(f"contracts from {source.name}")
    for remark in contracts.remarks:
        context.note(remark)
    for finding in (
        *_unreadable(contracts),
        *_overlooked(context),
        *_homeless(context, contracts.pacts),
        *vacuous(context.system, contracts.pacts),
    ):
        context.found(finding)
    jobs = _by_provider(context, contracts.pacts)
    tally = _Tally(total=sum(len(p.interactions) for pacts in jobs.values() for p in pacts))
    tally.scenarios = await find_scenarios(context)
    jobs |= {s.provider: [] for s in tally.scenarios.planned if s.provider not in jobs}
    artifacts: list[Artifact] = []
    limiter = anyio.CapacityLimiter(max(context.jobs, 1))

    async def one(name: str, pacts: Sequence[Pact]) -> None:
        async with limiter:
            artifacts.extend(await _verify_provider(context, settings, name, pacts, contracts.pacts, tally))

    async with anyio.create_task_group() as tasks:
        for name, pacts in jobs.items():
            tasks.start_soon(one, name, pacts)
    if publisher:
        await publisher.publish(context, tally.outcomes)
    return _conclude(context, tally, artifacts, source.name)


def _overlooked(context: StageContext) -> list[Finding]:
    """Contracts nobody would miss: a green run would say nothing about their consumers."""
    folder = context.system.suites.pacts
    if context.system.contracts.sources:
        return []  # what is read is written down there
    return [
        Finding(
            rule="provider.pact_overlooked",
            severity=Severity.ERROR,
            title=f"{file} is a contract, but lies where it is not read",
            detail=f"Only {folder}/*.json is. Move it there, delete it, or name it in `sources` of [contracts].",
            place=Place(file=file),
        )
        for file in overlooked(context.root / folder, context.root)
    ]


def _unreadable(contracts: Contracts) -> list[Finding]:
    return [
        Finding(
            rule="provider.pact_unreadable",
            severity=Severity.ERROR,
            title=f"{broken.name} {broken.problem}",
            place=Place(file=Path(broken.name).name),
        )
        for broken in contracts.unreadable
    ]


def _homeless(context: StageContext, pacts: Sequence[Pact]) -> list[Finding]:
    """Pacts nobody can verify: their provider is not in the system, or they hold nothing."""
    services = context.system.services
    findings = [
        Finding(
            rule="provider.unknown",
            severity=Severity.ERROR,
            title=f'{pact.consumer} has a contract with "{pact.provider}", but there is no such service.'
            f"{did_you_mean(pact.provider, services)}",
            detail=f"Services in harness.toml: {', '.join(services)}.",
            place=Place(consumer=pact.consumer, file=_name(context, pact)),
        )
        for pact in pacts
        if pact.provider not in services
    ]
    findings += [
        Finding(
            rule="provider.empty_pact",
            severity=Severity.ERROR,
            title=f"the contract of {pact.consumer} with {pact.provider} has no interactions",
            detail="Verifying it would prove nothing.",
            place=Place(edge=pact.edge, consumer=pact.consumer, file=_name(context, pact)),
        )
        for pact in pacts
        if not pact.interactions
    ]
    return findings


def _name(context: StageContext, pact: Pact) -> str:
    return pact.origin or f"{context.system.suites.pacts}/{pact.file.name if pact.file else ''}"


def _by_provider(context: StageContext, pacts: Sequence[Pact]) -> dict[str, list[Pact]]:
    """The pacts to verify, narrowed to what was asked for with `--only service=... / edge=... / interaction=...`."""
    service, edge = context.only.get("service"), context.only.get("edge", "").replace(":", " -> ")
    description = context.only.get("interaction")
    jobs: dict[str, list[Pact]] = {}
    for whole in pacts:
        asked = tuple(i for i in whole.interactions if description in {None, i.description})
        pact = replace(whole, interactions=asked)
        wanted = service in {None, pact.provider} and edge in {"", pact.edge, edge_name(context.system, pact)}
        if wanted and pact.interactions and pact.provider in context.system.services:
            jobs.setdefault(pact.provider, []).append(pact)
    # The provider with the most to verify goes first, so that it is not the one everybody waits for.
    return dict(sorted(jobs.items(), key=lambda job: -sum(len(p.interactions) for p in job[1])))


async def _verify_provider(
    context: StageContext,
    settings: ProviderSettings,
    name: str,
    pacts: Sequence[Pact],
    all_pacts: Sequence[Pact],
    tally: _Tally,
) -> list[Artifact]:
    service = context.system.services[name]
    directory = context.directory / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    external = context.system.runtime.kind is RuntimeKind.EXTERNAL or not service.command
    log = directory / "verification.log"
    async with stubs_for(
        name, () if external else all_pacts, root=context.root, directory=directory / "stubs"
    ) as stubs:
        runtimes = _instances(context, settings, service, stubs)
        try:
            async with _running(runtimes), AsyncExitStack() as stack:
                urls = tuple(r.addresses[name] for r in runtimes)
                states_urls = [
                    await stack.enter_async_context(_states(context, settings, service, url)) for url in urls
                ]
                results = await Verification(
                    service=service,
                    root=context.root,
                    base_urls=urls,
                    states_urls=states_urls,
                    processes=context.jobs,
                    request_timeout_s=settings.request_timeout,
                    time_limit_s=settings.time_limit,
                    log=log,
                ).results(pacts)
                died = next((r for r in runtimes if r.died()), None)
                doubts = [] if died else await _controlled(settings, service, urls[0], states_urls[0], pacts)
                for finding in doubts:
                    context.found(finding)
                if not died:
                    own, own_log = tally.scenarios.of(name), runtimes[0].logs.get(name)
                    carried = await run_scenarios(context, service, urls[0], own, own_log)
                    tally.carried_through += carried  # not in one line: other providers add to it during the wait
                    died = next((r for r in runtimes if r.died()), None)
        except StartError as error:
            context.found(_not_started(name, error))
            return [context.artifact(path, f"log of {name}") for path in _logs(runtimes) if path.exists()]
    if died:
        doubts = [_died(name, log_tail(died.logs[name], 25))]
        context.found(doubts[0])
    logs = {f"{name} {n}" if n > 1 else name: r.logs[name] for n, r in enumerate(runtimes, 1) if name in r.logs}
    outcomes = _judge(context, service, pacts, results, tally, log_tail(log), logs)
    doubt = next((d.title for d in doubts if d.severity is Severity.ERROR), "")
    tally.outcomes += [replace(o, doubt=doubt) for o in outcomes]
    files = [*_logs(runtimes), log, directory / "states.log", directory / "scenarios.log"]
    return [context.artifact(path, f"{path.stem} of {name}") for path in files if path.exists()]


def _instances(
    context: StageContext, settings: ProviderSettings, service: Service, stubs: Mapping[str, str]
) -> list[ProcessRuntime]:
    """Prepare the provider alone, as often as its settings say; none of them knows of the others.

    Raises:
        UsageError: when it is to run several times and cannot.
    """
    name, count = service.name, settings.instances
    if count > 1 and service.command and context.system.runtime.kind is RuntimeKind.EXTERNAL:
        raise UsageError(f'stages.provider.instances = {count} needs runtime.kind = "process", found "external".')
    if count > 1 and service.command and service.port:
        raise UsageError(
            f"stages.provider.instances = {count}, but services.{name}.port = {service.port} allows one at a time: "
            "leave the port out, so that each instance gets a free one."
        )
    runtimes = []
    for number in range(count if service.command else 1):
        runtime = context.runtime(services=[name], label=f"{name}/instance-{number + 1}" if number else name)
        for neighbour, url in stubs.items():
            if runtime.system.edge(f"{name}:{neighbour}"):
                runtime.wire(f"{name}:{neighbour}", url)
        runtimes.append(runtime)
    return runtimes


@asynccontextmanager
async def _running(runtimes: Sequence[ProcessRuntime]) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for runtime in runtimes:
            await stack.enter_async_context(runtime.running())
        yield


def _states(
    context: StageContext, settings: ProviderSettings, service: Service, base_url: str
) -> AbstractAsyncContextManager[str]:
    log = context.directory / service.name / "states.log"
    # A little less than the caller waits, so that the reason is what it hears.
    limit_s = settings.request_timeout * 0.9
    return states_of(service, base_url, root=context.root, log=log, time_limit_s=limit_s)


def _logs(runtimes: Sequence[ProcessRuntime]) -> list[Path]:
    return [path for runtime in runtimes for path in runtime.logs.values()]


async def _controlled(
    settings: ProviderSettings, service: Service, base_url: str, states_url: str, pacts: Sequence[Pact]
) -> list[Finding]:
    """The negative controls; afterwards, so that nothing they leave behind is in the way of a contract."""
    if not any(p.of_kind(InteractionKind.HTTP) or any(i.states for i in p.interactions) for p in pacts):
        return []
    stated = any(i.states for p in pacts for i in p.interactions)
    asked = states_url if stated else ""
    expected = _statuses(pacts)
    return await anyio.to_thread.run_sync(control, service.name, base_url, asked, settings.request_timeout, expected)


def _statuses(pacts: Sequence[Pact]) -> set[int]:
    """The statuses that contracts over HTTP ask for."""
    responses = [i.raw.get("response") for p in pacts for i in p.of_kind(InteractionKind.HTTP)]
    said = [r.get("status", 200) for r in responses if isinstance(r, Mapping)]
    return {status for status in said if isinstance(status, int)}


def _judge(
    context: StageContext,
    service: Service,
    pacts: Sequence[Pact],
    results: Sequence[PactResult | None],
    tally: _Tally,
    log: str,
    logs: Mapping[str, Path],
) -> list[Outcome]:
    verified = Judged()
    outcomes = []
    whole = "interaction" not in context.only
    for pact, result in zip(pacts, results, strict=True):
        one = judge(context, service, pact, result, log, logs)
        verified += one
        outcomes.append(Outcome(pact, result, whole=whole, success=kept(pact, result, one)))
        edge = edge_name(context.system, pact)
        tally.edges[edge] = tally.edges.get(edge, 0) + one.interactions + one.messages
        tally.done += len(pact.interactions)
        context.progress(tally.done, tally.total, service.name)
    tally.interactions += verified.interactions
    tally.messages += verified.messages
    tally.kept += verified.kept
    tally.providers += bool(verified.interactions or verified.messages)
    return outcomes


def _not_started(name: str, error: StartError) -> Finding:
    first, _, rest = str(error).partition("\n")
    return Finding(
        rule=_NOT_STARTED,
        severity=Severity.ERROR,
        title=f"{name} alone: {first}",
        detail=rest,
        place=Place(service=name),
        reproduce=reproduce(name),
    )


def _died(name: str, tail: str) -> Finding:
    return Finding(
        rule="provider.died",
        severity=Severity.ERROR,
        title=f"{name} ended while its contracts were being verified",
        detail=f"last lines of its log:\n{tail}",
        place=Place(service=name),
        reproduce=reproduce(name),
    )


def _conclude(context: StageContext, tally: _Tally, artifacts: Sequence[Artifact], source: str) -> StageResult:
    work = {"providers": tally.providers, "interactions": tally.interactions, "messages": tally.messages}
    if tally.scenarios.planned:
        work["scenarios"] = tally.carried_through
    measures = [Measure(f"provider.{what}", count, "count") for what, count in work.items()]
    measures += [Measure("provider.verified", count, "count", {"edge": edge}) for edge, count in tally.edges.items()]
    result = context.result(work=work, measures=measures, artifacts=artifacts)
    errors = [f for f in result.findings if f.severity is Severity.ERROR]
    if errors and all(f.rule == _NOT_STARTED for f in errors):
        # Nothing was found out about their contracts: as anywhere else, a service that does not start is no verdict.
        return replace(result, status=Status.INCONCLUSIVE, reason=errors[0].title, usage_error=True)
    if not any(work.values()) and result.status is not Status.FAIL:
        narrowed = " that fits --only " + " ".join(f"{k}={v}" for k, v in context.only.items()) if context.only else ""
        reason = f"there is no contract to verify in {source}{narrowed}"
        return replace(result, status=Status.INCONCLUSIVE, reason=reason)
    if not tally.kept and (tally.interactions or tally.messages) and result.status is not Status.FAIL:
        # Each mismatch is forgiven as pending; together they say that no contract was seen to be kept.
        reason = "no interaction was kept: every one is pending and does not match"
        return replace(result, status=Status.INCONCLUSIVE, reason=reason)
    return result
