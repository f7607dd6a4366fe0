"""How the map of usage is written: text, JSON and Markdown. Who uses what is found out elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.report.text import count, line

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["UsageLine", "UsageMap", "as_json", "as_markdown", "as_text"]

_MAX_COLUMNS = 8
_UNUSED = "unused"
_MAYBE = "maybe"
_NOT_DESCRIBED = " (not in the document)"


@dataclass(frozen=True, slots=True)
class UsageLine:
    """One place of a document and who uses it.

    Args:
        operation: `GET /orders/{order_id}`.
        kind: `operation`, `parameter`, `request_body`, `response`, `response_header`, `response_body`, `message`, ...
        name: of the parameter, header or message.
        place: `query`, `path`, `header` or `cookie`, for parameters.
        status: for responses.
        path: field within the part; empty for the part as a whole.
        uses: what each consumer does with it, in words; empty where nobody uses it.
        places: the lines of the contracts that say so.
        described: whether the document names it.
    """

    operation: str
    kind: str
    name: str = ""
    place: str = ""
    status: str = ""
    path: tuple[str, ...] = ()
    uses: Mapping[str, tuple[str, ...]] | None = None
    places: tuple[str, ...] = ()
    described: bool = True

    @property
    def part(self) -> tuple[str, str, str, str]:
        """What the field is in."""
        return self.kind, self.name, self.place, self.status

    @property
    def label(self) -> str:
        """How people call it within its operation: `query limit`, `200 lines[].sku`, `body total`."""
        field = "".join(step if step.startswith("[") else f".{step}" for step in self.path).removeprefix(".")
        if self.kind == "parameter":
            return f"{self.place} {self.name}"
        before = {
            "request_body": "body",
            "response": self.status,
            "response_body": self.status if field else f"{self.status} body",
            "response_header": f"{self.status} header {self.name}",
            "message_headers": "header" if field else "headers",
            "message": self.name,
        }.get(self.kind, "" if field else "payload")
        return f"{before} {field}".strip()


@dataclass(frozen=True, slots=True)
class UsageMap:
    """The map of one document.

    Args:
        document: where it was read.
        contracts, interactions: how many of them were laid over it.
        consumers: columns of the map, sorted.
        lines: in the document's order, an operation's together.
        unmatched: interactions that fit nothing in it: place, description and why.
    """

    provider: str
    document: str
    contracts: int
    interactions: int
    consumers: tuple[str, ...]
    lines: tuple[UsageLine, ...]
    unmatched: tuple[tuple[str, str, str], ...] = ()

    @property
    def fields(self) -> tuple[UsageLine, ...]:
        """What is counted: parameters, headers and fields that the document names."""
        whole = {"parameter", "response_header"}
        return tuple(one for one in self.lines if one.described and (one.path or one.kind in whole))


def as_json(maps: Iterable[UsageMap], *, unused: bool = False) -> str:
    """One JSON object, `{"providers": [...]}`.

    Args:
        unused: only what nobody uses.
    """
    providers = [
        {
            "provider": one.provider,
            "document": one.document,
            "consumers": list(one.consumers),
            "contracts": one.contracts,
            "interactions": one.interactions,
            "lines": [_object(entry) for entry in one.lines if not (unused and entry.uses)],
            "unmatched": [
                {"place": place, "description": description, "reason": reason}
                for place, description, reason in one.unmatched
            ],
        }
        for one in maps
    ]
    return json.dumps({"providers": providers}, indent=2, ensure_ascii=False)


def _object(entry: UsageLine) -> dict[str, object]:
    return {
        "operation": entry.operation,
        "part": entry.kind,
        "name": entry.name,
        "in": entry.place,
        "status": entry.status,
        "path": list(entry.path),
        "consumers": {name: list(words) for name, words in (entry.uses or {}).items()},
        "places": list(entry.places),
        "described": entry.described,
    }


@dataclass(frozen=True, slots=True)
class _Row:
    """One row people see; `note` takes the place of the columns."""

    label: str
    uses: Mapping[str, tuple[str, ...]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Group:
    """The rows of one operation."""

    operation: str
    rows: tuple[_Row, ...]
    called: bool


def _groups(lines: Sequence[UsageLine], *, unused: bool) -> list[_Group]:
    by_operation: dict[str, list[UsageLine]] = {}
    for one in lines:
        by_operation.setdefault(one.operation, []).append(one)
    found = []
    for operation, own in by_operation.items():
        called = any(one.uses for one in own)
        rows = tuple(_rows(own)) if called else ()
        if unused:
            rows = tuple(row for row in rows if not row.uses)
        if rows or not called:
            found.append(_Group(operation, rows, called))
    return found


def _rows(lines: Sequence[UsageLine]) -> Iterator[_Row]:
    """Rows of an operation that somebody calls; what is unused as a whole is one row."""
    expected = {one.status for one in lines if one.status and one.uses}
    parts: dict[tuple[str, str, str, str], list[UsageLine]] = {}
    for one in lines:
        if one.kind != "operation" and (not one.status or one.status in expected):
            parts.setdefault(one.part, []).append(one)
    for own in parts.values():
        if own[0].kind == "message" and own[0].operation.endswith(f" {own[0].name}"):
            continue  # the only message of a channel of the same name: its fields say it
        fields = [one for one in own if one.path]
        if fields and not any(one.uses for one in own):
            whole = next((one for one in own if not one.path), own[0])
            yield _Row(whole.label, {}, f"{_UNUSED}, with its {count(len(fields), 'field')}")
            continue
        for one in own:
            if not _repeats(one, own):
                yield _Row(one.label + ("" if one.described else _NOT_DESCRIBED), one.uses or {})
    never = list(dict.fromkeys(one.status for one in lines if one.status and one.status not in expected))
    if never:
        yield _Row(", ".join(never), {}, "expected by nobody")


def _repeats(one: UsageLine, own: Sequence[UsageLine]) -> bool:
    """Whether a row would only repeat what the rows of the fields in it say."""
    inside = [o for o in own if len(o.path) > len(one.path) and o.path[: len(one.path)] == one.path]
    users = {name for o in inside for name in o.uses or {}}
    return bool(inside) and set(one.uses or {}) <= users


def _heading(one: UsageMap) -> str:
    return (
        f"{count(len(one.consumers), 'consumer')}, {count(one.interactions, 'interaction')}"
        f" in {count(one.contracts, 'contract')}"
    )


def _figures(one: UsageMap) -> str:
    idle = sum(not entry.uses for entry in one.fields)
    unsure = sum(bool(entry.uses) and all(w == (_MAYBE,) for w in (entry.uses or {}).values()) for entry in one.fields)
    perhaps = f"{unsure:,} perhaps, " if unsure else ""
    used = len(one.fields) - idle - unsure
    return f"{used:,} of {count(len(one.fields), 'field')} used, {perhaps}{idle:,} by nobody"


def as_text(maps: Iterable[UsageMap], *, width: int | None, unused: bool = False) -> Iterator[Text]:
    """Lines for a terminal; consumers are columns while they fit.

    Args:
        width: columns of the terminal; None when nobody looks at it, and nothing is to be cut.
        unused: only what nobody uses.
    """
    from rich.text import Text

    for position, one in enumerate(maps):
        if position:
            yield Text()
        yield Text.assemble((line(one.provider, 60), "bold underline"), ("  " + line(one.document), "dim"))
        yield Text(f"{_heading(one)} · {_figures(one)}")
        groups = _groups(one.lines, unused=unused)
        shape = _Shape.of(one, groups, width, unused=unused)
        for group in groups:
            if group.called:
                yield Text()
                yield from shape.group(group)
        idle = [group.operation for group in groups if not group.called]
        if idle:
            yield Text()
            yield Text("Called by nobody" if any(" /" in name for name in idle) else "Used by nobody", style="yellow")
            yield from (Text("  " + shape.cut(line(name))) for name in idle)
        if one.unmatched:
            yield Text()
            yield Text("Fits nothing in the document", style="red")
            for place, description, reason in one.unmatched:
                yield Text(f"  {line(place, 300)}: {line(description)}: {line(reason)}")


@dataclass(frozen=True, slots=True)
class _Shape:
    """How wide things are.

    Args:
        consumers: the columns; empty where they do not fit, and users are listed in the row.
    """

    label: int
    consumers: tuple[str, ...]
    width: int | None

    @classmethod
    def of(cls, one: UsageMap, groups: Iterable[_Group], width: int | None, *, unused: bool) -> _Shape:
        wanted = max((len(line(r.label, 300)) for g in groups for r in g.rows), default=0) + 2
        wanted = max(wanted, min(max((len(g.operation) for g in groups if g.called), default=0), 40))
        columns = () if unused or len(one.consumers) > _MAX_COLUMNS else one.consumers
        needed = sum(_column(name) + 2 for name in columns)
        if width is not None and needed + 30 > width:
            columns, needed = (), 0
        if width is not None:
            rest = needed or 22
            wanted = max(min(wanted, width - rest), 16)
        return cls(wanted, columns, width)

    def cut(self, text: str) -> str:
        """Text that fits the terminal."""
        return text if self.width is None or len(text) <= self.width - 2 else text[: self.width - 3] + "…"

    def group(self, group: _Group) -> Iterator[Text]:
        """An operation with its rows."""
        from rich.text import Text

        head = Text(line(group.operation, 300), style="bold")
        if self.consumers and len(head.plain) > self.label:
            yield head
            head = Text()
        if self.consumers:
            head.append(" " * (self.label - len(head.plain)))
            for name in self.consumers:
                head.append(f"  {line(name, 60):<{_column(name)}}", style="bold")
        head.rstrip()
        yield head
        yield from (self._row(row) for row in group.rows)

    def _row(self, row: _Row) -> Text:
        from rich.text import Text

        label = "  " + line(row.label, 300)
        if len(label) > self.label:
            label = "  …" + label[len(label) - self.label + 3 :]  # its end tells more than its beginning
        text = Text(f"{label:<{self.label}}")
        if not row.uses:
            text.append(f"  {row.note or _UNUSED}", style="yellow")
        elif not self.consumers:
            text.append("  " + ", ".join(f"{line(name, 60)} {_words(words)}" for name, words in row.uses.items()))
        else:
            for name in self.consumers:
                words = _words(row.uses.get(name, ()))
                text.append(f"  {words:<{_column(name)}}", style="cyan" if "sends" in words else "green")
        text.rstrip()
        return text


def _column(name: str) -> int:
    return max(len(line(name, 60)), len("reads"))


def _words(words: Sequence[str]) -> str:
    return "/".join(words)


def as_markdown(maps: Iterable[UsageMap], *, unused: bool = False) -> str:
    """A section for every document, a table for every operation."""
    out: list[str] = []
    for one in maps:
        out += [f"## {_cell(one.provider)}", "", f"{_heading(one)}; {_figures(one)} (`{line(one.document)}`).", ""]
        groups = _groups(one.lines, unused=unused)
        columns = () if unused else one.consumers
        for group in groups:
            if group.called:
                out += [f"### `{line(group.operation)}`", "", *_table(group, columns), ""]
        idle = [group.operation for group in groups if not group.called]
        if idle:
            out += ["### Called by nobody", "", *(f"- `{line(name)}`" for name in idle), ""]
        if one.unmatched:
            out += ["### Fits nothing in the document", ""]
            out += [f"- `{line(place, 300)}`: {_cell(text)}: {_cell(why)}" for place, text, why in one.unmatched] + [""]
    return "\n".join(out).rstrip("\n")


def _table(group: _Group, columns: Sequence[str]) -> Iterator[str]:
    yield "| | " + " | ".join(_cell(name) for name in columns or ("used by",)) + " |"
    yield "| --- |" + " --- |" * max(len(columns), 1)
    for row in group.rows:
        cells = [_words(row.uses.get(name, ())) for name in columns] or [""]
        if not row.uses:
            cells[0] = f"*{row.note or 'nobody'}*"
        yield f"| `{line(row.label, 300)}` | " + " | ".join(cells) + " |"


def _cell(text: str) -> str:
    return line(text).replace("|", "\\|").replace("<", "&lt;")
