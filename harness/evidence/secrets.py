"""What this process was given or obtained as a credential, and how to find it again in text, raw or encoded.

Whoever gets hold of a credential calls `remember`; every `Redactor` asks here, at the moment it masks. Nothing is written
down: the values live in memory, and a worker passes what it learns on to the run that started it (`listen`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from html.entities import codepoint2name
from itertools import takewhile
from urllib.parse import unquote, urlsplit

from harness.evidence._jsontext import MASK, Strings, bare_number
from harness.evidence._names import is_secret_name, table
from harness.evidence._reading import Span

__all__ = [
    "MASK",
    "SHARED",
    "Secrets",
    "has_hex_apart",
    "listen",
    "of_basic",
    "plain_name",
    "remember",
    "remember_header",
    "remember_names",
    "remember_url",
    "spare",
]

#: A shorter value would be found in text that has nothing to do with it.
_SHORTEST = 4
#: Up to here a value counts only where it stands as a word of its own.
_WORD_ONLY = 8
#: Fewer characters of base64 would be found in other base64 by chance.
_BASE64_SHORTEST = 5


#: Values everybody knows: to mask them everywhere hides much and protects nothing.
_TRIVIAL = table(
    "true false null none undefined yes no on off default enabled disabled localhost 127.0.0.1 root admin guest user test"
    " password passwd secret token bearer basic changeme example postgres postgresql mysql mongodb redis rabbitmq sqlite"
    " 0000 1234 header cookie authorization"
)
#: Hexadecimal digits as zeros, and bytes apart written so.
_HEX_DIGITS = bytes.maketrans(b"0123456789abcdefABCDEF", b"0" * 22)
_HEX_GROUPS = (b"00:00:00:00", b"00 00 00 00", b"00-00-00-00", b"0x00, 0x00", b"0x00,0x00")
_HEX_APART = r"(?:[: \-]|,? ?0[xX])"
_NUMBER = re.compile(r"[-+0-9.eE]+")
#: A word as anybody writes it, or a day: as a password it protects nothing, and masked wherever it stands it hides a report.
_ORDINARY = re.compile(r"[^\W\d_]{1,12}|\d{4}-\d\d-\d\d")
#: Text is cut, and a cut goes through a secret: as much of its beginning is masked alone, in characters and as a share.
_BEGINNING, _BEGINNING_SHARE = 12, 3
_ALNUM = re.compile(r"[A-Za-z0-9]+")


#: Most of what is known never stands in any text.
_compiled = lru_cache(maxsize=4096)(re.compile)


@dataclass(frozen=True, slots=True)
class Known:
    """One way a value may be written.

    Args:
        anchor: what stands in the text as it is, however the rest is encoded; empty when there is no such part.
        number: whether it may stand in JSON without quotes.
        apart: whether it is hex with something between the bytes, which few texts have (`has_hex_apart`).
        whole: the value, when it is looked for by how it begins.
    """

    anchor: str
    pattern: str
    number: bool = False
    apart: bool = False
    whole: str = ""

    def spans(self, text: str) -> Iterator[Span]:
        """Where the value stands in a text."""
        if self.anchor not in text:
            return
        if self.whole:
            yield from self._beginnings(text)
            return
        strings = Strings(text)
        for match in _compiled(self.pattern).finditer(text):
            bare = self.number and bare_number(text, *match.span(), strings)
            yield (*match.span(), f'"{MASK}"' if bare else MASK)

    def _beginnings(self, text: str) -> Iterator[Span]:
        place = text.find(self.anchor)
        while place >= 0:
            pairs = zip(self.whole, text[place : place + len(self.whole)], strict=False)
            length = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            length = len(self.whole[:length].rstrip("\\"))  # half of an escape would break the JSON it stands in
            if length:
                yield place, place + length, MASK
            place = text.find(self.anchor, place + len(self.anchor))


def has_hex_apart(text: str) -> bool:
    """Whether there may be bytes in hex with something between them; quick."""
    digits = text.encode("ascii", "replace").translate(_HEX_DIGITS)
    return any(groups in digits for groups in _HEX_GROUPS)


class Secrets:
    """Values and names that are secret; the process has one, `SHARED`."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[Known, ...]] = {}
        self._spared: set[str] = set()
        self._listeners: list[Callable[[str], object]] = []
        self.names: frozenset[str] = frozenset()
        #: Every way of every value, longest value first: one may be a part of another.
        self.known: tuple[Known, ...] = ()

    def remember(self, *values: str) -> None:
        """Mask these values from now on; short and trivial ones, and words of a language, are ignored."""
        for value in {v.strip() for v in values} - self._values.keys():
            if len(value) < _SHORTEST or value.lower() in _TRIVIAL or value in MASK or value in self._spared:
                continue
            if _is_word(value):
                continue
            self._values[value] = _ways_of(value)
            self._order()
            for tell in self._listeners:
                tell(value)

    def remember_header(self, value: str) -> None:
        """Mask the value of a header that lets a caller in: whole, without its scheme, and what Basic credentials hold."""
        self.remember(value)
        scheme, _, rest = value.strip().partition(" ")
        self.remember(rest)
        if scheme.lower() == "basic":
            self.remember(*of_basic(rest))

    def remember_url(self, url: str) -> None:
        """Mask the password in a URL, as it is written and as it is meant."""
        _, slashes, rest = url.partition("://")
        user, at, _ = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")
        if slashes and at and ":" in user:
            password = user.partition(":")[2]
            self.remember(password, unquote(password))
        try:
            meant = urlsplit(url).password
        except ValueError:
            return
        self.remember(meant or "", unquote(meant or ""))

    def remember_names(self, names: Iterable[str]) -> None:
        """Mask what stands under these names (of headers, fields, parameters) from now on."""
        # Most are secret by what they are called: to look for fewer is quicker.
        self.names |= {plain_name(n) for n in names if not is_secret_name(n)} - {""}

    def spare(self, values: Iterable[str]) -> None:
        """Never mask these by value, such as the names of services: reports could not be read any more."""
        self._spared.update(values)
        for value in self._spared & self._values.keys():
            del self._values[value]
        self._order()

    def listen(self, tell: Callable[[str], object]) -> None:
        """Call `tell` with every value that becomes known from now on."""
        self._listeners.append(tell)

    def values(self) -> tuple[str, ...]:
        """Every value as it was remembered."""
        return tuple(self._values)

    def _order(self) -> None:
        self.known = tuple(w for v in sorted(self._values, key=len, reverse=True) for w in self._values[v])


