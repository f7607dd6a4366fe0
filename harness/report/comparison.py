"""How a comparison of pacts with a document is written: text, JSON and Markdown. What is compatible is judged elsewhere."""

# The members of the protocols are explained where they are implemented.
# ruff: noqa: D102

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol

from harness.report.text import plain

__all__ = ["FORMATS", "Compared", "Told", "as_json", "as_markdown", "as_text", "summary"]

_SIGN = {"error": "✗", "warning": "!"}
_COLOUR = {"error": "\x1b[31m", "warning": "\x1b[33m"}
_RESET, _DIM, _BOLD = "\x1b[0m", "\x1b[2m", "\x1b[1m"


class Told(Protocol):
    """What is written of one incompatibility; the room of contracts says what it all means."""

    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def consumer(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def states(self) -> tuple[str, ...]: ...
    @property
    def pact(self) -> str: ...
    @property
    def pact_pointer(self) -> str: ...
    @property
    def spec_pointer(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def severity(self) -> str: ...
    def as_dict(self, document: str) -> dict[str, Any]: ...


class Compared(Protocol):
    """What is written of a comparison."""

    @property
    def interactions(self) -> int: ...
    @property
    def skipped(self) -> int: ...
    @property
    def found(self) -> Sequence[Told]: ...
    @property
    def unresolved(self) -> Sequence[str]: ...


def _number(compared: Compared, severity: str) -> int:
    return sum(one.severity == severity for one in compared.found)


def summary(compared: Compared, document: str) -> str:
    """One line: how much was compared and how it ended."""
    errors, warnings = _number(compared, "error"), _number(compared, "warning")
    found = f"{_count(errors, 'error')}, {_count(warnings, 'warning')}" if errors or warnings else "all compatible"
    if not compared.interactions:
        found = "nothing was compared"
    skipped = f"; {compared.skipped} of another kind left out" if compared.skipped else ""
    gone = f"; not checked, as the document lacks it: {', '.join(compared.unresolved)}" if compared.unresolved else ""
    return f"{_count(compared.interactions, 'interaction')} against {document}: {found}{skipped}{plain(gone)}"


def as_text(compared: Compared, document: str, *, colour: bool = False) -> str:
    """For a terminal: by contract and interaction, what is wrong first, places below it."""
    lines: list[str] = []
    paint = _painter(colour)
    for (edge, pact), interactions in _grouped(compared):
        lines += [paint(f"{edge}  {pact}", _BOLD)]
        for title, found in interactions:
            lines += [f"  {title}"]
            for one in found:
                sign = paint(f"{_SIGN[one.severity]} {one.severity}", _COLOUR[one.severity])
                lines += [f"    {sign}  {plain(one.message)}  {paint(f'[{one.code}]', _DIM)}"]
                lines += [paint(f"        pact {one.pact_pointer or '/'}", _DIM)]
                lines += [paint(f"        document {one.spec_pointer or '/'}", _DIM)]
        lines += [""]
    return "\n".join([*lines, summary(compared, document)]) + "\n"


def as_json(compared: Compared, document: str) -> str:
    """For machines: every result in the shape of the field's tools."""
    errors = _number(compared, "error")
    whole = {
        "success": errors == 0 and compared.interactions > 0,
        "document": document,
        "interactions": compared.interactions,
        "skipped": compared.skipped,
        "errors": errors,
        "warnings": _number(compared, "warning"),
        "unresolved": list(compared.unresolved),
        "results": [one.as_dict(document) for one in compared.found],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False, default=str) + "\n"


def as_markdown(compared: Compared, document: str) -> str:
    """For a pull request: a table for each contract."""
    lines = [f"### {_cell(summary(compared, document))}", ""]
    for (edge, pact), interactions in _grouped(compared):
        lines += [f"**{_cell(edge)}** (`{pact}`)", "", "| | interaction | what | code | place in the document |"]
        lines += ["| --- | --- | --- | --- | --- |"]
        for title, found in interactions:
            for one in found:
                cells = (str(one.severity), _cell(title), _cell(one.message), f"`{one.code}`", f"`{one.spec_pointer}`")
                lines += [f"| {' | '.join(cells)} |"]
        lines += [""]
    return "\n".join(lines).rstrip("\n") + "\n"


#: By the name of `--format`.
FORMATS: Mapping[str, Callable[[Compared, str], str]] = {"text": as_text, "json": as_json, "markdown": as_markdown}

_Interaction = tuple[str, list[Told]]


def _grouped(compared: Compared) -> Iterator[tuple[tuple[str, str], list[_Interaction]]]:
    for key, of_pact in groupby(compared.found, key=lambda one: (f"{one.consumer} -> {one.provider}", one.pact)):
        parts = groupby(of_pact, key=lambda one: (one.description, one.states, one.pact_pointer.split("/")[1:3]))
        yield key, [_interaction(list(found)) for _, found in parts]


def _interaction(found: list[Told]) -> _Interaction:
    first = found[0]
    given = f" (given {', '.join(first.states)})" if first.states else ""
    operation = f" · {first.method.upper()} {first.path}" if first.path else ""
    worst_first = sorted(found, key=lambda one: one.severity != "error")
    return plain(f"{first.description}{given}{operation}"), worst_first


def _painter(colour: bool) -> Callable[[str, str], str]:
    return (lambda text, code: f"{code}{text}{_RESET}") if colour else (lambda text, _code: text)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _cell(text: str) -> str:
    return plain(text).replace("|", "\\|").replace("<", "&lt;")
