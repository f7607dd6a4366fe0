"""What a provider may change about an answer without breaking its contract, as edits; sends and runs nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

__all__ = ["TOKEN", "Answer", "Edit", "Kind", "Path", "Site", "matched", "perturbed", "pointer", "sites"]

#: Part of every name and text an edit adds, so that it can be recognised where it comes out again.
TOKEN = "harness_extra"
_MOST_SITES = 60
_EXTRAS: tuple[Any, ...] = (None, TOKEN, 0, [], {TOKEN: True})
#: Matchers that say something about every member of what they stand at: no field may be added there.
_CLOSED = frozenset({"equality", "values", "eachKey", "eachValue", "arrayContains", "array-contains"})
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\*)\]|\['([^']*)'\]")
_CASES = ("Title-Case", "UPPER CASE", "lower case")
_PLAIN = re.compile(r"[A-Za-z_-]*\d*")

Path = tuple[str | int, ...]


class Kind(StrEnum):
    """The ways in which an answer may differ."""

    FIELD = "a further field"
    ORDER = "another order of the fields"
    SPACE = "other white space"
    CASE = "header names in other case"
    HEADER = "a further header"
    CHARSET = "a charset parameter"
    LONGER = "a longer list"
    WITHOUT = "without the field"
    OTHER = "another value"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the consumer is shown: an HTTP response, or the text of a message (without status and headers).

    Args:
        exchange: what it answers, `GET /records/1`, or which message it is.
        status: HTTP status; 0 for a message.
        body: undecoded.
    """

    exchange: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def decoded(self) -> Any:
        """The body as JSON; None where it is none (and where it is null)."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class Edit:
    """One difference.

    Args:
        path: of the object or list it is about, within the body; empty for the body as a whole.
        variant: which of the ways of doing it, from 1.
    """

    exchange: str
    kind: Kind
    path: Path = ()
    variant: int = 1

    def __str__(self) -> str:
        where, variant = f"{pointer(self.path)} of the answer to {self.exchange}", self.variant
        copies, like = _longer(variant)
        return {
            Kind.FIELD: f'{where} has a further field "{TOKEN}": {json.dumps(_EXTRAS[(variant - 1) % len(_EXTRAS)])}',
            Kind.LONGER: f"the list at {where} has {copies} more {like}",
            Kind.ORDER: f"the fields at {where} come {'in reverse' if variant == 1 else 'rotated by one'}",
            Kind.SPACE: f"the JSON of the answer to {self.exchange} is {'indented' if variant == 1 else 'compact'}",
            Kind.CASE: f"the header names of the answer to {self.exchange} are in {_CASES[(variant - 1) % 3]}",
            Kind.HEADER: f"the answer to {self.exchange} has a further header X-Harness-Extra: {TOKEN}",
            Kind.WITHOUT: f"{where} is missing",
            Kind.OTHER: f"{where} has another value",
            Kind.CHARSET: f"the content type of the answer to {self.exchange} has `; charset=utf-8`",
        }[self.kind]


@dataclass(frozen=True, slots=True)
class Site:
    """A place where an answer may be edited, in `variants` ways."""

    edit: Edit
    variants: int

    def at(self, variant: int) -> Edit:
        """The edit made here in one of the ways, from 1."""
        return replace(self.edit, variant=variant)


def pointer(path: Path) -> str:
    """`$.items[0].price`."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def sites(answer: Answer, rules: Mapping[str, Any] | None) -> list[Site]:
    """Where an answer may differ without leaving its contract.

    Args:
        rules: the contract's matching rules of the body, by path; None where the interaction is not known, so that
            only what no rule can forbid is edited.
    """
    found = _of_headers(answer)
    body = answer.decoded()
    if not isinstance(body, dict | list):
        return found
    found.append(Site(Edit(answer.exchange, Kind.SPACE), 2))
    for path, value, closed in _containers(body, (), _normal(rules or {})):
        if isinstance(value, dict) and rules is not None and not closed and TOKEN not in value:
            found.append(Site(Edit(answer.exchange, Kind.FIELD, path), len(_EXTRAS)))
        if isinstance(value, dict) and len(value) > 1:
            found.append(Site(Edit(answer.exchange, Kind.ORDER, path), 2 if len(value) > 2 else 1))
        if isinstance(value, list) and value and not closed and _may_grow(path, value, _normal(rules or {})):
            found.append(Site(Edit(answer.exchange, Kind.LONGER, path), 4))
    return found[:_MOST_SITES]


def _of_headers(answer: Answer) -> list[Site]:
    if not answer.status:
        return []
    found = [Site(Edit(answer.exchange, Kind.CASE), 3), Site(Edit(answer.exchange, Kind.HEADER), 1)]
    kinds = [value.lower() for name, value in answer.headers if name.lower() == "content-type"]
    if any("json" in kind and ";" not in kind for kind in kinds):
        found.append(Site(Edit(answer.exchange, Kind.CHARSET), 1))
    return found


def _containers(value: Any, path: Path, rules: Sequence[_Rule]) -> Iterator[tuple[Path, Any, bool]]:
    """Every object and list with its path, outermost first, and whether a matcher forbids it further members."""
    if not isinstance(value, dict | list):
        return
    closed = any(kind in _CLOSED for steps, kind, _ in rules if _leads(steps, path))
    yield path, value, closed
    members: Iterator[tuple[str | int, Any]] = iter(value.items() if isinstance(value, dict) else enumerate(value))
    for step, member in members:
        yield from _containers(member, (*path, step), rules)


_Rule = tuple[tuple[str, ...], str, Mapping[str, Any]]


