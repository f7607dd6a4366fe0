"""The kinds of failure stores are tried with, and which of all kinds make sense on which edge; puts nothing in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.chaos.experiments import REFUSED, Injection
from harness.chaos.explore.catalogue import FAILURES, Effect, Failure
from harness.chaos.explore.stores.whereabouts import StoreServer, whereabouts
from harness.system.model import Edge, EdgeKind

__all__ = ["AWAY", "EVERY_FAILURE", "fits", "fitting", "injections"]

#: The store is not there: a server refuses connections and breaks off those there are, a file cannot be used.
AWAY = Failure("away", "is away", Effect.FAILS, lambda _: (Injection(REFUSED, {}, "downstream"),), counted=False)
_HANG = FAILURES["hang"]
#: What is asked of a store that hangs does not come to it: that it is done although nobody is told is another failure.
_SILENCE = (Injection("timeout", {"timeout": 0}, "upstream"),)

#: Kinds of failure of callees and of stores, by name, in the order they are tried and shown.
EVERY_FAILURE: Mapping[str, Failure] = {**FAILURES, AWAY.name: AWAY}


def fits(edge: Edge, failure: Failure) -> bool:
    """Whether an edge can be tried with a failure: what is said in HTTP says nothing to a store, and a file cannot hang."""
    if edge.kind is not EdgeKind.RESOURCE:
        return failure is not AWAY and failure.fits(edge)
    return failure is AWAY or (failure is _HANG and isinstance(whereabouts(edge.template), StoreServer))


def injections(edge: Edge, failure: Failure) -> tuple[Injection, ...]:
    """The toxics that make up a failure of a store."""
    return _SILENCE if failure is _HANG else failure.injections(edge)


def fitting(edges: Iterable[Edge], failures: Iterable[Failure]) -> list[tuple[Edge, Failure]]:
    """Every failure on every edge it makes sense on.

    Stores come first: services are started again for them, and that disturbs whatever is measured beside it least while
    other copies of the system are being started as well.
    """
    every = tuple(failures)
    found = [(e, f) for e in edges for f in every if fits(e, f)]
    return sorted(found, key=lambda pair: pair[0].kind is not EdgeKind.RESOURCE)
