"""`harness usage`: who uses which part of a provider's document, by the contracts there are. Runs nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import config_option, project_from
from harness.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from harness.contracts.pacts import Pact
    from harness.contracts.sources import ContractSource
    from harness.contracts.usage import Usage
    from harness.documents.addresses import Located
    from harness.report.usage import UsageMap
    from harness.system.config import Project

__all__ = ["command"]


@click.command("usage")
@click.argument("providers", nargs=-1, metavar="[PROVIDER]...")
@config_option
@click.option(
    "--document", metavar="ADDRESS", help="Map this document (file, URL, git:REV:PATH), without harness.toml."
)
@click.option(
    "--pacts", type=click.Path(path_type=Path), metavar="DIR", help="Folder of pacts; the project's by default."
)
@click.option("--provider", metavar="NAME", help="Whose document --document is, where DIR has pacts of several.")
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
@click.option("--unused", is_flag=True, help="Only what nobody uses.")
def command(
    providers: tuple[str, ...],
    config: Path | None,
    document: str | None,
    pacts: Path | None,
    provider: str | None,
    form: str,
    unused: bool,
) -> None:
    """Show what each consumer reads and sends, and what nobody uses.

    For PROVIDERs of the project (all by default): published pacts, laid over the committed documents.
    """
    if document is None:
        if provider is not None:
            raise UsageError(f"--provider belongs to --document; without it, write: harness usage {provider}")
        maps = _of_project(project_from(config), providers, pacts)
    else:
        if len(providers) > 1 or (providers and provider not in {None, *providers}):
            named = dict.fromkeys((*providers, provider or providers[0]))
            raise UsageError(f"--document is one provider's; named were {', '.join(named)}")
        provider = provider or next(iter(providers), None)
        if pacts is None:
            raise UsageError("--document needs --pacts DIR: the contracts to lay over it")
        maps = [_of_document(document, _read(pacts, Path.cwd()), provider)]
    _show(maps, form, unused=unused)


def _read(folder: Path, root: Path) -> tuple[Pact, ...]:
    """Every pact of a folder."""
    from harness.contracts.sources import FolderSource

    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder} with pacts")
    return _all(FolderSource(folder, root), str(folder))


def _all(source: ContractSource, shown: str) -> tuple[Pact, ...]:
    """Every pact of a source; one that cannot be read is an error, as its consumer would seem to use nothing."""
    contracts = source.contracts()
    for broken in contracts.unreadable:
        raise UsageError(f"{broken.name} {broken.problem}")
    if not contracts.pacts:
        raise UsageError(f"{shown} holds no pacts, so nothing is known of who uses what")
    return contracts.pacts


def _of_document(address: str, pacts: Sequence[Pact], provider: str | None) -> UsageMap:
    from harness.documents.addresses import read_document

    known = sorted({p.provider for p in pacts})
    if provider is None and len(known) > 1:
        raise UsageError(
            f"the pacts have the providers {', '.join(known)}; name the one whose document it is: "
            "harness usage NAME --document ..."
        )
    name = known[0] if provider is None else provider
    named = {*known, *(p.consumer for p in pacts)}
    if name not in named:
        raise UsageError(f'no pact names "{name}".{did_you_mean(name, known)} Providers: {", ".join(known)}.')
    located = read_document(address)
    usage = _usage(pacts, located, name)
    _some([(address, usage)], name)
    return _map(name, address, usage)


def _of_project(project: Project, chosen: Sequence[str], folder: Path | None) -> list[UsageMap]:
    from harness.contracts.sources import source_for
    from harness.documents.addresses import read_document
    from harness.documents.reading import DocumentKind, baseline_file

    root, suites = project.root, project.system.suites
    source = source_for(project.system, root)
    pacts = _read(folder, root) if folder else _all(source, source.name)
    callees = {p.provider for p in pacts}
    known = [*project.system.services, *sorted(callees - project.system.services.keys())]
    for name in chosen:
        if name not in known:
            raise UsageError(
                f'there is no provider "{name}".{did_you_mean(name, known)} Providers: {", ".join(known)}.'
            )
    maps: list[UsageMap] = []
    empty: list[tuple[str, Usage]] = []
    for name in chosen or known:
        files = [baseline_file(root / suites.baselines, name, kind) for kind in DocumentKind]
        there = [file for file in files if file.is_file()]
        laid = []
        for file in there:
            shown = str(file.relative_to(root)) if file.is_relative_to(root) else str(file)
            laid.append((shown, _usage(pacts, read_document(str(file)), name)))
        if not there and (chosen or name in callees):
            _tell(
                f"{name} has no document in {suites.baselines}/; `harness baseline {name}` writes it",
                fatal=bool(chosen),
            )
        elif there and not any(usage.used or usage.unmatched for _, usage in laid):
            _tell(f"no contract names {name} as its provider: nobody is known to use it", fatal=bool(chosen))
        maps += [_map(name, shown, usage) for shown, usage in laid if usage.used]
        empty += [(shown, usage) for shown, usage in laid if not usage.used and usage.unmatched]
    if not maps:
        _some(empty, ", ".join(chosen or known))
    for shown, usage in empty:
        _tell(_misfit(shown, usage))
    return maps


def _tell(text: str, *, fatal: bool = False) -> None:
    if fatal:
        raise UsageError(text)
    from harness.evidence import Redactor

    click.echo(f"harness: {Redactor().values(text)}", err=True)


def _misfit(shown: str, usage: Usage) -> str:
    first = usage.unmatched[0]
    number = (
        "the only interaction does not fit"
        if len(usage.unmatched) == 1
        else (f"none of {len(usage.unmatched)} interactions fits")
    )
    return f"{number} {shown}: {first.place}: {first.reason}"


def _some(laid: Sequence[tuple[str, Usage]], names: str) -> None:
    """Nothing to map is never an empty success."""
    if any(usage.used for _, usage in laid):
        return
    for shown, usage in laid:
        if usage.unmatched:
            raise UsageError(_misfit(shown, usage))
    raise UsageError(f"there is nothing to map for {names}: no interaction is about its document")


def _usage(pacts: Sequence[Pact], located: Located, provider: str) -> Usage:
    from harness.contracts.usage import usage_of

    return usage_of(pacts, located.content, provider)


def _map(provider: str, document: str, usage: Usage) -> UsageMap:
    from harness.report.usage import UsageLine, UsageMap

    def lines() -> Iterator[UsageLine]:
        for one in usage.fields():
            part = one.part
            uses = {name: tuple(sorted(str(use) for use in found)) for name, found in one.consumers.items()}
            yield UsageLine(
                one.operation,
                str(part.kind),
                part.name,
                part.place,
                part.status,
                one.path,
                uses,
                one.places,
                one.described,
            )

    return UsageMap(
        provider=provider,
        document=document,
        contracts=len({u.file for u in usage.used}),
        interactions=len({u.place for u in usage.used}),
        consumers=usage.consumers,
        lines=tuple(lines()),
        unmatched=tuple((u.place, u.description, u.reason) for u in usage.unmatched),
    )


def _show(maps: Sequence[UsageMap], form: str, *, unused: bool) -> None:
    from harness.evidence import Redactor
    from harness.report.text import write
    from harness.report.usage import as_json, as_markdown, as_text

    redactor = Redactor()
    if form == "json":
        write(sys.stdout, redactor.values(as_json(maps, unused=unused)) + "\n")
    elif form == "markdown":
        write(sys.stdout, redactor.values(as_markdown(maps, unused=unused)) + "\n")
    elif sys.stdout.isatty():
        from rich.console import Console

        console = Console(highlight=False, emoji=False, markup=False)
        for text in as_text(maps, width=console.width, unused=unused):
            clean = redactor.values(text.plain)
            console.print(text if clean == text.plain else clean, soft_wrap=True)
    else:
        plain = "\n".join(text.plain for text in as_text(maps, width=None, unused=unused))
        write(sys.stdout, redactor.values(plain) + "\n")
