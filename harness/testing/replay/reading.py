"""Which fields of its contract a consumer's code never reads, found out by replaying without them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.testing.replay.edits import Answer, Edit, Kind, Path, matched

__all__ = ["probes", "spot"]

_MOST = 25


def probes(answer: Answer, rules: Mapping[str, Any] | None) -> list[Edit]:
    """One edit for each field with a plain value: another value where the contract pins it, none where it does not.

    Args:
        rules: the contract's matching rules of the body; None where the interaction is not known: no probes then.
    """
    if rules is None:
        return []
    found = [
        Edit(answer.exchange, Kind.WITHOUT if matched(path, rules) else Kind.OTHER, path)
        for path in _fields(answer.decoded(), ())
    ]
    return found[:_MOST]


def _fields(value: Any, path: Path) -> Iterator[Path]:
    """Fields of objects with a plain value; null says little, and of a list the first member stands for all."""
    if isinstance(value, list) and value:
        yield from _fields(value[0], (*path, 0))
    if isinstance(value, dict):
        for name, member in value.items():
            if isinstance(member, str | int | float):
                yield (*path, name)
            else:
                yield from _fields(member, (*path, name))


def spot(path: Path) -> str:
    """`$.items[*].price`: the field, whichever member of a list it belongs to."""
    return "$" + "".join("[*]" if isinstance(step, int) else f".{step}" for step in path)
