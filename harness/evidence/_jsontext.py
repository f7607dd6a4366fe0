"""Where text may be JSON: what is inside of a string, where a string or a bracket ends, at any depth of escaping.

Nothing here parses: the text may be cut, mixed with other text, or no JSON at all. Everything is one pass, forwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.evidence._later import later

__all__ = [
    "MASK",
    "QUOTE",
    "Strings",
    "bare_number",
    "list_items",
    "nesting_end",
    "opening_at",
    "string_at",
    "string_end",
]

MASK = "[redacted]"
#: A quotation mark as it stands in a reading: plain, in JSON inside of JSON (with backslashes), or encoded otherwise.
QUOTE = r"(?:\\*+[\"']|&quot;|&\#39;)"
_REAL_QUOTE = later(r"(?<!\\)(?:\\\\)*+\"")
_OPENING = later(rf"(?:[bBuUrRfF](?=\\*+[\"']))?+({QUOTE})")
_BETWEEN_ITEMS = later(r"[\s,]*+")
_ITEM = later(r"[^\s,}\]\"'\\]++")
#: How much of a text between triple quotation marks is looked at, in characters.
_LONGEST_TRIPLE = 20_000
_NUMBER = later(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_END = {mark: later(rf"(?<!\\)\\*+[{mark}\n]") for mark in "\"'"}
_NESTING = later(r"(?<!\\)\\*+[\"']|[{}\[\]()]")


class Strings:
    """Says whether a place is inside of a JSON string of its line; must be asked from the front to the back."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._inside = text, 0, False
        self._string = (0, -1)

    def inside(self, place: int) -> bool:
        """Whether the quotation marks before `place` leave a string open."""
        newline = self._text.rfind("\n", self._at, place)
        if newline >= 0:
            self._at, self._inside = newline + 1, False
        marks = sum(1 for _ in _REAL_QUOTE.finditer(self._text, self._at, place))
        self._at, self._inside = max(self._at, place), self._inside ^ bool(marks % 2)
        return self._inside

    def end(self, place: int) -> int:
        """Where the string that `place` is inside of ends."""
        if not self._string[0] <= place <= self._string[1]:
            self._string = (place, _bound(self._text, place))
        return self._string[1]


def bare_number(text: str, start: int, end: int, strings: Strings) -> bool:
    """Whether a number stands in JSON without quotation marks: a mask in its place needs some."""
    if strings.inside(start) or not _NUMBER.fullmatch(text, start, end):
        return False
    before, after = text[max(0, start - 99) : start].rstrip()[-1:], text[end : end + 99].lstrip()[:1]
    return before in {":", "[", ",", ""} and after in {",", "}", "]", ""}


def opening_at(text: str, place: int) -> re.Match[str] | None:
    """The quotation mark a value begins with, as its first group."""
    return _OPENING.match(text, place)


def string_at(text: str, opening: re.Match[str], *, inside: bool) -> tuple[int, int, int]:
    """Find the content of a string whose opening mark was found; the mark may be a triple one, or be doubled in it.

    Args:
        inside: whether all of it stands in a JSON string, which ends it at the latest.

    Returns:
        Where the content begins and ends, and where the text goes on.
    """
    quote, start = opening[1], opening.end()
    bound = _bound(text, start) if inside and quote == "'" else len(text)
    if text.startswith(quote * 2, start):
        return _triple(
            text, start + 2 * len(quote), quote, min(bound, _bound(text, start) if len(quote) > 1 else bound)
        )
    end, after = string_end(text, start, quote)
    while quote == "'" and text.startswith("''", end) and end > start:
        end, after = string_end(text, end + 2, quote)
    return start, min(end, bound), min(after, bound)


def _bound(text: str, start: int) -> int:
    mark = _REAL_QUOTE.search(text, start)
    return mark.start() if mark else len(text)


def _triple(text: str, start: int, quote: str, bound: int) -> tuple[int, int, int]:
    end = text.find(quote * 3, start, min(bound, start + _LONGEST_TRIPLE))
    if end >= 0:
        return start, end, end + 3 * len(quote)
    end = min(bound, _line_end(text, start)[0])
    return start, end, end


def list_items(text: str, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """The items of a list whose brackets are just before `start` and just behind `end`, and whether each is a string."""
    place = start
    while (place := _BETWEEN_ITEMS.match(text, place, end).end()) < end:  # type: ignore[union-attr]  # matches the empty text too
        opening = opening_at(text, place)
        if opening:
            begin, stop, place = string_at(text, opening, inside=False)
            yield begin, min(stop, end), True
            continue
        closed = nesting_end(text, place) if text[place] in "{[(" else None
        bare = _ITEM.match(text, place, end)
        stop = min(end, closed or (bare.end() if bare else place + 1))
        yield place, stop, False
        place = stop


def string_end(text: str, start: int, quote: str) -> tuple[int, int]:
    """Find the end of a string that was opened by `quote` just before `start`.

    A mark with d times escaped JSON around it has k = 2^d - 1 backslashes; inside of the string one that is escaped has
    2k + 1, and each backslash of the text is k + 1 of them.

    Returns:
        Where its content ends, and where the text goes on after its closing mark; an unclosed one ends with its line.
    """
    if quote[0] == "&":
        return _encoded_end(text, start, quote)
    level = len(quote) - 1
    for match in _END[quote[-1]].finditer(text, start):
        run = len(match[0]) - 1
        if match[0][-1] == "\n":
            return match.start(), match.start()
        if run < level:  # the string around it ends: this one was cut
            return match.start(), match.start()
        if (run - level) % (2 * (level + 1)) == 0:
            return match.end() - level - 1, match.end()
    return len(text), len(text)


def _encoded_end(text: str, start: int, quote: str) -> tuple[int, int]:
    """The end of a string between encoded marks; a plain mark, or its line, ends it at the latest."""
    end = text.find(quote, start)
    content = text[start:end] if end >= 0 else text[start:]
    bounds = [place for place in (content.find('"'), content.find("\n")) if place >= 0]
    if bounds:
        content = content[: min(bounds)].rstrip("\\")
        return start + len(content), start + len(content)
    return (end, end + len(quote)) if end >= 0 else (len(text), len(text))


def _line_end(text: str, start: int) -> tuple[int, int]:
    line = text.find("\n", start)
    end = line if line >= 0 else len(text)
    return end, end


def nesting_end(text: str, start: int, level: int = 0, stop: int | None = None) -> int | None:
    """Find where the bracket at `start` is closed.

    Args:
        level: how many backslashes the quotation marks around it have.
        stop: where it must have been closed.

    Returns:
        The place after the closing bracket, or the end of the string it stands in; None when it is not closed.
    """
    depth, place, stop = 0, start, len(text) if stop is None else stop
    while match := _NESTING.search(text, place, stop):
        sign, place = match[0][-1], match.end()
        if sign in "\"'":
            if len(match[0]) - 1 < level and sign == '"':
                return match.start()
            place = string_end(text, place, match[0])[1]
        elif sign in "{[(":
            depth += 1
        else:
            depth -= 1
            if not depth:
                return place
    return None
