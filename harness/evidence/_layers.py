"""Text below an encoding of its own: base64 in base64, and base64 or hexadecimal digits that were broken into lines.

What base64 in one line holds is found by how it looks (`_ways`); here is what has to be opened before it can be looked at.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator

from harness.evidence._jsontext import MASK
from harness.evidence._later import later
from harness.evidence._reading import Span, lowered
from harness.evidence._ways import Known, possible

__all__ = ["layers"]

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
#: Signs of base64 as zeros, so that a row of them can be searched for as a word.
_SIGNS = bytes.maketrans(_ALPHABET, b"0" * len(_ALPHABET))
_ROW = b"0" * 16
_RUN = later(r"[A-Za-z0-9+/\-_]*+")
#: Four signs that are three characters of ASCII, which are no controls: the first bit of each byte is not set.
_GROUP = r"[I-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/\-_]"
_TEXT = later(rf"(?:{_GROUP}){{4,}}+[A-Za-z0-9+/\-_]{{0,3}}+={{0,2}}+")
_SHORTEST_LINE = 40
#: Lines that are long enough to have been broken, and what is left in the last one; a log's next line is no such line.
_LINES = later(
    rf"[A-Za-z0-9+/\-_]{{{_SHORTEST_LINE},}}+"
    r"(?:(?:\r?\n|(?:\\{1,15}+r)?+\\{1,15}+n)[ \t]{0,40}+[A-Za-z0-9+/\-_]++(?=[\r\n\\\"'=<]|$))++={0,2}+"
)
_BREAK = later(r"\s+|\\+[nr]")
_TO_STANDARD = str.maketrans("-_", "+/")
_DEEPEST = 4


def layers(text: str, known: Iterable[Known], depth: int = 1) -> Iterator[Span]:
    """What to mask of a text because a known value stands below one more encoding."""
    known = tuple(known)
    for start, end, inner in _inner(text) if known else ():
        if _holds(inner, known, depth):
            yield start, end, MASK


def _holds(text: str, known: tuple[Known, ...], depth: int) -> bool:
    lower = lowered(text)
    if any(next(one.spans(text, lower), None) for one in possible(known, text, lower)):
        return True
    return depth < _DEEPEST and next(layers(text, known, depth + 1), None) is not None


def _inner(text: str) -> Iterator[tuple[int, int, str]]:
    """Where something encoded stands, and what it holds."""
    signs = text.encode("ascii", "replace").translate(_SIGNS)
    place = 0
    while (start := signs.find(_ROW, place)) >= 0:
        place = _RUN.match(text, start).end()  # type: ignore[union-attr]  # matches the empty text too
        if place - start >= _SHORTEST_LINE and (lines := _LINES.match(text, _after_escape(text, start))):
            place = lines.end()
            yield (*lines.span(), _BREAK.sub("", lines[0]))
        elif not text[start:place].islower():  # ids and paths; base64 of text has capitals
            for match in _TEXT.finditer(text, _after_escape(text, start), place):
                yield (*match.span(), _decoded(match[0]))


def _after_escape(text: str, start: int) -> int:
    """Where base64 begins when the end of an escape stands before it: half of one would break the JSON it stands in."""
    if text[start - 1 : start] != "\\":
        return start
    return start + (5 if text[start] == "u" else 1)


def _decoded(text: str) -> str:
    signs = text.rstrip("=").translate(_TO_STANDARD)
    whole = signs[: len(signs) - (len(signs) % 4 == 1)]
    return base64.b64decode(whole + "=" * (-len(whole) % 4)).decode("utf-8", "replace")
