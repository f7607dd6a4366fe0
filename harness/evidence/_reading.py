"""Text as a person or a parser reads it: escapes are the characters they stand for, colours and odd bytes are gone.

What is found in a reading is masked in the text it was read from: each place of the one is known in the other. Signs that
give a text its structure (quotation marks) stay escaped when they were, so that JSON around them stays JSON.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from functools import cached_property, lru_cache
from html.entities import html5

from harness.evidence._later import later

__all__ = ["Reading", "Span", "lowered"]

#: Where a secret begins and ends, and what to write instead.
Span = tuple[int, int, str]

#: Escapes of control sequences (colours), and characters nobody sees: controls, marks, bytes that are no UTF-8.
_COLOUR = r"\[[0-9;?]{0,40}+[ -/]?[@-~]"
_UNSEEN = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u0300-\u036f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ud800-\udfff"
)
_BLANK = "\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
_WIDE = "\uff01-\uff5e"
#: Signs that look like those of ASCII.
_ALIKE = {
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"'),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u2039\u203a", "'"),
    **dict.fromkeys("\u2236\ua789\ufe55\ufe13", ":"),
    **dict.fromkeys("\ufe66\u2550\ua78a", "="),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\ufe63", "-"),
}
_ESCAPE = later(
    rf"[%&\\{_UNSEEN}{_BLANK}{_WIDE}{''.join(_ALIKE)}\u241b]"
    rf"(?:(?<=[\x1b\u241b]){_COLOUR}"
    r"|(?<=%)(?:25){0,4}+(?P<percent>[0-7][0-9A-Fa-f]|[89A-Fa-f][0-9A-Fa-f](?:%(?:25){0,4}+[89A-Fa-f][0-9A-Fa-f]){1,3}+)"
    r"|(?<=&)(?:amp;){0,4}+(?:#0{0,9}+(?P<decimal>[0-9]{1,7})|#[xX]0{0,9}+(?P<hex>[0-9A-Fa-f]{1,6})|(?P<entity>[A-Za-z]{2,8}));"
    rf"|(?<=\\)(?<!\\\\)(?P<more>\\{{0,63}}+)(?:(?:u001[bB]|x1[bB]|033|e){_COLOUR}"
    r"|u(?P<unit>[0-9A-Fa-f]{4})|x(?P<byte>[0-9A-Fa-f]{2}))"
    r"|(?<![%&\\]))"
)
_SIGNS = ("%", "&", "\\u", "\\x", "\x1b", "\\033", "\\e[")
_PERCENTS = later("%(?:25)*")
_ODD = later(rf"[{_UNSEEN}{_BLANK}{_WIDE}{''.join(_ALIKE)}]")
_UNSEEN_ASCII = later(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: How quotation marks stand in a reading that were neither plain nor behind a backslash.
_MARKS = {'"': "&quot;", "'": "&#39;"}
#: What must stay encoded: it would end a value that goes on, or open something that is not closed.
_STAYS = frozenset(" \t\r\n\\&{}[()")
_STAYS_IN_URLS = _STAYS | frozenset("+,;])<>/@#?%")
_ENTITIES = {name.rstrip(";"): sign for name, sign in html5.items() if len(sign) == 1 and name.endswith(";")}


def lowered(text: str) -> str:
    """A text in lower case, each character at its place."""
    lower = text.lower()
    return lower if len(lower) == len(text) else re.sub("[A-Z]+", lambda word: word[0].lower(), text)


class Reading:
    """One text, read.

    Args:
        source: the text as it stands somewhere.
        lower: the same in lower case (`lowered`), where it is at hand.
    """

    def __init__(self, source: str, lower: str = "") -> None:
        self.source, self.text = source, source
        self._starts: list[int] = []
        self._origins: list[tuple[int, int]] = []
        self._lower = lower
        if not source.isascii() or any(sign in source for sign in _SIGNS) or _UNSEEN_ASCII.search(source):
            self._read()

    @cached_property
    def lower(self) -> str:
        """The reading in lower case, each character at its place."""
        return self._lower if self._lower and self.text is self.source else lowered(self.text)

    def without(self, spans: Iterable[Span]) -> str:
        """The source, masked where these spans of the reading are; those that overlap an earlier one are left out."""
        pieces: list[str] = []
        done = 0
        for start, end, mask in sorted(spans):
            begin, stop = self._origin(start, end)
            if begin >= done and stop > begin:
                pieces += [self.source[done:begin], _as_wide(mask, self.source[begin:stop])]
                done = stop
        return "".join((*pieces, self.source[done:])) if pieces else self.source

    def _read(self) -> None:
        pieces: list[str] = []
        length = done = 0
        for match in _ESCAPE.finditer(self.source):
            shown = _shown(match)
            if shown is None:
                continue
            between = self.source[done : match.start()]
            self._starts += [length, length + len(between)]
            self._origins += [(done, -1), match.span()]
            pieces += [between, shown]
            length += len(between) + len(shown)
            done = match.end()
        if pieces:
            self._starts.append(length)
            self._origins.append((done, -1))
            self.text = "".join((*pieces, self.source[done:]))

    def _origin(self, start: int, end: int) -> tuple[int, int]:
        if not self._starts or end <= start:
            return start, end
        return self._place(start)[0], self._place(end - 1)[1]

    def _place(self, place: int) -> tuple[int, int]:
        """Where the character at a place of the reading comes from."""
        index = bisect_right(self._starts, place) - 1
        begin, stop = self._origins[index]
        if stop >= 0:
            return begin, stop
        at = begin + place - self._starts[index]
        return at, at + 1


def _shown(match: re.Match[str]) -> str | None:
    """What a match of `_ESCAPE` is in the reading; None for what stays as it is."""
    kind = match.lastgroup
    if kind is None or kind == "more":
        return _sign(match[0]) if len(match[0]) == 1 else ""
    if kind == "percent":
        return _of_percent(match[kind])
    if kind == "entity":
        return _meant(_ENTITIES.get(match[kind], ""), _STAYS - {"&"})
    if kind in {"decimal", "hex"}:
        code = int(match[kind], 16 if kind == "hex" else 10)
        return _meant(chr(code), _STAYS - {"&"}) if code < 0x110000 else None
    sign = chr(int(match[kind], 16))
    if sign in _MARKS:
        return "\\" * (2 * len(match["more"]) + 1) + sign
    return _meant(sign, _STAYS - {"&", " "})


def _sign(sign: str) -> str:
    """A character outside of ASCII that stands for one of it, for a blank, or for nothing."""
    if sign in _ALIKE:
        return _MARKS.get(_ALIKE[sign], _ALIKE[sign])
    if "\uff01" <= sign <= "\uff5e":
        plain = chr(ord(sign) - 0xFEE0)
        return sign if plain in _STAYS else _MARKS.get(plain, plain)
    return " " if sign.isspace() else ""


def _meant(sign: str, stays: frozenset[str] = _STAYS) -> str | None:
    """What an encoded character is in the reading; None where it is better left encoded."""
    if not sign or sign in stays:
        return None
    if sign in _MARKS:
        return _MARKS[sign]
    if sign.isascii():
        return sign if sign.isprintable() else ""
    return _sign(sign) if _ODD.match(sign) else sign if sign.isalnum() else None


@lru_cache(maxsize=4096)
def _of_percent(digits: str) -> str | None:
    if len(digits) == 2:
        return _meant(chr(int(digits, 16)), _STAYS_IN_URLS)
    try:
        text = bytes.fromhex(_PERCENTS.sub("", digits)).decode()
    except ValueError:
        return None
    return _meant(text) if len(text) == 1 else text if text.isalnum() else None


def _as_wide(mask: str, text: str) -> str:
    """A mask in the width of the text it replaces: where each second byte is NUL (UTF-16), as well."""
    return "\0".join(mask) if text[1:2] == "\0" and not text[1::2].strip("\0") else mask
