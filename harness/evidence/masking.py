"""The one place where evidence is made fit to leave: no secret, no character that steers a terminal, no text without end.

Whatever a worker sends and whatever the run itself makes up passes here (`masked`), every text in it, however deep. Stages
need not think of it. Files that tools and services write by themselves are looked through afterwards, in `sweep`.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

from harness.evidence.plain import plain
from harness.evidence.redaction import Redactor

__all__ = ["masked", "masked_text"]

T = TypeVar("T")

_MOST_LINES = 600
#: Tokens are rarely longer.
_LONGEST_WORD = 4_000
_LONGEST = 2_000
#: Field -> the most characters it may have; all others have `_LONGEST`.
_LIMITS: Mapping[str, int] = {
    "title": 500,
    "detail": 20_000,
    "request": 20_000,
    "response": 20_000,
    "expected": 20_000,
    "reason": 8_000,
    "text": 8_000,
    "note": 500,
    "reproduce": 10_000,
    "command": 10_000,
    "key": 1_000,
}
#: What a file is called is no text, and neither is a stage or a rule: with another name it would not be found again.
_AS_IT_IS = frozenset({"kind", "path", "directory", "run_id", "stage", "rule"})
_REDACTOR = Redactor()


def masked(value: T, redactor: Redactor = _REDACTOR) -> T:
    """A copy of a value of the evidence (any dataclass, mapping, sequence) in which every text is fit to be shown."""
    fit: T = _of(value, "", redactor)
    return fit


def masked_text(text: str, limit: int = 0, redactor: Redactor = _REDACTOR) -> str:
    """One text, fit to be shown; `limit` in characters, 0 for none."""
    if limit:
        text = _cut(text, limit * 4)  # what is cut away need not be looked through
    text = plain(redactor.text(text))
    return _few_lines(_cut(text, limit)) if limit else text


def _of(value: Any, name: str, redactor: Redactor) -> Any:
    if isinstance(value, Enum) or name in _AS_IT_IS:
        return value
    if isinstance(value, str):
        return _key(value, redactor) if name == "key" else masked_text(value, _LIMITS.get(name, _LONGEST), redactor)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.name not in _names_of(value)}
        changed = {n: new for n, old in found.items() if (new := _of(old, n, redactor)) is not old and new != old}
        return dataclasses.replace(value, **changed) if changed else value
    if isinstance(value, Mapping):
        return {_of(k, "", redactor): _of(v, "", redactor) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_of(v, name, redactor) for v in value)
    return value


def _names_of(value: Any) -> frozenset[str]:
    """Fields of a value by which others know it."""
    return getattr(type(value), "KNOWN_BY", frozenset())


def _key(text: str, redactor: Redactor) -> str:
    """What tells findings apart stays different when it is cut, and the same in the next run."""
    text = plain(redactor.text(text))
    limit = _LIMITS["key"]
    return text if len(text) <= limit else f"{text[: limit // 2]}… {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _cut(text: str, limit: int) -> str:
    """Keep the start and the end, and say how much is missing between them."""
    if len(text) <= limit:
        return text
    if limit <= _LONGEST:
        return f"{_whole_words(text[: limit - 1])}…"
    head, tail = _whole_words(text[: limit * 2 // 3]), _whole_words(text[-limit // 4 :], end=True)
    return f"{head}\n… {len(text) - len(head) - len(tail):,} characters left out …\n{tail}"


def _whole_words(text: str, *, end: bool = False) -> str:
    """Without the word the cut went through, or what there is of a long one: half of a secret would not be recognised."""
    longest = min(_LONGEST_WORD, len(text) // 4)
    for place in range(1, longest):
        if text[place if end else -place].isspace():
            return text[place:] if end else text[:-place]
    return text[longest:] if end else text[: len(text) - longest]


def _few_lines(text: str) -> str:
    lines = text.split("\n")
    if len(lines) <= _MOST_LINES:
        return text
    kept = _MOST_LINES * 2 // 3
    left_out = len(lines) - kept - _MOST_LINES // 4
    return "\n".join((*lines[:kept], f"… {left_out:,} lines left out …", *lines[-(_MOST_LINES // 4) :]))
