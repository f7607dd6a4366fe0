"""The schema stage: every document is had, checked and compared with its baseline; and baselines are written here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_process

from harness.contracts.checks import Examined, examine
from harness.contracts.compat import Change, Level
from harness.contracts.documents import (
    Declared,
    DocumentError,
    DocumentKind,
    baseline_file,
    declared,
    fetch,
    parse,
    render,
)
from harness.errors import UsageError, did_you_mean
from harness.evidence import Artifact, Finding, Measure, Place, Severity, StageResult, Status

if TYPE_CHECKING:
    from harness.contracts.settings import SchemaSettings
    from harness.pipeline.stage import StageContext
    from harness.system.model import System

__all__ = ["ACCEPT_COMMAND", "accept_baselines", "check_documents", "write_baselines"]

#: The command that writes baselines; `{service}` is filled in.
ACCEPT_COMMAND = "harness baseline {service}"
_MAX_BYTES = 200_000_000
# Up to here a document is checked in well under a second; a process, which can be ended, would take longer to start.
_SMALL_BYTES = 256_000
_SEVERITY = {Level.BREAKING: Severity.ERROR, Level.RISKY: Severity.WARNING, Level.COMPATIBLE: Severity.INFO}


@dataclass(slots=True)
class _Tally:
    """What the stage has done so far."""

    total: int
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
    tally = _Tally(total=len(wanted))
    limiter = anyio.CapacityLimiter(max(context.jobs, 1))
    async with anyio.create_task_group() as tasks:
        for document in wanted:
            tasks.start_soon(_check, context, settings, document, tally, limiter)
    work = {"documents": tally.documents, "operations": tally.operations, "compared": tally.compared}
    measures = [Measure(f"schema.{what}", count, "count") for what, count in work.items()]
    result = context.result(work=work, measures=measures, artifacts=tally.artifacts)
    if not wanted:
        return replace(result, status=Status.INCONCLUSIVE, reason="no service has an OpenAPI or AsyncAPI document")
    return result


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
        with anyio.move_on_after(settings.check_limit):
            examined = await _examined(raw, document.kind, baseline)
    except DocumentError as error:
        return [_unreadable(document, str(error))]
    if examined is None:
        return [_unfinished(document, settings.check_limit, size)]
    tally.documents += 1
    tally.operations += examined.operations
    tally.compared += examined.compared
    return [*_invalid(document, examined), *_compared(context, document, examined, baseline)]


async def _examined(raw: bytes, kind: DocumentKind, baseline: Path) -> Examined:
    if len(raw) > _SMALL_BYTES:
        return await anyio.to_process.run_sync(examine, raw, kind, baseline, cancellable=True)
    return await anyio.to_thread.run_sync(examine, raw, kind, baseline, abandon_on_cancel=True)


async def _fetched(context: StageContext, settings: SchemaSettings, document: Declared) -> bytes:
    address = context.addresses.get(document.service.name, "") or document.service.url
    return await fetch(document, root=context.root, address=address, max_bytes=settings.max_size_mb * 1_000_000)


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


def _unfinished(document: Declared, limit_s: float, size: int) -> Finding:
    return Finding(
        rule="schema.unfinished",
        severity=Severity.ERROR,
        title=f"{document.title} ({size / 1e6:.1f} MB) was not checked to the end within {limit_s:g} s",
        detail="Nothing is said about its validity and its changes. A longer limit: [stages.schema] check_limit.",
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


def _compared(context: StageContext, document: Declared, examined: Examined, baseline: Path) -> list[Finding]:
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
    return [_changed(document, change, shown, accept) for change in examined.changes]


def _changed(document: Declared, change: Change, baseline: str, accept: str) -> Finding:
    consequence = {
        Level.BREAKING: "A client that keeps to the committed document can fail.",
        Level.RISKY: "Whether a client fails depends on how it was written.",
        Level.COMPATIBLE: "Clients that keep to the committed document go on as before.",
    }[change.level]
    also = f"\nSeen in {', '.join(change.also)} as well." if change.also else ""
    return Finding(
        rule=f"schema.{change.rule}",
        severity=_SEVERITY[change.level],
        title=f"{document.service.name} {change.text}",
        detail=f"{consequence}{also}\nIf it is meant: `{accept}`, and commit {baseline}.",
        place=Place(service=document.service.name, operation=change.operation, file=baseline, pointer=change.pointer),
        key=f"{change.direction} {change.facts}" if change.facts else change.direction,
        reproduce=f"harness run schema --only service={document.service.name}",
    )


async def accept_baselines(
    system: System, *, root: Path, directory: Path, services: Iterable[str] = ()
) -> tuple[Path, ...]:
    """Start the system, and write the documents of `services` (all by default) as the baselines to keep to.

    Args:
        root: folder of `harness.toml`.
        directory: logs of the start go here.

    Returns:
        The files written, by service as declared.

    Raises:
        UsageError: when a service is not known or its document cannot be read.
        StartError: when the system does not start.
    """
    from harness.system.runtime import ProcessRuntime

    chosen = tuple(services)
    for name in chosen:
        if name not in system.services:
            known = ", ".join(system.services)
            raise UsageError(f'there is no service "{name}".{did_you_mean(name, system.services)} Services: {known}.')
    wanted = [d for d in declared(system) if not chosen or d.service.name in chosen]
    if all(not d.source.startswith("/") for d in wanted):
        return await write_baselines(wanted, system=system, root=root, addresses={})
    runtime = ProcessRuntime(system, root=root, directory=directory)
    async with runtime.running():
        return await write_baselines(wanted, system=system, root=root, addresses=runtime.addresses)


async def write_baselines(
    documents: Iterable[Declared], *, system: System, root: Path, addresses: dict[str, str]
) -> tuple[Path, ...]:
    """Fetch documents and write them as baselines, sorted; all of them are read before the first is written.

    Raises:
        UsageError: when one cannot be read.
    """
    folder = root / system.suites.baselines
    ready: list[tuple[Path, bytes]] = []
    for document in documents:
        try:
            address = addresses.get(document.service.name, "") or document.service.url
            raw = await fetch(document, root=root, address=address, max_bytes=_MAX_BYTES)
            content = render(parse(raw, document.kind))
        except DocumentError as error:
            raise UsageError(f"{document.title} {error}") from None
        ready.append((baseline_file(folder, document.service.name, document.kind), content))
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in ready:
        file.write_bytes(content)
    return tuple(file for file, _ in ready)
