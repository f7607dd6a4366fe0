"""Observations made by hand, for what judges and tells them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.chaos.client import Call
from harness.chaos.explore.catalogue import FAILURES
from harness.chaos.explore.observation import Baseline, Cell, Observation
from harness.chaos.explore.windows import Window
from harness.system.drive import Sample
from harness.system.journeys import Step
from harness.system.model import BreakerPromise, Edge, OnFailure, ResilienceContract

TRACE = "a" * 32
#: When everything begins, in seconds since the epoch.
T0 = 1000.0


def edge(
    budget_s: float | None = 0.5,
    attempts: int | None = 2,
    on_failure: OnFailure | None = OnFailure.REJECT,
    *,
    between: str = "shop:bank",
    breaker: BreakerPromise | None = None,
) -> Edge:
    caller, _, callee = between.partition(":")
    return Edge(caller, callee, "URL", contract=ResilienceContract(budget_s, attempts, on_failure, breaker))


def step(
    status: int = 503, took_s: float = 0.1, *, at: float = T0, error: str = "", name: str = "POST /orders"
) -> Step:
    return Step(
        name=name,
        method="POST",
        url="http://shop/orders",
        status=status,
        duration_ms=took_s * 1000,
        at=at,
        error=error or ("" if 200 <= status < 300 else f"answered {status}"),
    )


def sample(*steps: Step, ok: bool | None = None, journey: str = "buy", error: str = "", trace: str = TRACE) -> Sample:
    good = all(200 <= s.status < 300 for s in steps) if ok is None else ok
    took = sum(s.duration_ms for s in steps)
    return Sample(
        journey=journey, intended=T0, started=T0, duration_ms=took, ok=good, error=error, trace_id=trace, steps=steps
    )


def call(began: float = T0, took_s: float | None = 0.05, **more: Any) -> Call:
    usual: dict[str, Any] = {
        "number": 1,
        "id": 1,
        "proxy": "shop:bank",
        "connection": 0,
        "method": "POST",
        "path": "/charges",
        "trace_id": TRACE,
        "parent_id": "",
        "idempotency_key": "k",
        "began": began,
        "forwarded": True,
        "status": 503,
        "upstream_status": 503,
        "ended": None if took_s is None else began + took_s,
        "ending": "answered",
    }
    return Call(**(usual | more))


def window(*calls: Call, took_s: float = 0.2, began: float = T0, **more: Any) -> Window:
    made = Window(TRACE, "POST /orders", "POST", "/orders", 503, began, began + took_s, calls)
    return replace(made, **more)


def scene(on: Edge | None = None, failure: str = "error-503", **seen: Any) -> Observation:
    """A cell in which every promise was kept, but for what is given."""
    on = on or edge()
    cell = Cell(on, FAILURES[failure], "buy", on.caller, "look")
    base = Baseline("buy", on.caller, 1, {"POST /orders": 0.02}, {on.key: 1})
    beside = Baseline("look", on.caller, 1, {"GET /": 0.02}, {})
    made = Observation(
        cell,
        base,
        during=[sample(step())],
        after=[sample(step(201))],
        sibling_baseline=beside,
        windows=[window(call())],
        calls=[call()],
        injected=T0,
        lifted=T0 + 5,
        ready_during=True,
        ready_after=True,
        recovery_s=0.1,
        hit=True,
    )
    for name, value in seen.items():
        setattr(made, name, value)
    return made
