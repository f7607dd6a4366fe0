"""Mistakes in the user's files, each turned into one message with place, value found and what is accepted."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from harness.errors import ConfigError, did_you_mean
from harness.system.files import read_file, there

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["check_syntax", "translate"]

#: How much of a text is shown, in characters.
_SHOWN = 200
_WORDS: dict[type, str] = {dict: "table", list: "list", tuple: "list"}
#: Patterns of the models in words; one that is missing here is shown as it is.
_PATTERNS = {
    r"^$|^https?://": "must start with http:// or https://",
    r"^$|^[0-9]{4}-[0-9]{2}-[0-9]{2}$": 'must be a day such as "2026-01-31"',
    r"^$|^/": "must be a path that starts with /",
    r"^$|^/|^python:[A-Za-z_][\w.]*:[A-Za-z_]\w*$": "must be a path that starts with /, or python:package.module:function",
    r"^$|^[+-][0-9]{1,6}(\.[0-9]{1,6})?%$": 'must be a percentage with its sign, such as "+10%"',
    r"^[A-Za-z][A-Za-z0-9_-]*$": "a name is a letter and then letters, digits, - and _",
    r"^$|^[A-Za-z0-9][A-Za-z0-9._-]*$": "a name is a letter or digit and then letters, digits, ., - and _",
}


def check_syntax(root: Path, file: str) -> None:
    """Make sure that a Python file of the project is Python, without running it; one that is not there is fine.

    Raises:
        ConfigError: with the line.
    """
    path = root / file
    if not there(path, file):
        return
    try:
        with warnings.catch_warnings():  # of the user's code, and for its tests to tell
            warnings.simplefilter("ignore")
            compile(read_file(path, file), file, "exec", dont_inherit=True)
    except SyntaxError as error:
        line = (error.text or "").strip()
        where = f"line {error.lineno}" + (f" ({line[:60]})" if line else "")
        raise ConfigError(file, "", f"is not valid Python: {error.msg}, {where}.") from None
    except (RecursionError, MemoryError):
        raise ConfigError(file, "", "is not valid Python: it is nested too deeply.") from None
    except ValueError as error:  # a null byte, an integer of thousands of digits
        raise ConfigError(file, "", f"cannot be read: {error}.") from None


def translate(error: ValidationError, file: str, prefix: str, kind: type[BaseModel]) -> ConfigError:
    """Turn the first of pydantic's errors into one message a user can act on."""
    # An unknown key usually explains the missing one beside it, so it is told first.
    detail = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    path = tuple(p for p in detail["loc"] if p != "[key]")
    key = ".".join(str(p) for p in ((prefix, *path) if prefix else path))
    if detail["type"] == "extra_forbidden":
        known = _fields_at(kind, path[:-1])
        return ConfigError(
            file, key, f'unknown key "{path[-1]}".{did_you_mean(str(path[-1]), known)}', ", ".join(sorted(known))
        )
    return ConfigError(file, key, *_explain(detail))


def _explain(detail: ErrorDetails) -> tuple[str, str]:
    found = detail["input"]
    if detail["type"] == "missing":
        return "is missing.", ""
    shown = _shown(found)
    if detail["type"] == "literal_error":
        accepted = str(detail.get("ctx", {}).get("expected", ""))
        words = [w.strip(" '") for w in accepted.replace(" or ", ",").split(",")]
        return f"{shown}.{did_you_mean(str(found), words)}", accepted
    if detail["type"] == "string_pattern_mismatch":
        pattern = detail.get("ctx", {}).get("pattern", "")
        return f"{_PATTERNS.get(pattern, f'must match {pattern}')}, {shown}.", ""
    if detail["type"] in {"dict_type", "model_type", "model_attributes_type"}:
        return f"must be a table, {shown}.", ""
    message = detail["msg"].removeprefix("Value error, ")
    return f"{message[:1].lower()}{message[1:]}, {shown}.", ""


def _shown(found: object) -> str:
    if isinstance(found, str):
        return f"found {found if len(found) <= _SHOWN else f'{found[:_SHOWN]}…'!r}"
    if isinstance(found, int | float):
        return f"found {found!r}"
    return f"found a {_WORDS.get(type(found), type(found).__name__)}"


def _fields_at(kind: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Names a table accepts, found by walking the models along an error's location."""
    here: Any = kind
    for step in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            info = here.model_fields.get(str(step))
            here = info.annotation if info else None
        else:
            here = _inner(here)
        here = _model_of(here)
    here = _inner(here) if not isinstance(here, type) else here
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []


def _model_of(annotation: Any) -> Any:
    """Strip `X | None` down to X; leave dict and tuple annotations for the next step."""
    from types import UnionType
    from typing import Union, get_args, get_origin

    if get_origin(annotation) in {Union, UnionType}:
        return next((a for a in get_args(annotation) if a is not type(None)), None)
    return annotation


def _inner(annotation: Any) -> Any:
    """Value type of `dict[str, X]` or item type of `tuple[X, ...]`."""
    from typing import get_args, get_origin

    args = get_args(annotation)
    if get_origin(annotation) is dict:
        return _model_of(args[1])
    if get_origin(annotation) is tuple:
        return _model_of(args[0])
    return annotation
