"""What two versions of a document changed, for people and machines: text, JSON, Markdown and SARIF 2.1.0."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.contracts.compat import RULES, Level
from harness.contracts.difference import Difference, Judged
from harness.contracts.usage import Hit
from harness.report.text import plain

__all__ = ["FORMATS", "as_json", "as_markdown", "as_sarif", "as_text", "rules_table", "verdict_lines"]

_SIGN = {Level.BREAKING: "✗", Level.WARNING: "!", Level.COMPATIBLE: "·"}
_COLOUR = {Level.BREAKING: "\x1b[31m", Level.WARNING: "\x1b[33m", Level.COMPATIBLE: "\x1b[32m"}
_RESET, _DIM = "\x1b[0m", "\x1b[2m"
_SARIF = {Level.BREAKING: "error", Level.WARNING: "warning", Level.COMPATIBLE: "note"}
_PLACES = 3


def verdict_lines(difference: Difference) -> list[str]:
    """The verdict of the documents alone, and the one of the known consumers where there are any."""
    counts = [(difference.specification(level), level) for level in Level]
    said = ", ".join(f"{n} {level}" for n, level in counts if n)
    lines = [f"specification: {said or 'no change'} in {_things(difference)}"]
    if difference.consumers is None:
        lines[0] += _consequence(difference)
        return lines
    broken = difference.broken()
    names = ", ".join(f"{name} ({_interactions(n)})" for name, n in broken.items())
    nobody = "nobody known breaks" if not difference.breaks else "not known whether somebody breaks"
    lines.append(f"known consumers ({', '.join(difference.consumers)}): {f'breaks {names}' if names else nobody}")
    if difference.unmatched:
        first = difference.unmatched[0]
        lines.append(
            f"{_interactions(len(difference.unmatched))} fit nothing in {difference.old}, so of them nothing is known; "
            f'the first: {first.consumer}, "{first.description}" ({first.reason})'
        )
    return lines


def _consequence(difference: Difference) -> str:
    return ": a client that keeps to the old document can break" if difference.breaks else ""


def _things(difference: Difference) -> str:
    what = "operation" if difference.kind == "openapi" else "message"
    return f"{difference.operations} {what}{'' if difference.operations == 1 else 's'}"


def _interactions(number: int) -> str:
    return f"{number} interaction{'' if number == 1 else 's'}"


def _who(difference: Difference, judged: Judged) -> str:
    """Whom a change concerns, in words; empty where no contracts were asked."""
    if difference.consumers is None or (judged.change.level is Level.COMPATIBLE and not judged.hits):
        return ""
    if not judged.hits:
        return "used by no known consumer"
    names = ", ".join(h.consumer for h in judged.hits)
    number = sum(len(h.interactions) for h in judged.hits)
    verb = {Level.BREAKING: "breaks", Level.WARNING: "may break", Level.COMPATIBLE: "used by"}[judged.level]
    return f"{verb} {names} ({_interactions(number)})"


def _example(judged: Judged) -> str:
    if not judged.change.example:
        return ""
    verb = "was accepted" if judged.change.direction == "request" else "can come now"
    return f"{judged.change.example} {verb}"


def as_text(difference: Difference, *, colour: bool = False, levels: tuple[Level, ...] = tuple(Level)) -> str:
    """For a terminal: one change after another, the worst first, the verdict last."""
    lines: list[str] = []
    for judged in difference.changes:
        if judged.level in levels:
            lines += _text_of(difference, judged, colour)
    if lines:
        lines.append("")
    return "\n".join([*lines, *(plain(line) for line in verdict_lines(difference))]) + "\n"


def _text_of(difference: Difference, judged: Judged, colour: bool) -> Iterator[str]:
    change = judged.change
    on, dim, off = (_COLOUR[judged.level], _DIM, _RESET) if colour else ("", "", "")
    yield f"{on}{_SIGN[judged.level]} {judged.level}{off}  {plain(change.text)}  {dim}[{change.rule}]{off}"
    if judged.level is not change.level:
        yield f"    {change.level} by the specification"
    for said in (_who(difference, judged), _example(judged)):
        if said:
            yield f"    {plain(said)}"
    for place in _places(judged.hits):
        yield f"    {dim}{plain(place)}{off}"
    if change.also:
        yield f"    {dim}also in {plain(', '.join(change.also))}{off}"
    if change.pointer or change.new_pointer:
        yield f"    {dim}{plain(_pointers(judged))}{off}"


def _pointers(judged: Judged) -> str:
    old, new = judged.change.pointer, judged.change.new_pointer
    return f"{old} → {new}" if new and new != old else old or new


def _places(hits: tuple[Hit, ...]) -> list[str]:
    every = [place for hit in hits for place in hit.places]
    return every[:_PLACES] + ([f"and {len(every) - _PLACES} more"] if len(every) > _PLACES else [])


def as_json(difference: Difference) -> str:
    """For machines: docs/reference/diff.md says what each field is."""
    document = {
        "version": 1,
        "old": difference.old,
        "new": difference.new,
        "kind": str(difference.kind),
        "compared": difference.operations,
        "breaks": difference.breaks,
        "specification": {str(level): difference.specification(level) for level in Level},
        "consumers": None if difference.consumers is None else list(difference.consumers),
        "broken": difference.broken(),
        "unmatched": [
            {"consumer": u.consumer, "interaction": u.description, "place": u.place, "reason": u.reason}
            for u in difference.unmatched
        ],
        "changes": [_change(judged) for judged in difference.changes],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _change(judged: Judged) -> dict[str, Any]:
    change = judged.change
    return {
        "rule": change.rule,
        "level": str(judged.level),
        "specification_level": str(change.level),
        "direction": str(change.direction),
        "text": change.text,
        "operation": change.operation,
        "also": list(change.also),
        "part": str(change.part.kind),
        "path": list(change.path),
        "old_pointer": change.pointer,
        "new_pointer": change.new_pointer,
        "example": change.example,
        "facts": dict(change.facts),
        "hits": [
            {"consumer": h.consumer, "interactions": list(h.interactions), "places": list(h.places)}
            for h in judged.hits
        ],
    }


def as_markdown(difference: Difference) -> str:
    """For a comment on a pull request."""
    lines = [f"### `{_cell(difference.old)}` → `{_cell(difference.new)}`", ""]
    lines += [f"**{_cell(line)}**  " for line in verdict_lines(difference)]
    if difference.changes:
        lines += ["", "| | change | who | example | rule |", "| --- | --- | --- | --- | --- |"]
    for judged in difference.changes:
        example = f"`{_cell(judged.change.example)}`" if judged.change.example else ""
        who = _cell(_who(difference, judged))
        lines.append(f"| {judged.level} | {_cell(judged.change.text)} | {who} | {example} | `{judged.change.rule}` |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return plain(text).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def as_sarif(difference: Difference) -> str:
    """SARIF 2.1.0 (OASIS), for code scanning: one result for each change, at the new document."""
    used = sorted({judged.change.rule for judged in difference.changes})
    run = {
        "tool": {
            "driver": {
                "name": "harness diff",
                "rules": [_sarif_rule(rule) for rule in used],
            }
        },
        "results": [_sarif_result(difference, judged, used.index(judged.change.rule)) for judged in difference.changes],
    }
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _sarif_rule(rule: str) -> dict[str, Any]:
    found = RULES[rule]
    return {
        "id": rule,
        "shortDescription": {"text": found.gives},
        "properties": {"request": str(found.request), "response": str(found.response)},
    }


def _sarif_result(difference: Difference, judged: Judged, index: int) -> dict[str, Any]:
    change = judged.change
    said = [change.text, _who(difference, judged), _example(judged)]
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": difference.new}, "region": {"startLine": 1}},
        "logicalLocations": [{"fullyQualifiedName": change.new_pointer or change.pointer or "/", "kind": "member"}],
    }
    return {
        "ruleId": change.rule,
        "ruleIndex": index,
        "level": _SARIF[judged.level],
        "message": {"text": plain("; ".join(s for s in said if s))},
        "locations": [location],
        "partialFingerprints": {"change/v1": f"{change.rule} {change.direction} {change.operation} {change.pointer}"},
    }


def rules_table() -> str:
    """The catalogue as a page of the reference: `harness diff --rules`."""
    lines = [
        "# What `harness diff` tells",
        "",
        "Every rule, and how bad it is for what a service takes (a request, an event it receives) and for what it gives",
        "(a response, an event it sends). In callbacks and webhooks the service asks and the client answers: there the",
        "two change places. Where a changed schema can be decided, the level is what the example shows instead.",
        "",
        "| rule | taken | given | in words |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| `{r.id}` | {r.request} | {r.response} | {_cell(r.gives)} |" for r in RULES.values()]
    return "\n".join(lines) + "\n"


#: Every format by its name; text takes more and is called by itself.
FORMATS: Mapping[str, Callable[[Difference], str]] = {
    "json": as_json,
    "markdown": as_markdown,
    "sarif": as_sarif,
}
