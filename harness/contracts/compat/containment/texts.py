"""Texts near the edges of two string shapes: lengths, and texts that fit a pattern or nearly do."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from re import _parser  # the only parser of its patterns Python has
from typing import Any

from harness.contracts.compat.containment.plain import TooLargeError
from harness.contracts.compat.containment.shapes import Shape

__all__ = ["texts"]

_MAX_LENGTH = 2000
_TRIES = 25
_CLASSES = {"CATEGORY_DIGIT": "0123456789", "CATEGORY_WORD": "aZ_09", "CATEGORY_SPACE": " "}
_PLENTY = "abcmxyzAMZ0159 -_.@/:é"


def texts(a: Shape, near: list[Shape], rng: Random) -> Iterator[str]:
    """Texts that `a` probably takes, with lengths and patterns of either side in mind."""
    edges = {int(e[0]) for s in (a, *near) for e in (s.low, s.high) if e}
    lengths = sorted({0, 1, 3, *(e + d for e in edges for d in (-1, 0, 1))})
    for length in lengths:
        if 0 <= length <= _MAX_LENGTH:
            yield "a" * length
    yield from ("A", "0", " ", "é", "a-b")
    for pattern in sorted({p for s in (a, *near) for p in s.patterns}):
        if len(pattern) > _MAX_LENGTH:
            continue
        parsed = _parser.parse(pattern)
        for _ in range(_TRIES):
            yield _fitting(parsed, rng)
    together = [_parser.parse(p) for p in sorted(a.patterns) if len(p) <= _MAX_LENGTH]
    if len(together) > 1:  # one pattern may be about the beginning, another about the end
        for order in (together, together[::-1]) * _TRIES:
            yield "".join(_fitting(parsed, rng) for parsed in order)


def _fitting(parsed: Any, rng: Random) -> str:
    text = ""
    for code, argument in parsed:
        text += _one(str(code), argument, rng)
        if len(text) > _MAX_LENGTH:  # repetitions of repetitions
            raise TooLargeError
    return text


def _one(code: str, argument: Any, rng: Random) -> str:  # noqa: PLR0911 (a table of the parser's codes)
    if code == "LITERAL":
        return chr(argument)
    if code == "NOT_LITERAL":
        return rng.choice([c for c in _PLENTY if ord(c) != argument])
    if code == "ANY":
        return rng.choice(_PLENTY)
    if code == "IN":
        return _of_set(argument, rng)
    if code == "BRANCH":
        return _fitting(rng.choice(argument[1]), rng)
    if code == "SUBPATTERN":
        return _fitting(argument[3], rng)
    if code in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        low, high, inner = argument
        return _repeated(inner, rng.randint(low, min(int(high), low + 4)) if low < 100 else 0, rng)
    return ""  # anchors, look-arounds and back references: the validator decides


def _repeated(inner: Any, times: int, rng: Random) -> str:
    text = ""
    for _ in range(times):
        text += _fitting(inner, rng)
        if len(text) > _MAX_LENGTH:
            raise TooLargeError
    return text


def _of_set(members: Any, rng: Random) -> str:
    ranges = [m for m in members if str(m[0]) != "NEGATE"]
    if len(ranges) != len(members):
        fits = [c for c in _PLENTY if not any(_is_in(c, m) for m in ranges)]
        return rng.choice(fits) if fits else ""
    code, argument = rng.choice(ranges)
    if str(code) == "RANGE":
        return chr(rng.choice([*argument, rng.randint(*argument)]))
    if str(code) == "CATEGORY":
        return rng.choice(_CLASSES.get(str(argument), _PLENTY))
    return chr(argument)


def _is_in(character: str, member: Any) -> bool:
    code, argument = str(member[0]), member[1]
    if code == "RANGE":
        return bool(argument[0] <= ord(character) <= argument[1])
    if code == "CATEGORY":
        return character in _CLASSES.get(str(argument), "")
    return bool(ord(character) == argument)
