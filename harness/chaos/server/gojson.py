"""Where a JSON text breaks, in the words of Go's decoder (encoding/json); reads no values."""

from __future__ import annotations

import re

__all__ = ["what_is_wrong"]

_MOST_DEPTH = 10_000
_SPACE = b" \t\r\n"
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_DIGITS = re.compile(rb"[0-9]+")
_LITERALS = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}
_ESCAPES = {7: r"\a", 8: r"\b", 9: r"\t", 10: r"\n", 11: r"\v", 12: r"\f", 13: r"\r", 0x5C: r"\\", 0x27: r"\'"}


class _BrokenError(Exception):
    """Carries the decoder's text."""


def what_is_wrong(text: bytes) -> str | None:
    """The decoder's error for the first value of a text; None when that value is well-formed, whatever follows it."""
    try:
        _Scanner(text).first_value()
    except _BrokenError as error:
        return str(error)
    return None


class _Scanner:
    """Walks over one value; open arrays and objects are on a stack, so no text is too deep for it."""

    def __init__(self, text: bytes) -> None:
        self.text, self.at = text, 0

    def first_value(self) -> None:
        """Walk to the end of the first value.

        Raises:
            _BrokenError: where it breaks.
        """
        if not self.text.strip(_SPACE):
            raise _BrokenError("EOF")
        open_: list[int] = []
        opened = self._begin(open_)
        while open_:
            opened = self._go_on(open_, just_opened=opened)

    def _begin(self, open_: list[int]) -> bool:
        """Walk over a scalar, or into an array or object; whether it was the latter."""
        char = self._next()
        if char in b"[{":
            open_.append(char)
            if len(open_) > _MOST_DEPTH:
                raise _BrokenError("exceeded max depth")
            self.at += 1
            return True
        if char == ord('"'):
            self._string()
        elif char in b"-0123456789":
            self._number()
        elif char in _LITERALS:
            self._literal(_LITERALS[char])
        else:
            self._fail("looking for beginning of value")
        return False

    def _item(self, open_: list[int]) -> bool:
        if open_[-1] == ord("{"):
            if self._next() != ord('"'):
                self._fail("looking for beginning of object key string")
            self._string()
            if self._next() != ord(":"):
                self._fail("after object key")
            self.at += 1
        return self._begin(open_)

    def _go_on(self, open_: list[int], *, just_opened: bool) -> bool:
        array = open_[-1] == ord("[")
        char = self._next()
        if char == (ord("]") if array else ord("}")):
            self.at += 1
            open_.pop()
            return False
        if not just_opened:
            if char != ord(","):
                self._fail("after array element" if array else "after object key:value pair")
            self.at += 1
        return self._item(open_)

    def _next(self) -> int:
        while self.at < len(self.text) and self.text[self.at] in _SPACE:
            self.at += 1
        return self._here()

    def _here(self) -> int:
        if self.at >= len(self.text):
            raise _BrokenError("unexpected EOF")
        return self.text[self.at]

    def _string(self) -> None:
        self.at += 1
        while True:
            self.at = _PLAIN.match(self.text, self.at).end()  # type: ignore[union-attr]  # matches everywhere
            char = self._here()
            self.at += 1
            if char == ord('"'):
                return
            if char != ord("\\"):
                self.at -= 1
                self._fail("in string literal")
            self._escape()

    def _escape(self) -> None:
        char = self._here()
        if char not in b'bfnrt\\/"u':
            self._fail("in string escape code")
        self.at += 1
        for _ in range(4 if char == ord("u") else 0):
            if self._here() not in b"0123456789abcdefABCDEF":
                self._fail("in \\u hexadecimal character escape")
            self.at += 1

    def _number(self) -> None:
        if self._here() == ord("-"):
            self.at += 1
        if self._here() == ord("0"):
            self.at += 1
        else:
            self._digits("in numeric literal")
        if self._is(b"."):
            self.at += 1
            self._digits("after decimal point in numeric literal")
        if self._is(b"eE"):
            self.at += 1
            self._here()
            if self._is(b"+-"):
                self.at += 1
            self._digits("in exponent of numeric literal")

    def _digits(self, where: str) -> None:
        self._here()
        found = _DIGITS.match(self.text, self.at)
        if found is None:
            self._fail(where)
        else:
            self.at = found.end()

    def _is(self, chars: bytes) -> bool:
        return self.at < len(self.text) and self.text[self.at] in chars

    def _literal(self, word: bytes) -> None:
        for expected in word:
            if self._here() != expected:
                self._fail(f"in literal {word.decode()} (expecting {_quoted(expected)})")
            self.at += 1

    def _fail(self, where: str) -> None:
        raise _BrokenError(f"invalid character {_quoted(self._here())} {where}")


def _quoted(byte: int) -> str:
    # The decoder sees bytes, not characters: each is shown as the character of that number.
    if byte in _ESCAPES:
        return f"'{_ESCAPES[byte]}'"
    if byte < 0x20 or byte == 0x7F:
        return f"'\\x{byte:02x}'"
    if 0x80 <= byte <= 0xA0 or byte == 0xAD:
        return f"'\\u{byte:04x}'"
    return f"'{chr(byte)}'"