def of_basic(text: str) -> tuple[str, ...]:
    """What Basic credentials hold, decoded: user with password, and the password; nothing where it is none."""
    try:
        user, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return ()
    return (user + colon + password, password)


def _is_word(value: str) -> bool:
    written = value.islower() or value.istitle() or value.isupper() or not value[0].isalpha()
    return written and _ORDINARY.fullmatch(value) is not None


@lru_cache(maxsize=8192)
def plain_name(name: str) -> str:
    """A name without case and separators."""
    return re.sub(r"[\W_]+", "", name).lower()


def _ways_of(value: str) -> tuple[Known, ...]:
    """The ways a value is looked for: as text in any mixture of encodings, as hex, and in base64 at each alignment."""
    raw = value.encode("utf-8", "surrogatepass")
    ways = [_as_text(value)]
    start = max(_BEGINNING, len(value) // _BEGINNING_SHARE)
    if len(value) > start:
        ways.append(Known(value[:start], "", whole=value))
    if not value.isascii():  # bytes as Python, C and many tools print them
        ways += [
            Known("", r"\\{1,15}" + r"\\{1,15}".join(f"x(?i:{byte:02x})" for byte in raw)),
            Known("", "".join(rf"\\{{1,15}}{byte:03o}" if byte > 127 else re.escape(chr(byte)) for byte in raw)),
        ]
    if len(raw) > _SHORTEST:
        ways += [Known(h, h) for h in dict.fromkeys((raw.hex(), raw.hex().upper()))]
        ways.append(Known("", _HEX_APART.join(f"(?i:{byte:02x})" for byte in raw), apart=True))
    for core in dict.fromkeys(_base64_cores(raw)):
        if len(core) >= _BASE64_SHORTEST:
            pattern = "".join(_BASE64_SIGNS.get(c, c) for c in core)
            ways.append(Known(_anchor(core), pattern))
    return tuple(ways)


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


def _as_text(value: str) -> Known:
    body = "".join(map(_character, value))
    # Backslashes before it go with it: to leave half of an escape would break the JSON it stands in.
    start = r"(?<!\\)\\*" if value[0] != "\\" else ""
    if _NUMBER.fullmatch(value):
        return Known(value if _ALNUM.fullmatch(value) else "", rf"(?<![\w.+\-]){body}(?![\w.])", number=True)
    if len(value) < _WORD_ONLY and _ALNUM.fullmatch(value):
        start = r"(?:(?<![A-Za-z0-9\\])\\*+|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
        body += r"(?![A-Za-z0-9])"
    return Known(_anchor(value), start + body)


def _anchor(value: str) -> str:
    return max(_ALNUM.findall(value), key=len, default="")


_LETTERS = {"\n": "n", "\r": "r", "\t": "t"}


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
    ways.append(rf"&(?:amp;)?(?:#0*{point}|#[xX]0*(?i:{point:x})|{codepoint2name.get(point, 'apos')});")
    if char == "\\":
        ways.append(r"\\{1,16}")
    elif char == " ":
        ways += [" ", r"\+"]
    elif char in "\n\r\t":
        ways += [char, rf"\\{{1,15}}{_LETTERS[char]}"]
    else:
        ways.append(rf"\\{{0,15}}{re.escape(char)}")
    return f"(?:{'|'.join(ways)})"


SHARED = Secrets()
remember, remember_header, remember_url = SHARED.remember, SHARED.remember_header, SHARED.remember_url
remember_names, spare, listen = SHARED.remember_names, SHARED.spare, SHARED.listen
