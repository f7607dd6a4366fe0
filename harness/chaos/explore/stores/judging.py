"""Judges what was seen of a service whose store was away: what holds under any failure, and that its readiness tells so."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace

from harness.chaos.allowance import allowed_s
from harness.chaos.client import Call
from harness.chaos.experiments import Expect
from harness.chaos.explore.catalogue import Failure
from harness.chaos.explore.judging import Broken, Kind, judge, what_is_queued
from harness.chaos.explore.promises import Promise, promise
from harness.chaos.explore.stores.observation import StoreObservation
from harness.system.model import Edge, EdgeKind, OnFailure, System

__all__ = ["judge_store", "store_promise"]


def store_promise(system: System, entry: str, edge: Edge, failure: Failure) -> Promise:
    """What users are promised while a service's store is away.

    The service refuses, unless it can do without; what becomes of that above is promised by the edges on the way. Where
    only events come to it, they wait, and users notice nothing.
    """
    if not edge.contract.goes_on:
        edge = replace(edge, contract=replace(edge.contract, on_failure=OnFailure.REJECT))
    found = promise(system, entry, edge, failure)
    queues = [e for e in system.edges_to(edge.caller) if e.kind is EdgeKind.EVENTS]
    if found.expect is None and queues and all(e.contract.behind for e in queues):
        return replace(found, expect=Expect.FULL, waits_s=None, repeats=None)
    return replace(found, repeats=None)


def judge_store(seen: StoreObservation, promised: Promise, *, recovery_s: float, wait_s: float) -> list[Broken]:
    """Every promise that was broken; see `judge`."""
    return [
        *judge(seen, promised, recovery_s=recovery_s, wait_s=wait_s),
        *_silence(seen, wait_s),
        *_green(seen),
        *_start(seen),
        *_return(seen),
        *_untold(seen),
    ]


def _silence(seen: StoreObservation, wait_s: float) -> Iterator[Broken]:
    """Whoever asked the service gave up, or was cut off: without its store a service has to say so."""
    silent = [c for c in seen.given if c.upstream_status is None and _is_over(c, seen.lifted, wait_s)]
    if silent and not seen.died:  # no more is to be expected of one that has ended
        call = max(silent, key=lambda c: (c.ended or seen.lifted) - c.began)
        waited = (call.ended or seen.lifted) - call.began
        caller = seen.cell.edge.caller
        text = f"{caller} gave no answer to {call.method} {call.path} within {waited:.1f} s"
        detail = (
            f"{len(silent)} of {len(seen.given)} calls show this. What cannot be done is refused at once, with 503."
        )
        samples = tuple(s for s in seen.during if s.trace_id == call.trace_id)[:1]
        yield Broken(Kind.NO_ANSWER, text, detail, samples, caller)


def _is_over(call: Call, lifted: float, wait_s: float) -> bool:
    return call.ended is not None or lifted - call.began > allowed_s(wait_s)


def _green(seen: StoreObservation) -> Iterator[Broken]:
    edge = seen.cell.edge
    if seen.ready_during and not edge.contract.goes_on:
        failed = [s for s in seen.during if not s.ok]
        text = f"{edge.caller} said it was ready"
        detail = f"{len(failed)} of {len(seen.during)} of {seen.cell.journey} failed meanwhile. {_ADVICE}"
        yield Broken(Kind.READINESS, text, detail, tuple(failed), "green")


_ADVICE = (
    "Who is ready is sent requests: let readiness ask the store for something that is in it "
    "(SELECT 1 needs no table, and SQLite answers it without its file)."
)


def _start(seen: StoreObservation) -> Iterator[Broken]:
    edge, started = seen.cell.edge, seen.started
    if started is None:
        return
    meanwhile = f"{edge.caller}, started meanwhile,"
    if edge.contract.goes_on:
        if started.ready is False:
            text = f"{meanwhile} did not become ready, although it can do without {edge.callee}"
            yield Broken(Kind.READINESS, text, f"{edge.name} promises to {edge.contract.on_failure}.", key="start")
        return
    if started.ready:
        yield Broken(Kind.READINESS, f"{meanwhile} said it was ready", _ADVICE, key="start")
    if started.exit_code == 0:
        detail = "Who starts it takes that for a service that has done what it was to do; end with another code."
        yield Broken(Kind.DIED, f"{meanwhile} ended with exit code 0, as if all were well", detail, key="start")
    elif started.exit_code is not None and started.exit_code < 0:
        yield Broken(Kind.DIED, f"{meanwhile} was ended by {_signal(-started.exit_code)}", key="start")


def _return(seen: StoreObservation) -> Iterator[Broken]:
    """One that has ended is started again by whoever started it; one that lives and waits has to find the store."""
    edge = seen.cell.edge
    if seen.started is not None and seen.started.late:
        text = f"{edge.caller}, started meanwhile, did not become ready once {edge.callee} was back"
        yield Broken(Kind.READINESS, text, "Nobody starts a service again that lives and waits.", key="back")


def _untold(seen: StoreObservation) -> Iterator[Broken]:
    edge = seen.cell.edge
    for sender, lost in seen.untold.items():
        walked = sum(s.ok for s in (*seen.during, *seen.after))
        text = f"{len(lost)} of {walked} of {seen.cell.journey} never came to {edge.caller}, also not afterwards"
        yield Broken(Kind.DELIVERY, text, what_is_queued(f"{sender} -> {edge.caller}"), tuple(lost), sender)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
