"""Patterns that are compiled at their first use: all of them compile, and they do what patterns do."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest

import harness.evidence
from harness.evidence._later import _Later, later


def patterns() -> Iterator[tuple[str, _Later]]:
    for module in pkgutil.iter_modules(harness.evidence.__path__, "harness.evidence."):
        for name, value in vars(importlib.import_module(module.name)).items():
            yield from ((f"{module.name}.{name}", one) for one in held(value))


def held(value: Any) -> Iterator[_Later]:
    """The patterns in a value: itself, or in a table."""
    if isinstance(value, _Later):
        yield value
    elif isinstance(value, dict):
        yield from (one for item in value.values() for one in held(item))
    elif isinstance(value, (tuple, list)):
        yield from (one for item in value for one in held(item))


def test_every_pattern_there_is_compiles() -> None:
    found = list(patterns())

    assert len(found) > 50
    for name, one in found:
        assert one.search("") is None or one.search(""), name


def test_it_finds_what_a_pattern_finds_and_knows_its_groups() -> None:
    lazy, eager = later(r"(?P<a>x+)(y)?", re.IGNORECASE), re.compile(r"(?P<a>x+)(y)?", re.IGNORECASE)

    for text in ("XXy", "none", "axb"):
        assert [m.groups() for m in lazy.finditer(text)] == [m.groups() for m in eager.finditer(text)]
        assert bool(lazy.search(text)) == bool(eager.search(text))
    assert (lazy.groups, lazy.groupindex) == (eager.groups, eager.groupindex)


def test_a_mistake_shows_at_the_first_use() -> None:
    wrong = later("(")

    with pytest.raises(re.error):
        wrong.search("x")
