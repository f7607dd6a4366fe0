"""Where text may be JSON: what is inside of a string, where a string or a bracket ends, at any depth of escaping.

Nothing here parses: the text may be cut, mixed with other text, or no JSON at all. Everything is one pass, forwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["MASK", "QUOTE", "Strings", "mask_numbers", "nesting_end", "string_end"]

MASK = "[redacted]"
#: A quotation mark as it stands in text, in JSON inside of JSON (with backslashes), and in HTML.
QUOTE = r"(?:\\*+[\"']|&quot;|&\#3[49];|&\#x2[27];)"
_REAL_QUOTE = re.compile(r"(?<!\\)(?:\\\\)*+\"")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_END = {mark: re.compile(rf"(?<!\\)\\*+[{mark}\n]") for mark in "\"'"}
_NESTING = re.compile(r"(?<!\\)\\*+[\"']|[{}\[\]()]")


class Strings:
    """Says whether a place is inside of a JSON string of its line; must be asked from the front to the back."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._inside = text, 0, False

    def inside(self, place: int) -> bool:
        """Whether the quotation marks before `place` leave a string open."""
        newline = self._text.rfind("\n", self._at, place)
        if newline >= 0:
            self._at, self._inside = newline + 1, False
        marks = sum(1 for _ in _REAL_QUOTE.finditer(self._text, self._at, place))
        self._at, self._inside = max(self._at, place), self._inside ^ bool(marks % 2)
        return self._inside


def mask_numbers(pattern: re.Pattern[str], text: str, wanted: Callable[[str], bool] | None = None) -> str:
    """Mask numbers; where one stands in JSON as a number, the mask is a string."""
    strings, done = Strings(text), 0
    pieces: list[str] = []
    for match in pattern.finditer(text):
        if wanted is None or wanted(match[0]):
            quote = '"' if _is_bare(text, match.start(), match.end(), strings) else ""
            pieces += [text[done : match.start()], quote, MASK, quote]
            done = match.end()
    return "".join((*pieces, text[done:])) if pieces else text


def _is_bare(text: str, start: int, end: int, strings: Strings) -> bool:
    if strings.inside(start) or not _NUMBER.fullmatch(text, start, end):
        return False
    before, after = text[max(0, start - 99) : start].rstrip()[-1:], text[end : end + 99].lstrip()[:1]
    return before in {":", "[", ",", ""} and after in {",", "}", "]", ""}


def string_end(text: str, start: int, quote: str) -> tuple[int, int]:
    """Find the end of a string that was opened by `quote` just before `start`.

    A mark with d times escaped JSON around it has k = 2^d - 1 backslashes; inside of the string one that is escaped has
    2k + 1, and each backslash of the text is k + 1 of them.

    Returns:
        Where its content ends, and where the text goes on after its closing mark; an unclosed one ends with its line.
    """
    if quote[0] == "&":
        line = text.find("\n", start)
        end = text.find(quote, start, line if line >= 0 else len(text))
        return (end, end + len(quote)) if end >= 0 else _line_end(text, start)
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


def _line_end(text: str, start: int) -> tuple[int, int]:
    line = text.find("\n", start)
    end = line if line >= 0 else len(text)
    return end, end


def nesting_end(text: str, start: int, level: int = 0) -> int | None:
    """Find where the bracket at `start` is closed.

    Args:
        level: how many backslashes the quotation marks around it have.

    Returns:
        The place after the closing bracket, or the end of the string it stands in; None when it is not closed.
    """
    depth, place = 0, start
    while match := _NESTING.search(text, place):
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