def _normal(rules: Mapping[str, Any]) -> list[_Rule]:
    """Matching rules as steps, name of the matcher, and the matcher."""
    found: list[_Rule] = []
    for path, rule in rules.items():
        matchers = rule.get("matchers", [rule]) if isinstance(rule, Mapping) else []
        steps = tuple(next(part for part in m.groups() if part is not None) for m in _STEP.finditer(path))
        found += [(steps, str(m.get("match", "type")), m) for m in matchers if isinstance(m, Mapping)]
    return found


def _leads(steps: Sequence[str], path: Path) -> bool:
    """Whether a rule stands at the path or above it."""
    return len(steps) <= len(path) and all(s in ("*", str(p)) for s, p in zip(steps, path, strict=False))


def matched(path: Path, rules: Mapping[str, Any]) -> bool:
    """Whether a matcher other than equality speaks of what is at the path, so that the contract pins no value."""
    return any(kind != "equality" for steps, kind, _ in _normal(rules) if _leads(steps, path))


def _may_grow(path: Path, value: Sequence[Any], rules: Sequence[_Rule]) -> bool:
    """Whether a matcher at exactly this list gives a least number of members, and no largest that leaves no room."""
    own = [m for steps, _, m in rules if len(steps) == len(path) and _leads(steps, path)]
    largest = min((m["max"] for m in own if isinstance(m.get("max"), int)), default=len(value) + 9)
    return any("min" in m for m in own) and largest >= len(value) + 3


def _longer(variant: int) -> tuple[int, str]:
    """How many members a longer list gets, and what they are."""
    return (1 if variant in {1, 2} else 3), ("like its last" if variant % 2 else "like its last with other values")


def perturbed(answer: Answer, edits: Sequence[Edit]) -> Answer:
    """The answer as the edits that are about it want it."""
    mine = [edit for edit in edits if edit.exchange == answer.exchange]
    if not mine:
        return answer
    body, decoded = answer.body, answer.decoded()
    shape = [edit for edit in mine if edit.kind not in {Kind.CASE, Kind.HEADER, Kind.CHARSET}]
    if shape and isinstance(decoded, dict | list):
        # Innermost first: reordering an object makes a new one, and what is inside has to be edited before that.
        inside = [edit for edit in shape if edit.kind is not Kind.SPACE]
        for edit in sorted(inside, key=lambda e: (-len(e.path), list(Kind).index(e.kind))):
            decoded = _reshaped(decoded, edit.path, edit)
        spaces = [edit.variant for edit in shape if edit.kind is Kind.SPACE]
        body = _written(decoded, spaces[0] if spaces else 0)
    return replace(answer, headers=_headers(answer.headers, mine), body=body)


def _written(decoded: Any, space: int) -> bytes:
    if space == 1:
        return json.dumps(decoded, indent=2, ensure_ascii=False).encode()
    separators = (",", ":") if space else None
    return json.dumps(decoded, separators=separators, ensure_ascii=False).encode()


def _reshaped(value: Any, path: Path, edit: Edit) -> Any:
    """A copy in which the container at `path` is edited; unchanged where there is none any more."""
    if not path:
        return _edited(value, edit)
    step, rest = path[0], path[1:]
    if isinstance(value, dict) and step in value:
        if not rest and edit.kind is Kind.WITHOUT:
            return {k: v for k, v in value.items() if k != step}
        return {k: _reshaped(v, rest, edit) if k == step else v for k, v in value.items()}
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return [_reshaped(v, rest, edit) if n == step else v for n, v in enumerate(value)]
    return value


def _edited(value: Any, edit: Edit) -> Any:
    if edit.kind is Kind.OTHER:
        # Not one that holds the old text, which a reader that looks for a part of it would take for the same.
        return not value if isinstance(value, bool) else TOKEN if isinstance(value, str) else value + 1
    if isinstance(value, dict):
        if edit.kind is Kind.FIELD:
            # In front: whoever takes the first value, or prints the beginning, meets it.
            return {TOKEN: _EXTRAS[edit.variant - 1], **value}
        items = list(value.items())
        return dict(items[::-1] if edit.variant == 1 else [*items[1:], *items[:1]])
    copies, _ = _longer(edit.variant)
    return [*value, *(value[-1] if edit.variant % 2 else _varied(value[-1], n + 1) for n in range(copies))]


def _varied(value: Any, n: int) -> Any:
    """Another member of the same make; a text with a format of its own (a date, an address) is left alone."""
    if isinstance(value, dict):
        return {k: _varied(v, n) if k.lower().endswith("id") or isinstance(v, dict | list) else v
                for k, v in value.items()}  # fmt: skip
    if isinstance(value, list):
        return [_varied(v, n) for v in value]
    if isinstance(value, str) and value and _PLAIN.fullmatch(value):
        return f"{value}{n}"
    return value + n if isinstance(value, int) and not isinstance(value, bool) else value


def _headers(headers: Sequence[tuple[str, str]], edits: Sequence[Edit]) -> tuple[tuple[str, str], ...]:
    chosen = {edit.kind: edit.variant for edit in edits}
    made = list(headers)
    if Kind.CHARSET in chosen:
        made = [(n, f"{v}; charset=utf-8" if n.lower() == "content-type" else v) for n, v in made]
    if Kind.HEADER in chosen:
        made.append(("X-Harness-Extra", TOKEN))
    if Kind.CASE in chosen:
        change = (str.title, str.upper, str.lower)[chosen[Kind.CASE] - 1]
        made = [(change(name), value) for name, value in made]
    return tuple(made)
