"""Secrets with long numbers: those of payment cards, what magnetic stripes hold, and lines of .pgpass, found by the port."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.evidence._jsontext import MASK, Strings, bare_number
from harness.evidence._reading import Span

__all__ = ["numbers"]

#: Digits as zeros, so that a row of them can be searched for as a word.
_DIGITS = bytes.maketrans(b"0123456789", b"0" * 10)
_CANDIDATE = re.compile(rb"0000(?=0{8}|[ +\-]0000|[ +\-]000000|%000000)")
#: Digits in the groups they are embossed in, or without any. What goes on before or behind is another number.
_GAP = r"(?:[ -]|\+|%20)"
_CARD = re.compile(
    r"(?:(?<![\w.+\-])|(?<=\\[nrt])|(?<=[=:+,]))[2-6]"
    rf"(?:\d{{13,18}}+|\d{{3}}{_GAP}\d{{4}}{_GAP}\d{{4}}{_GAP}\d{{4}}(?:{_GAP}\d{{3}})?+|\d{{3}}{_GAP}\d{{6}}{_GAP}\d{{4,5}})"
    r"(?!\w|\.\d|-\d)"
)
#: Track 1 and 2 (ISO/IEC 7813).
_TRACK = re.compile(r"(?<!\d)\d{12,19}+(?:\^[^\^\r\n]{2,26}+\^\d{4}[^\s?\"'\\]*+|[=D]\d{7,40}+[A-Za-z\d]{0,40}+)\??+")
#: Leading digits and lengths of issuers (ISO/IEC 7812), those that are in use; moments and ids begin otherwise or are longer.
_ISSUERS = (
    (re.compile(r"4"), {16}),
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), {16}),
    (re.compile(r"3[47]"), {15}),
    (re.compile(r"6011|64[4-9]|65"), {16}),
    (re.compile(r"30[0-5]|3095|36|38|39"), {14}),
    (re.compile(r"35(?:2[89]|[3-8])"), {16}),
    (re.compile(r"62"), {16, 19}),
)
#: What stands before a number that is an id, whatever its check digit says; that of a card would be called otherwise.
_ID = re.compile(
    r"(?i)(?<![a-z\d_\-])(?:(?:order|item|product|user|customer|trace|span|request|event|record)[_\-]?)?(?:id|sku)"
    r"\\*[\"']?\s{0,3}[:=]\s{0,3}\\*[\"']?$"
)
_PORT = b":0000"
_PGPASS = re.compile(r"(?m):\d{4,5}+:[^\s:]{1,80}+:[^\s:]{1,80}+:([^\s:\"\\]++)(?=$|[\"\\\r])")
_HOST = re.compile(r"(?:^|[\r\n\"]|\\n)[^\s:#\"\\]{1,100}$")


def numbers(text: str) -> Iterator[Span]:
    """Where such numbers stand in a text."""
    digits = text.encode("ascii", "replace").translate(_DIGITS)
    strings = Strings(text)
    for candidate in _CANDIDATE.finditer(digits):
        if track := _TRACK.match(text, candidate.start()):
            yield (*track.span(), MASK)
        elif (card := _CARD.match(text, candidate.start())) and _is_card(card[0]) and not _is_id(text, card):
            bare = bare_number(text, *card.span(), strings)
            yield (*card.span(), f'"{MASK}"' if bare else MASK)
    if _PORT in digits:
        for line in _PGPASS.finditer(text):
            if _HOST.search(text[max(0, line.start() - 110) : line.start()]):
                yield (*line.span(1), MASK)


def _is_id(text: str, number: re.Match[str]) -> bool:
    return number[0].isdigit() and _ID.search(text[max(0, number.start() - 30) : number.start()]) is not None


def _is_card(text: str) -> bool:
    digits = re.sub(r"\D", "", text.replace("%20", ""))
    if not any(start.match(digits) and len(digits) in lengths for start, lengths in _ISSUERS):
        return False
    return _luhn(digits)


def _luhn(digits: str) -> bool:
    """Whether the check digit is right (ISO/IEC 7812-1, annex B)."""
    doubled = (sum(divmod(int(d) * 2, 10)) for d in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0
