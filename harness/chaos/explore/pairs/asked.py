"""Reads what the command line asks of pairs: `--edge a:b+c:d --fault hang+refused`; plans nothing."""

from __future__ import annotations

from collections.abc import Mapping

from harness.chaos.explore.catalogue import FAILURES
from harness.chaos.explore.pairs.values import JOIN
from harness.errors import UsageError, did_you_mean

__all__ = ["asks_for_pair", "split_pair"]


def asks_for_pair(only: Mapping[str, str]) -> bool:
    """Whether two edges or two failures are named."""
    return JOIN in only.get("edge", "") or JOIN in only.get("fault", "")


def split_pair(only: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What is asked for of each of the two edges, as if it were asked for alone.

    Both edges with all failures are meant where no failure is named.

    Raises:
        UsageError: when it is not two of each, one edge is named twice, or there is no failure of a name.
    """
    edges, faults = (tuple(part.strip() for part in only.get(key, "").split(JOIN)) for key in ("edge", "fault"))
    if len(edges) != 2 or (faults != ("",) and len(faults) != 2):
        raise UsageError(
            f'"{_told(only)}" is not a pair: name two edges and a failure for each, '
            f"such as --edge CALLER:CALLEE{JOIN}CALLER:CALLEE --fault hang{JOIN}error-503"
        )
    if edges[0] == edges[1]:
        raise UsageError(f'a pair of failures is on two edges; "{edges[0]}" is named twice')
    known = [name for name, failure in FAILURES.items() if not failure.lasts]
    for name in faults if faults != ("",) else ():
        if name not in known:
            what = f'"{name}" is not tried in pairs' if name in FAILURES else f'there is no failure "{name}"'
            raise UsageError(f"{what}.{did_you_mean(name, known)} Known: {', '.join(known)}.")
    named = faults if len(faults) == 2 else ("", "")
    first, second = ({"edge": e} | ({"fault": f} if f else {}) for e, f in zip(edges, named, strict=True))
    return first, second


def _told(only: Mapping[str, str]) -> str:
    return " ".join(f"--{key} {only[key]}" for key in ("edge", "fault") if only.get(key))
