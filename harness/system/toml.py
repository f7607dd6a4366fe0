"""Reads TOML of the user's and makes sure that what is in it can be worked with at all; what it means is read elsewhere."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.system.files import read_file
from harness.system.values import unprintable

__all__ = ["read_toml"]

#: The parser takes some ten seconds for as many megabytes.
_LARGEST = 1_000_000
_DEEPEST = 32
#: Keys such as `a.b.c` with more parts than anybody writes; the parser's time grows with the square of them.
_LONG_KEY = re.compile(
    r"(?<![A-Za-z0-9_-])(?:(?:[A-Za-z0-9_-]+|\"[^\"\n]*\"|'[^'\n]*')[ \t]*\.[ \t]*){%d}" % _DEEPEST  # noqa: UP031 - braces
)
#: What a number in TOML may be at the least that every reader must take: 64 bits (toml.io, "Integer").
_LARGEST_NUMBER = 2**63


def read_toml(file: Path, shown: str = "") -> dict[str, Any]:
    """Read a TOML file.

    Args:
        shown: the file as the user would type it; its name by default.

    Raises:
        ConfigError: when it cannot be read, is not UTF-8, is not TOML (with line and column), is nested too deeply, or
            holds text or numbers that nothing can be done with (a null character, an integer beyond 64 bits, nan).
    """
    shown = shown or file.name
    content = read_file(file, shown, limit=_LARGEST)
    try:
        text = content.decode("utf-8-sig")  # some editors begin a file with a mark
    except UnicodeDecodeError as error:
        raise ConfigError(shown, "", f"is not UTF-8 text: {error}.") from None
    if _LONG_KEY.search(text):
        raise _too_deep(shown)
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(shown, "", f"is not valid TOML: {error}.") from None
    except RecursionError:
        raise _too_deep(shown) from None
    except ValueError as error:  # Python reads no integer of thousands of digits, and no 30th of February
        raise ConfigError(shown, "", f"holds a value that cannot be read: {error}.") from None
    _check(parsed, shown)
    return parsed


def _too_deep(shown: str) -> ConfigError:
    return ConfigError(shown, "", f"is nested too deeply: at most {_DEEPEST} levels.")


def _check(parsed: dict[str, Any], shown: str) -> None:
    """Look at every key and value, wherever they stand: what is wrong here is wrong in any table."""
    for path, value in _leaves(parsed, shown):
        key = ".".join(path)
        if isinstance(value, str):
            if problem := unprintable(value):
                raise ConfigError(shown, key, f"{problem}, found {value!r}.")
        elif isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(shown, key, f"must be a finite number, found {value}.")
        elif type(value) is int and not -_LARGEST_NUMBER <= value < _LARGEST_NUMBER:
            raise ConfigError(shown, key, "is an integer of more than 64 bits.")


def _leaves(parsed: dict[str, Any], shown: str) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every value that is no table and no list, and every key as a value, without recursion."""
    todo: list[tuple[tuple[str, ...], object]] = [((), parsed)]
    while todo:
        path, value = todo.pop()
        if len(path) > _DEEPEST:
            raise _too_deep(shown)
        if isinstance(value, dict):
            yield from (((*path, key), key) for key in value)
            todo += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            todo += [((*path, str(number)), inner) for number, inner in enumerate(value)]
        else:
            yield path, value
