"""The ways a known value may be written: in any mixture of encodings, any case, as hex, in base64, and cut off.

What is known is in `secrets`; text that lies below an encoding of its own is opened in `_layers`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from html.entities import codepoint2name
from itertools import takewhile

from harness.evidence._jsontext import MASK, Strings, bare_number
from harness.evidence._later import later
from harness.evidence._reading import Span

__all__ = ["Known", "possible", "ways_of"]

#: Fewer bytes would be found in other hexadecimal digits by chance; fewer characters, in other base64.
_BYTES_SHORTEST = 5
_BASE64_SHORTEST = 5
#: Up to here a value counts only where it stands as a word of its own.
_WORD_ONLY = 8
#: From here on a value that looks made by a machine is looked for in any case.
_MADE, _MADE_OF_LETTERS = 12, 20
_NUMBER = later(r"[-+0-9.eE]+")
#: Digits as zeros and commas as blanks, and bytes apart written so; each ends with what is rare: so the search is quick.
_HEX_DIGITS = bytes.maketrans(b"0123456789abcdef,\n", b"0" * 16 + b"  ")
_APART = (b"00:00:00:", b"00-00-00-", b"00 00 00 ", b"00  00  00 ", b"0x00 ")
_GAP = r"(?:\s|\\{1,15}[nrt]){0,40}"
_HEX_APART = rf"(?:[: \-]|,?{_GAP}0x)"
#: Text is cut, and a cut goes through a secret: as much of its beginning is masked alone, in characters and as a share.
_BEGINNING, _BEGINNING_SHARE = 12, 3
_ALNUM = later(r"[A-Za-z0-9]+")


#: Most of what is known never stands in any text.
_compiled = lru_cache(maxsize=4096)(re.compile)


@dataclass(frozen=True, slots=True)
class Known:
    """One way a value may be written.

    Args:
        anchor: what stands in the text as it is, however the rest is encoded; empty when there is no such part.
        number: whether it may stand in JSON without quotes.
        apart: whether it is bytes with something between them, which few texts have (`possible`).
        whole: the value, when it is looked for by how it begins.
        any_case: whether it is in lower case, and looked for in text in lower case.
        mask: what is written instead.
    """

    anchor: str
    pattern: str
    number: bool = False
    apart: bool = False
    whole: str = ""
    any_case: bool = False
    mask: str = MASK

    def spans(self, text: str, lower: str) -> Iterator[Span]:
        """Where the value stands in a text, which is given in lower case (`lowered`) as well."""
        text = lower if self.any_case else text
        if self.anchor not in text:
            return
        if self.whole:
            yield from self._beginnings(text)
            return
        strings = Strings(text)
        for match in _compiled(self.pattern).finditer(text):
            bare = self.number and bare_number(text, *match.span(), strings)
            yield (*match.span(), f'"{MASK}"' if bare else self.mask)

    def _beginnings(self, text: str) -> Iterator[Span]:
        place = text.find(self.anchor)
        while place >= 0:
            pairs = zip(self.whole, text[place : place + len(self.whole)], strict=False)
            length = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            length = len(self.whole[:length].rstrip("\\"))  # half of an escape would break the JSON it stands in
            if length:
                yield place, place + length, MASK
            place = text.find(self.anchor, place + len(self.anchor))


def possible(known: Iterable[Known], text: str, lower: str) -> list[Known]:
    """Which of many ways may stand in a text, given in lower case as well; quick, as few do."""
    digits = lower.encode("ascii", "replace").translate(_HEX_DIGITS)
    apart = any(groups in digits for groups in _APART)
    return [k for k in known if k.anchor in (lower if k.any_case else text) and (apart or not k.apart)]


def ways_of(value: str) -> tuple[Known, ...]:
    """The ways a value is looked for: as text in any mixture of encodings, as bytes, and in base64 at each alignment."""
    raw = value.encode("utf-8", "surrogatepass")
    any_case = _looks_made(value)
    written = value.lower() if any_case else value
    ways = [_as_text(written, any_case=any_case)]
    start = max(_BEGINNING, len(value) // _BEGINNING_SHARE)
    if len(value) > start:
        ways.append(Known(written[:start], "", whole=written, any_case=any_case))
    if not value.isascii():
        ways += _beyond_ascii(value, raw)
    if len(raw) >= _BYTES_SHORTEST:
        ways.append(Known(raw.hex(), raw.hex(), any_case=True))
        ways.append(Known("", _HEX_APART.join(f"{byte:02x}" for byte in raw), apart=True, any_case=True))
        ways.append(Known("", rf"(?<!\d){f',{_GAP}'.join(map(str, raw))}(?!\d)", apart=True))
    for core in dict.fromkeys(_base64_cores(raw)):
        if len(core) >= _BASE64_SHORTEST:
            pattern = "".join(_BASE64_SIGNS.get(c, c) for c in core)
            ways.append(Known(_anchor(core), pattern))
    return tuple(ways)


def _looks_made(value: str) -> bool:
    """Whether a value is no word or name, so that it is the same one in capitals."""
    if len(value) < _MADE or len(value.lower()) != len(value) or _NUMBER.fullmatch(value):
        return False
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return mixed or (len(value) >= _MADE_OF_LETTERS and value.isalnum())


def _beyond_ascii(value: str, raw: bytes) -> Iterator[Known]:
    """Bytes as Python, C and many tools print them, and other encodings in the middle of UTF-8 (`surrogateescape`)."""
    yield Known("", r"\\{1,15}" + r"\\{1,15}".join(f"x(?i:{byte:02x})" for byte in raw))
    yield Known("", "".join(rf"\\{{1,15}}{byte:03o}" if byte > 127 else re.escape(chr(byte)) for byte in raw))
    for encoding in ("utf-16-le", "utf-16-be", "latin-1"):
        with suppress(UnicodeEncodeError):
            text = value.encode(encoding).decode("utf-8", "surrogateescape")
            yield Known(text, re.escape(text), mask=MASK.encode(encoding).decode())


#: Both alphabets of base64, and how URLs and JSON write their signs.
_BASE64_SIGNS: Mapping[str, str] = {
    "+": r"(?:[+\-]|%2[Bb]|\\+u002[Bb])",
    "/": r"(?:[/_]|%2[Ff]|\\{1,15}/)",
}


def _base64_cores(raw: bytes) -> list[str]:
    """The characters of base64 that `raw` alone decides, when 0, 1 or 2 bytes of another group come before it."""
    cores = []
    for before in range(3):
        text = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        undecided_end = (before + len(raw)) % 3 != 0
        cores.append(text[(0, 2, 3)[before] : -1 if undecided_end else None])
    return cores


def _as_text(value: str, *, any_case: bool) -> Known:
    body = "".join((*map(_inner_character, value[:-1]), _character(value[-1])))
    # Backslashes before it go with it: to leave half of an escape would break the JSON it stands in.
    start = r"(?<!\\)\\*" if value[0] != "\\" else ""
    if _NUMBER.fullmatch(value):
        return Known(value if _ALNUM.fullmatch(value) else "", rf"(?<![\w.+\-]){body}(?![\w.])", number=True)
    if len(value) < _WORD_ONLY and _ALNUM.fullmatch(value):
        start = r"(?:(?<![A-Za-z0-9\\])\\*+|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
        body += r"(?![A-Za-z0-9])"
    return Known(_anchor(value), start + body, any_case=any_case)


def _anchor(value: str) -> str:
    return max(_ALNUM.findall(value), key=len, default="")


_LETTERS = {"\n": "n", "\r": "r", "\t": "t"}


def _inner_character(char: str) -> str:
    """The same for one with more behind it: a quotation mark may be doubled (SQL, CSV), or be closed and opened (shells)."""
    return f"{_character(char)}{{1,3}}" if char in "\"'" else _character(char)


def _character(char: str) -> str:
    """Pattern for one character in any of the encodings it may be written in."""
    if char.isascii() and char.isalnum():
        return char
    bytes_ = char.encode("utf-8", "surrogatepass")
    ways = ["".join(f"%(?:25){{0,2}}(?i:{byte:02x})" for byte in bytes_)]
    units = char.encode("utf-16-be", "surrogatepass")
    ways.append("".join(rf"\\{{1,15}}u(?i:{units[i : i + 2].hex()})" for i in range(0, len(units), 2)))
    point = ord(char)
    ways.append("".join(rf"\\{{1,15}}x(?i:{byte:02x})" for byte in bytes_))
    ways.append(rf"&(?:amp;)?(?:#0*{point}|#[xX]0*(?i:{point:x})|(?i:{codepoint2name.get(point, 'apos')}));")
    if char == "\\":
        ways.append(r"\\{1,16}")
    elif char == " ":
        ways += [" ", r"\+"]
    elif char in "\n\r\t":
        ways += [char, rf"\\{{1,15}}{_LETTERS[char]}"]
    else:
        ways.append(rf"\\{{0,15}}{re.escape(char)}")
    return f"(?:{'|'.join(ways)})"
