"""The provider stage: each provider that has pacts runs alone, its neighbours stubbed, and is verified in a child."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from harness.contracts.consumer import FRESH
from harness.contracts.edges import edge_name
from harness.contracts.judging import Judged, judge, reproduce
from harness.contracts.pacts import Interaction, InteractionKind, Pact, write_pact
from harness.contracts.source import Contracts, FolderSource
from harness.contracts.stubs import stubs_for
from harness.contracts.verification import PactResult, VerificationJob, read_results
from harness.errors import StartError, did_you_mean
from harness.evidence import Artifact, Finding, Measure, Place, Severity, StageResult, Status, to_json
from harness.system.auth import resolve
from harness.system.children import log_tail, run_child
from harness.system.model import RuntimeKind, Service

if TYPE_CHECKING:
    from harness.contracts.settings import ProviderSettings
    from harness.pipeline.stage import StageContext

__all__ = ["verify_providers"]

_PER_INTERACTION_S = 2.0
_SPARE_S = 30.0
_NOT_STARTED = "provider.not_started"


@dataclass(slots=True)
class _Tally:
    """How far the stage is, over all providers."""

    total: int
    done: int = 0
    providers: int = 0
    interactions: int = 0
    messages: int = 0
    edges: dict[str, int] = field(default_factory=dict)


async def verify_providers(context: StageContext, settings: ProviderSettings) -> StageResult:
    """Verify every pact against its provider; providers side by side."""
    source = _source(context)
    contracts = source.contracts()
    context.note(f"contracts from {source.name}")
    for finding in (*_unreadable(contracts), *_homeless(context, contracts.pacts)):
        context.found(finding)
    jobs = _by_provider(context, contracts.pacts)
    tally = _Tally(total=sum(len(p.interactions) for pacts in jobs.values() for p in pacts))
    artifacts: list[Artifact] = []
    limiter = anyio.CapacityLimiter(max(context.jobs, 1))

    async def one(name: str, pacts: Sequence[Pact]) -> None:
        async with limiter:
            artifacts.extend(await _verify_provider(context, settings, name, pacts, contracts.pacts, tally))

    async with anyio.create_task_group() as tasks:
        for name, pacts in jobs.items():
            tasks.start_soon(one, name, pacts)
    return _conclude(context, tally, artifacts, source.name)


def _source(context: StageContext) -> FolderSource:
    """What the consumer stage of this very run left, else what is published."""
    fresh = context.run_directory / "consumer" / FRESH
    if any(fresh.glob("*.json")):
        return FolderSource(fresh, context.root)
    return FolderSource(context.root / context.system.suites.pacts, context.root)


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
    folder = context.system.suites.pacts
    findings = [
        Finding(
            rule="provider.unknown",
            severity=Severity.ERROR,
            title=f'{pact.consumer} has a contract with "{pact.provider}", but there is no such service.'
            f"{did_you_mean(pact.provider, services)}",
            detail=f"Services in harness.toml: {', '.join(services)}.",
            place=Place(consumer=pact.consumer, file=f"{folder}/{_name(pact)}"),
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
            place=Place(edge=pact.edge, consumer=pact.consumer, file=f"{folder}/{_name(pact)}"),
        )
        for pact in pacts
        if not pact.interactions
    ]
    return findings


def _name(pact: Pact) -> str:
    return pact.file.name if pact.file else ""


def _by_provider(context: StageContext, pacts: Sequence[Pact]) -> dict[str, list[Pact]]:
    """The pacts to verify, narrowed to what was asked for with `--only service=... / edge=...`."""
    service, edge = context.only.get("service"), context.only.get("edge", "").replace(":", " -> ")
    jobs: dict[str, list[Pact]] = {}
    for pact in pacts:
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
        runtime = context.runtime(services=[name], label=name)
        for neighbour, url in stubs.items():
            if runtime.system.edge(f"{name}:{neighbour}"):
                runtime.wire(f"{name}:{neighbour}", url)
        try:
            async with runtime.running():
                results = await _verified(context, settings, service, runtime.addresses[name], pacts, log)
                died = bool(runtime.died())
        except StartError as error:
            context.found(_not_started(name, error))
            return [context.artifact(path, f"log of {name}") for path in runtime.logs.values() if path.exists()]
    if died:
        context.found(_died(name, log_tail(runtime.logs[name], 25)))
    _judge(context, service, pacts, results, tally, log_tail(log))
    files = [*runtime.logs.values(), log]
    return [context.artifact(path, f"{path.stem} of {name}") for path in files if path.exists()]


async def _verified(
    context: StageContext,
    settings: ProviderSettings,
    service: Service,
    base_url: str,
    pacts: Sequence[Pact],
    log: Path,
) -> list[PactResult | None]:
    """Verify in a process of its own; one result for each pact, None where the process did not come to it."""
    headers = await anyio.to_thread.run_sync(resolve, service, context.root)
    interactions = sum(len(p.interactions) for p in pacts)
    # Outside of the run's folder, and gone afterwards: credentials that work are in there.
    with tempfile.TemporaryDirectory(prefix="harness-pacts-") as temporary:
        folder = Path(temporary)
        files = [_ready_to_verify(p, service, headers, folder / str(n)) for n, p in enumerate(pacts)]
        job = VerificationJob(
            provider=service.name,
            base_url=base_url,
            states_url=base_url + service.states if service.states else "",
            messages_url=base_url + service.messages if service.messages else "",
            pacts=tuple(str(f) for f in files if f),
            request_timeout_s=settings.request_timeout,
        )
        (folder / "job.json").write_text(to_json(job))
        await run_child(
            [sys.executable, "-m", "harness.contracts.verification", "job.json", "results.ndjson"],
            cwd=folder,
            log=log,
            time_limit_s=min(
                settings.time_limit, _SPARE_S + interactions * (_PER_INTERACTION_S + settings.request_timeout)
            ),
        )
        results = read_results(folder / "results.ndjson")
    return [results.get(str(file)) for file in files]


def _ready_to_verify(pact: Pact, service: Service, headers: Mapping[str, str], folder: Path) -> Path | None:
    """Write the pact as it is sent: with credentials that work, without messages nobody can be asked for."""
    interactions = tuple(
        replace(i, raw=_with_credentials(i, headers))
        for i in pact.interactions
        if service.messages or i.kind is InteractionKind.HTTP
    )
    return write_pact(replace(pact, interactions=interactions), folder) if interactions else None


def _with_credentials(interaction: Interaction, headers: Mapping[str, str]) -> Mapping[str, object]:
    """Replace a header the service's `auth` is about, unless the interaction is about being refused."""
    request, response = interaction.raw.get("request"), interaction.raw.get("response")
    if not headers or not isinstance(request, dict) or not isinstance(request.get("headers"), dict):
        return interaction.raw
    if isinstance(response, dict) and response.get("status") in {401, 403}:
        return interaction.raw
    real = {k.lower(): v for k, v in headers.items()}
    sent = {
        k: ([real[k.lower()]] if isinstance(v, list) else real[k.lower()]) if k.lower() in real else v
        for k, v in request["headers"].items()
    }
    return {**interaction.raw, "request": {**request, "headers": sent}}


def _judge(
    context: StageContext,
    service: Service,
    pacts: Sequence[Pact],
    results: Sequence[PactResult | None],
    tally: _Tally,
    log: str,
) -> None:
    verified = Judged()
    for pact, result in zip(pacts, results, strict=True):
        one = judge(context, service, pact, result, log)
        verified += one
        edge = edge_name(context.system, pact)
        tally.edges[edge] = tally.edges.get(edge, 0) + one.interactions + one.messages
        tally.done += len(pact.interactions)
        context.progress(tally.done, tally.total, service.name)
    tally.interactions += verified.interactions
    tally.messages += verified.messages
    tally.providers += bool(verified.interactions or verified.messages)


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
    return result
