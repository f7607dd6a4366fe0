"""The schema stage: every document is had, checked and compared with its baseline, and a change says whom it hits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_process

from harness.contracts.compat import Change, Level
from harness.contracts.pacts import Pact
from harness.contracts.schema.checks import Examined, examine
from harness.contracts.schema.patience import UnfinishedError, may_backtrack
from harness.contracts.sources import source_for
from harness.contracts.usage.usage import Usage, usage_of
from harness.contracts.usage.verdicts import Consequence, Verdicts
from harness.documents.baselines import ACCEPT_COMMAND
from harness.documents.reading import (
    Declared,
    DocumentError,
    DocumentKind,
    baseline_file,
    declared,
    fetch,
    in_version_3,
    parse,
)
from harness.errors import HarnessError
from harness.evidence import Artifact, Finding, Measure, Place, Severity, StageResult, Status
from harness.system.model import EdgeKind

if TYPE_CHECKING:
    from harness.contracts.settings import SchemaSettings
    from harness.pipeline.stage import StageContext
    from harness.system.model import System

__all__ = ["check_documents"]

# Up to here a document is checked in well under a second; a process, which can be ended, would take longer to start.
_SMALL_BYTES = 256_000
_MAX_PLACES = 20
#: How much longer than its processor time a check may take where the machine is busy, and its process to start, in seconds.
_PATIENCE, _START_S = 20.0, 60.0
_SEVERITY = {Level.BREAKING: Severity.ERROR, Level.WARNING: Severity.WARNING, Level.COMPATIBLE: Severity.INFO}


@dataclass(slots=True)
class _Tally:
    """What the stage has done so far, and the contracts it asks.

    Args:
        pacts: every published pact; None where one of them cannot be read, as then nobody is known to be safe.
    """

    total: int
    pacts: tuple[Pact, ...] | None = None
    documents: int = 0
    operations: int = 0
    compared: int = 0
    artifacts: list[Artifact] = field(default_factory=list)


async def check_documents(context: StageContext, settings: SchemaSettings) -> StageResult:
    """Check every document of the system, several at a time, each within its own time limit."""
    wanted = [d for d in declared(context.system) if context.only.get("service") in {None, d.service.name}]
    _note_bare_services(context, wanted)
    for finding in _orphans(context):
        context.found(finding)
    tally = _Tally(total=len(wanted), pacts=await anyio.to_thread.run_sync(_published, context))
    limiter = anyio.CapacityLimiter(max(context.jobs, 1))
    async with anyio.create_task_group() as tasks:
        for document in wanted:
            tasks.start_soon(_check, context, settings, document, tally, limiter)
    work = {"documents": tally.documents, "operations": tally.operations, "compared": tally.compared}
    measures = [Measure(f"schema.{what}", count, "count") for what, count in work.items()]
    result = context.result(work=work, measures=measures, artifacts=tally.artifacts)
    if not wanted:
        who = context.only.get("service", "no service")
        has = "has no" if "service" in context.only else "has an"
        reason = f"{who} {has} OpenAPI or AsyncAPI document"
        return replace(result, status=Status.INCONCLUSIVE, reason=reason)
    return result


def _published(context: StageContext) -> tuple[Pact, ...] | None:
    """The contracts of every known consumer; None where some may be missing, as then nobody can be said to be safe."""
    try:
        source = source_for(context.system, context.root)
        contracts = source.contracts()
    except HarnessError as error:
        context.note(f"{error}: every change counts as the specification has it")
        return None
    if contracts.unreadable:
        broken = contracts.unreadable[0]
        context.note(f"{broken.name} {broken.problem}: every change counts as the specification has it")
        return None
    return contracts.pacts


def _note_bare_services(context: StageContext, wanted: Sequence[Declared]) -> None:
    bare = [n for n in context.system.services if all(d.service.name != n for d in wanted)]
    if bare and "service" not in context.only:
        context.note(f"no document to check: {', '.join(bare)}")


def _orphans(context: StageContext) -> list[Finding]:
    """Baselines nothing is compared with any more: a document that went missing is the largest change there is."""
    folder = context.root / context.system.suites.baselines
    known = {baseline_file(folder, d.service.name, d.kind).name for d in declared(context.system)}
    return [
        Finding(
            rule="schema.baseline_unused",
            severity=Severity.WARNING,
            title=f"{file.name} is a baseline, but harness.toml declares no such document",
            detail="Declare the document again (services.<name>.openapi or .asyncapi), or delete the baseline.",
            place=Place(file=f"{context.system.suites.baselines}/{file.name}"),
        )
        for kind in DocumentKind
        for file in sorted(folder.glob(f"*.{kind}.json"))
        if file.name not in known
    ]


async def _check(
    context: StageContext, settings: SchemaSettings, document: Declared, tally: _Tally, limiter: anyio.CapacityLimiter
) -> None:
    async with limiter:
        for finding in await _examine(context, settings, document, tally):
            context.found(finding)
        tally.total = max(tally.total, 1)
        context.progress(tally.documents, tally.total, document.service.name)


async def _examine(
    context: StageContext, settings: SchemaSettings, document: Declared, tally: _Tally
) -> Iterable[Finding]:
    baseline = baseline_file(context.root / context.system.suites.baselines, document.service.name, document.kind)
    examined: Examined | None = None
    size = 0
    try:
        raw = await _fetched(context, settings, document)
        size = len(raw)
        kept = context.directory / f"{document.service.name}.{document.kind}"
        kept.write_bytes(raw)
        tally.artifacts.append(context.artifact(kept, document.title.removeprefix("the "), "application/json"))
        limit_s = settings.check_limit * _PATIENCE + _START_S
        with anyio.move_on_after(limit_s):
            examined = await _examined(raw, document.kind, baseline, settings.check_limit)
    except UnfinishedError as error:
        return [_unfinished(document, str(error))]
    except DocumentError as error:
        return [_unreadable(document, str(error))]
    if examined is None:
        took = f"({size / 1e6:.1f} MB) was not checked to the end within {limit_s:g} s"
        return [_unfinished(document, took)]
    tally.documents += 1
    tally.operations += examined.operations
    tally.compared += examined.compared
    if not examined.operations:
        return [*_outside(document, examined), *_invalid(document, examined), _empty(document)]
    verdicts = await anyio.to_thread.run_sync(_verdicts, context, settings, document, tally.pacts, baseline, examined)
    told = [*_outside(document, examined), *_invalid(document, examined)]
    return [*told, *_compared(context, document, examined, baseline, verdicts)]


def _verdicts(
    context: StageContext,
    settings: SchemaSettings,
    document: Declared,
    pacts: tuple[Pact, ...] | None,
    baseline: Path,
    examined: Examined,
) -> Verdicts:
    """Who uses the committed document; nothing is known when there is none, or not every contract can be read."""
    if not examined.changes or not pacts:
        return Verdicts(Usage())
    promised = in_version_3(parse(baseline.read_bytes(), document.kind))
    usage = usage_of(pacts, promised, document.service.name)
    return Verdicts(usage, _strict(context.system, document, usage, settings))


def _strict(system: System, document: Declared, usage: Usage, settings: SchemaSettings) -> str:
    """Why a breaking change is an error even where no known consumer uses what changed; empty when it is not."""
    service = document.service.name
    if settings.unused == "error":
        return 'No known consumer uses what changed; with [stages.schema] unused = "error" that makes no difference.'
    kind = EdgeKind.HTTP if document.kind is DocumentKind.OPENAPI else EdgeKind.EVENTS
    partners = {e.caller for e in system.edges_to(service) if e.kind is kind}
    if kind is EdgeKind.EVENTS:
        partners |= {e.callee for e in system.edges_from(service) if e.kind is kind}
    silent = sorted(partners - set(usage.consumers))
    if silent:
        return f"{', '.join(silent)} uses it too, without a contract: it is not known what would break."
    if not partners or (service == system.entry and kind is EdgeKind.HTTP):
        return f"No known consumer uses what changed, but {service} also serves clients outside of the system."
    return ""


async def _examined(raw: bytes, kind: DocumentKind, baseline: Path, limit_s: float) -> Examined:
    if len(raw) > _SMALL_BYTES or may_backtrack(raw):
        return await anyio.to_process.run_sync(examine, raw, kind, baseline, limit_s, cancellable=True)
    return await anyio.to_thread.run_sync(examine, raw, kind, baseline, abandon_on_cancel=True)


async def _fetched(context: StageContext, settings: SchemaSettings, document: Declared) -> bytes:
    address = context.addresses.get(document.service.name, "") or document.service.url
    limit, also = settings.max_size_mb * 1_000_000, context.system.runtime.allow_targets
    return await fetch(document, root=context.root, address=address, max_bytes=limit, also=also)


def _unreadable(document: Declared, problem: str) -> Finding:
    return Finding(
        rule="schema.unreadable",
        severity=Severity.ERROR,
        title=f"{document.title} {problem}",
        place=Place(service=document.service.name, file=_file(document)),
        key=document.kind,
        reproduce=f"harness run schema --only service={document.service.name}",
    )


def _file(document: Declared) -> str:
    return "" if document.source.startswith("/") or "://" in document.source else document.source


def _unfinished(document: Declared, took: str) -> Finding:
    return Finding(
        rule="schema.unfinished",
        severity=Severity.ERROR,
        title=f"{document.title} {took}",
        detail="Nothing is said about its validity and its changes. A longer limit: [stages.schema] check_limit.",
        place=Place(service=document.service.name, file=_file(document)),
        key=document.kind,
        reproduce=f"harness run schema --only service={document.service.name}",
    )


def _empty(document: Declared) -> Finding:
    return Finding(
        rule="schema.says_nothing",
        severity=Severity.ERROR,
        title=f"{document.title} describes no operation and no message: there is nothing to check",
        detail="Is it the right document? A service without an API of this kind needs none in harness.toml.",
        place=Place(service=document.service.name, file=_file(document)),
        key=document.kind,
        reproduce=f"harness run schema --only service={document.service.name}",
    )


def _invalid(document: Declared, examined: Examined) -> list[Finding]:
    return [
        Finding(
            rule="schema.invalid",
            severity=Severity.ERROR,
            title=f"{document.title} is not valid: {problem.text}",
            place=Place(service=document.service.name, file=_file(document), pointer=problem.pointer),
            key=f"{document.kind} {problem.text}",
            reproduce=f"harness run schema --only service={document.service.name}",
        )
        for problem in examined.problems
    ]


def _outside(document: Declared, examined: Examined) -> list[Finding]:
    return [
        Finding(
            rule="schema.reference_outside",
            severity=Severity.ERROR,
            title=f"{document.title} refers to {reference.text}, which is not in it: it was not fetched",
            detail="What a document names is never asked: it could send the harness, and what it knows, to anybody. What "
            "depends on it was not checked. Bring it into the document (most tools call that bundling), and refer to it by #/...",
            place=Place(service=document.service.name, file=_file(document), pointer=reference.pointer),
            key=f"{document.kind} {reference.text}",
            reproduce=f"harness run schema --only service={document.service.name}",
        )
        for reference in examined.outside
    ]


def _compared(
    context: StageContext, document: Declared, examined: Examined, baseline: Path, verdicts: Verdicts
) -> list[Finding]:
    name = document.service.name
    shown = f"{context.system.suites.baselines}/{baseline.name}"
    accept = ACCEPT_COMMAND.format(service=name)
    if not examined.compared:
        problem = examined.baseline_problem
        return [
            Finding(
                rule="schema.baseline_unreadable" if problem else "schema.no_baseline",
                severity=Severity.ERROR if problem else Severity.WARNING,
                title=f"{shown} {problem}"
                if problem
                else f"{document.title} has no baseline to be compared with; `{accept}` writes it",
                detail=f"Write it with `{accept}` and commit {shown}.",
                place=Place(service=name, file=shown),
                reproduce=accept,
            )
        ]
    folder = context.system.suites.pacts
    return [_changed(document, change, verdicts.of(change), shown, folder) for change in examined.changes]


def _changed(document: Declared, change: Change, meant: Consequence, baseline: str, pacts: str) -> Finding:
    accept = ACCEPT_COMMAND.format(service=document.service.name)
    lines = [meant.detail]
    if change.example:
        lines.append(f"For example: {change.example}")
    if change.also:
        lines.append(f"Seen in {', '.join(change.also)} as well.")
    if meant.places:
        lines.append("The contracts say so in:")
        lines += [f"  {pacts}/{place}" for place in meant.places[:_MAX_PLACES]]
        if len(meant.places) > _MAX_PLACES:
            lines.append(f"  and {len(meant.places) - _MAX_PLACES:,} further places")
    lines.append(f"If it is meant: `{accept}`, and commit {baseline}.")
    return Finding(
        rule=f"schema.{change.rule}",
        severity=_SEVERITY[meant.level],
        title=f"{document.service.name} {change.text}" + (f": {meant.title}" if meant.title else ""),
        detail="\n".join(lines),
        place=Place(service=document.service.name, operation=change.operation, file=baseline, pointer=change.pointer),
        key=f"{change.direction} {change.facts}" if change.facts else change.direction,
        reproduce=f"harness run schema --only service={document.service.name}",
    )
