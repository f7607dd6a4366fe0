"""A made-up run of the record shop, complete enough to judge every report by; nothing here is measured."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

from harness.evidence import (
    Artifact,
    Exchange,
    Finding,
    GateOutcome,
    Measure,
    Place,
    RunResult,
    Severity,
    StageResult,
    Status,
    worst,
)
from harness.evidence.grid import GRID_MEDIA_TYPE, Grid, GridCell, GridState, write_grid
from harness.evidence.series import CHART_MEDIA_TYPE, Chart, Series, Window, write_chart
from harness.pipeline.events import PlannedStage
from harness.system.model import Edge, EdgeKind, OnFailure, ResilienceContract, Resource, Service, System

STARTED = 1_795_000_000.0
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "</script><script>alert(3)</script>",
    "a\u2028b\u2029c",
    "nul\x00bell\x07esc\x1b[31mred\x1b[0m",
    "lone \ud800 surrogate",
    "[bold red]markup[/] {{ 7*7 }} {% raw %}",
    "| pipe ` tick ``` fence\n# heading @someone",
    "javascript:alert(4)",
    "\u202etxt.exe",
    "]]> &amp; <!-- -->",
)


def fake_system() -> System:
    names = ("gateway", "catalog", "inventory", "payments", "psp", "orders", "notifications")
    rules = (
        ("gateway", "catalog", 0.8, 2, OnFailure.DEGRADE, EdgeKind.HTTP),
        ("gateway", "inventory", 0.5, 1, OnFailure.DEGRADE, EdgeKind.HTTP),
        ("gateway", "orders", 3.0, 1, OnFailure.REJECT, EdgeKind.HTTP),
        ("orders", "catalog", 0.8, 2, OnFailure.REJECT, EdgeKind.HTTP),
        ("orders", "inventory", 0.8, 2, OnFailure.REJECT, EdgeKind.HTTP),
        ("orders", "payments", 1.5, 2, OnFailure.REJECT, EdgeKind.HTTP),
        ("orders", "notifications", 1.0, None, OnFailure.QUEUE, EdgeKind.EVENTS),
        ("payments", "psp", 0.8, 2, OnFailure.REJECT, EdgeKind.HTTP),
        ("payments", "notifications", 1.0, None, OnFailure.QUEUE, EdgeKind.EVENTS),
    )
    edges = [Edge(a, b, f"{b.upper()}_URL", k, "", ResilienceContract(t, n, f)) for a, b, t, n, f, k in rules]
    edges += [Edge(n, "database", "DATABASE_URL", EdgeKind.RESOURCE) for n in names if n not in {"gateway", "psp"}]
    return System(
        name="record-shop",
        services={n: Service(n, command=("python", "-m", f"shop.{n}")) for n in names},
        edges=tuple(edges),
        resources={"database": Resource("database", "postgres")},
        entry="gateway",
    )


def fake_plan() -> tuple[PlannedStage, ...]:
    return (
        PlannedStage("schema", "API documents against their baselines"),
        PlannedStage("consumer", "Consumers' expectations, written down as pacts"),
        PlannedStage("provider", "Providers keep what consumers expect", after=("consumer",), requires=("consumer",)),
        PlannedStage("fuzz", "Odd and broken input on every operation", after=("schema",)),
        PlannedStage("smoke", "Every journey once, through the whole system"),
        PlannedStage("load", "Journeys at a constant arrival rate", after=("smoke",), exclusive=True),
        PlannedStage("chaos", "Faults on every edge", after=("smoke",), exclusive=True),
        PlannedStage("synthetic", "Journeys as tagged synthetic traffic", after=("smoke",), exclusive=True),
    )


def _findings() -> dict[str, list[Finding]]:
    curl = "curl -sS -X POST http://127.0.0.1:8006/orders -H 'X-Customer: alice' -H 'Content-Type: application/json'"
    fuzz_exchange = Exchange(
        "POST /orders HTTP/1.1\nX-Customer: alice\nIdempotency-Key: 0\nContent-Type: application/json\n\n"
        '{"lines": [{"record_id": "rec-1", "quantity": -1}], "card_token": "tok_visa"}',
        "HTTP/1.1 500 Internal Server Error\ncontent-type: application/problem+json\n\n"
        '{"type": "about:blank", "title": "Internal Server Error", "status": 500}',
        "a 4xx answer: quantity is below the minimum of 1",
    )
    return {
        "schema": [
            Finding(
                rule="schema.response_field_removed",
                severity=Severity.ERROR,
                title="catalog no longer sends `artist` in the answer to GET /records/{record_id}",
                detail="The baseline requires it, and consumers may read it.\nRemoved from response 200, application/json.",
                place=Place(service="catalog", operation="GET /records/{record_id}", pointer="/properties/artist"),
                reproduce="harness run schema --service catalog",
            ),
            Finding(
                rule="schema.enum_value_added",
                severity=Severity.WARNING,
                title="catalog may now answer `format` = cassette, which consumers have not seen",
                place=Place(service="catalog", operation="GET /records", pointer="/properties/format/enum"),
            ),
        ],
        "provider": [
            Finding(
                rule="provider.mismatch",
                severity=Severity.ERROR,
                title="catalog does not answer gateway's “a request for a record” as agreed",
                detail="$.artist: expected a string, found nothing",
                place=Place(service="catalog", edge="gateway -> catalog", consumer="gateway"),
                exchange=Exchange(
                    "GET /records/rec-1 HTTP/1.1",
                    'HTTP/1.1 200 OK\n\n{"id": "rec-1", "title": "Blue Train"}',
                    '{"id": "rec-1", "title": "Blue Train", "artist": "John Coltrane"}',
                ),
                reproduce="harness run provider --edge gateway:catalog",
                key="a request for a record",
            )
        ],
        "fuzz": [
            Finding(
                rule="fuzz.not_a_server_error",
                severity=Severity.ERROR,
                title="orders answered 500 to POST /orders with quantity -1",
                detail="Every answer below 500 would have been accepted. Replayed three times, three times 500.",
                place=Place(service="orders", operation="POST /orders"),
                exchange=fuzz_exchange,
                reproduce=f'{curl} -d \'{{"lines": [{{"record_id": "rec-1", "quantity": -1}}]}}\'',
                trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
            ),
            Finding(
                rule="fuzz.response_schema_conformance",
                severity=Severity.ERROR,
                title="inventory answered GET /stock/{record_id} with a body its document does not allow",
                detail="`available` is -3, the document says minimum 0",
                place=Place(service="inventory", operation="GET /stock/{record_id}", pointer="/available"),
                exchange=Exchange("GET /stock/rec-5 HTTP/1.1", 'HTTP/1.1 200 OK\n\n{"available": -3}'),
                reproduce="st run http://127.0.0.1:8003/openapi.json --include-path /stock/{record_id} --seed 42",
            ),
            Finding(
                rule="fuzz.unsupported_method",
                severity=Severity.WARNING,
                title="psp answered 404 instead of 405 to PATCH /v1/authorizations",
                place=Place(service="psp", operation="PATCH /v1/authorizations"),
            ),
        ],
        "load": [
            Finding(
                rule="load.slow_journey",
                severity=Severity.WARNING,
                title="place_order became slower while the run went on: p99 310 ms in the first third, 612 ms in the last",
                place=Place(journey="place_order"),
                reproduce="locust -f load/locustfile.py --headless -u 20 -t 30s",
            )
        ],
        "chaos": [
            Finding(
                rule="chaos.budget_exceeded",
                severity=Severity.ERROR,
                title="orders waited 5.0 s for payments, its budget is 1.5 s",
                detail="With 2 s of latency on the edge, 38 of 40 orders were answered after more than the budget.",
                place=Place(
                    service="orders", edge="orders -> payments", experiment="payments-slow", journey="place_order"
                ),
                exchange=Exchange(
                    "POST /orders HTTP/1.1\nAuthorization: [redacted]", "", "an answer within 1.5 s (503 is fine)"
                ),
                reproduce="harness run chaos --edge orders:payments --experiment payments-slow --seed 42",
                trace_id="00f067aa0ba902b7a3ce929d0e0e4736",
            ),
            Finding(
                rule="chaos.no_recovery",
                severity=Severity.ERROR,
                title="gateway did not recover within 10 s after catalog was reachable again",
                place=Place(service="gateway", edge="gateway -> catalog", experiment="catalog-refused"),
                reproduce="harness run chaos --experiment catalog-refused",
            ),
            Finding(
                rule="chaos.recovery_slow",
                severity=Severity.WARNING,
                title="payments took 6.2 s to use psp again after a reset",
                place=Place(service="payments", edge="payments -> psp", experiment="psp-reset"),
            ),
        ],
        "synthetic": [
            Finding(
                rule="synthetic.budget_burn",
                severity=Severity.WARNING,
                title="browse used 41 % of its error budget within the hour",
                place=Place(journey="browse"),
            ),
            Finding(
                rule="synthetic.untagged",
                severity=Severity.INFO,
                title="notifications counted 2 synthetic messages as business messages",
                place=Place(service="notifications"),
            ),
        ],
    }


_SPANS = {
    "schema": (0.4, 2.3),
    "consumer": (0.4, 9.8),
    "provider": (10.3, 14.6),
    "fuzz": (2.8, 31.5),
    "smoke": (34.4, 3.1),
    "load": (37.6, 24.2),
    "chaos": (61.9, 27.4),
    "synthetic": (89.5, 12.2),
}
_WORK = {
    "schema": {"documents": 9, "operations": 31, "messages": 4},
    "consumer": {"tests": 41, "interactions": 31, "messages": 4},
    "provider": {"interactions": 31, "messages": 4, "providers": 6},
    "fuzz": {"cases": 5213, "operations": 31, "services": 7},
    "smoke": {"journeys": 5, "steps": 21},
    "load": {"requests": 4812, "journeys": 3},
    "chaos": {"experiments": 12, "faults": 12, "requests": 960},
    "synthetic": {"checks": 60},
}


def _measures(system: System, slow: bool) -> dict[str, list[Measure]]:
    p99 = 612.0 if slow else 214.0
    journeys = (("browse", 38.0, 12.1), ("place_order", p99, 96.4), ("look_at_order", 71.2, 20.9))
    load = [Measure("load.achieved_rate", 49.8, "1/s"), Measure("load.error_rate", 0.0004, "ratio")]
    for journey, high, mid in journeys:
        labels = {"journey": journey}
        load += [
            Measure("load.latency.p50", mid, "ms", labels),
            Measure("load.latency.p95", high * 0.6, "ms", labels),
            Measure("load.latency.p99", high, "ms", labels),
            Measure("load.error_rate", 0.0, "ratio", labels),
        ]
    edges = system.service_edges()
    provider = [
        Measure("provider.interactions", 3 + i, "count", {"consumer": e.caller, "provider": e.callee})
        for i, e in enumerate(edges[:-1])
    ]
    chaos = [
        Measure("chaos.recovery", 0.4 + i * 0.3, "s", {"edge": e.name, "experiment": f"x{i}"})
        for i, e in enumerate(edges[:-1])
    ]
    return {
        "fuzz": [Measure("fuzz.cases", 5213, "count"), Measure("fuzz.rate", 165.2, "1/s")],
        "smoke": [Measure("smoke.duration", 812.0, "ms", {"journey": j}) for j, _, _ in journeys],
        "load": load,
        "provider": provider,
        "chaos": chaos,
        "synthetic": [
            Measure("synthetic.availability", 0.9994, "ratio"),
            Measure("synthetic.budget_left", 0.59, "ratio"),
        ],
    }


def _wave(
    rng: random.Random, start: float, seconds: int, base: float, bumps: tuple[tuple[float, float, float], ...]
) -> Series:
    points = []
    for i in range(seconds * 2):
        at = start + i / 2
        bump = sum(h for a, b, h in bumps if a <= at - start <= b)
        points.append((at, base * (1 + 0.15 * math.sin(i / 5)) + rng.random() * base * 0.2 + bump))
    return Series("", tuple(points))


def write_artifacts(run_directory: Path) -> dict[str, list[Artifact]]:
    rng = random.Random(7)
    artifacts: dict[str, list[Artifact]] = {}
    for stage, title, windows in (
        ("load", "Latency under load, per journey (p99)", ((0.0, 3.0, "warm-up", "warmup"),)),
        (
            "chaos",
            "place_order while faults are injected (p99)",
            (
                (4.0, 9.0, "latency 2 s · orders → payments", "fault"),
                (15.0, 19.0, "refused · gateway → catalog", "fault"),
            ),
        ),
    ):
        start, length = STARTED + _SPANS[stage][0], int(_SPANS[stage][1])
        bumps = tuple((a, b, 400.0 if stage == "chaos" else 60.0) for a, b, _, _ in windows)
        lines = [
            replace(_wave(rng, start, length, base, bumps if i == 0 else ()), name=name)
            for i, (name, base) in enumerate((("place_order", 90.0), ("browse", 25.0), ("look_at_order", 40.0)))
        ]
        chart = Chart(
            title, "ms", tuple(lines), tuple(Window(start + a, start + b, label, kind) for a, b, label, kind in windows)
        )
        write_chart(run_directory / stage / "latency.json", chart)
        (run_directory / stage / "output.log").write_text(f"{stage}: log\n")
        artifacts[stage] = [
            Artifact("Latency", f"{stage}/latency.json", CHART_MEDIA_TYPE),
            Artifact("output.log", f"{stage}/output.log"),
        ]
    return artifacts


def fake_result(
    run_directory: Path | None = None,
    *,
    passing: bool = False,
    hostile: bool = False,
    run_id: str = "20261118-093312-7f3a",
) -> RunResult:
    """A run of all eight stages; artifacts are written when a directory is given."""
    system, plan = fake_system(), fake_plan()
    found = {} if passing else _findings()
    if hostile:
        for stage, findings in found.items():
            found[stage] = [_poisoned(f, HOSTILE[i % len(HOSTILE)]) for i, f in enumerate(findings)]
        found["fuzz"] += [_poisoned(found["fuzz"][0], text) for text in HOSTILE]
    measures, artifacts = _measures(system, not passing), write_artifacts(run_directory) if run_directory else {}
    stages = []
    for planned in plan:
        begin, length = _SPANS[planned.name]
        result = StageResult.conclude(
            planned.name,
            work=_WORK[planned.name],
            measures=measures.get(planned.name, ()),
            findings=found.get(planned.name, ()),
            artifacts=artifacts.get(planned.name, ()),
        )
        stages.append(replace(result, started=STARTED + begin, duration_s=length))
    slowest = next(m for m in measures["load"] if m.matches("load.latency.p99", {"journey": "place_order"}))
    gates = (
        GateOutcome(
            gate="load.latency.p99 journey=place_order",
            stage="load",
            status=Status.PASS if passing else Status.FAIL,
            reason="214 ms is within 400 ms" if passing else "612 ms is over the limit of 400 ms",
            measure=slowest,
            limit="max 400ms, warn 300ms",
        ),
        GateOutcome(
            gate="load.error_rate",
            stage="load",
            status=Status.PASS,
            reason="0.04 % is within 1 %",
            measure=measures["load"][1],
            limit="max 1%",
        ),
        GateOutcome(
            gate="fuzz.* findings",
            stage="fuzz",
            status=Status.PASS if passing else Status.WARN,
            reason="no findings" if passing else "3 findings, 2 known",
            limit="max 5, warn 0",
        ),
    )
    verdict = worst((*(s.status for s in stages), *(g.status for g in gates)))
    return RunResult(
        run_id=run_id,
        system=system.name,
        profile="quick",
        seed=42,
        verdict=verdict,
        reason="",
        exit_code=0 if passing else 1,
        started="2026-11-18T09:33:12Z",
        duration_s=102.4,
        stages=tuple(stages),
        gates=gates,
        commit="7ec839b2f0d1c4e5a6b7",
        branch="main",
        environment="laptop",
        command="harness run --profile quick --seed 42",
        resources={"cpu_s": 3.1, "children_cpu_s": 141.0, "peak_mb": 96.0},
    )


FAILURES = (
    "refused", "reset-before", "reset-after", "hang", "slow", "too-slow", "error-500", "error-503", "throttled",
    "malformed", "truncated", "wrong-type", "fails-first",
)  # fmt: skip
#: State, text and detail of what did not hold, by edge and failure.
_AMISS = {
    ("orders -> payments", "hang"): (GridState.BROKEN, "waited 2.1 s", "the budget is 1.5 s"),
    ("orders -> payments", "fails-first"): (GridState.BROKEN, "6 attempts", "2 were promised"),
    ("gateway -> catalog", "malformed"): (GridState.BROKEN, "answered 500", "degrade was promised"),
    ("payments -> psp", "reset-after"): (GridState.DOUBTFUL, "", "seen once in two tries"),
    ("orders -> notifications", "hang"): (GridState.NOT_TRIED, "", "no call met the failure"),
}


def fake_grid() -> Grid:
    """Every failure on every edge between services; three broken, one doubtful, one not tried, two without a cell."""
    edges = tuple(e.name for e in fake_system().service_edges())
    cells = []
    for edge in edges:
        for failure in FAILURES:
            state, text, detail = _AMISS.get((edge, failure), (GridState.HELD, "", "8 of 8 went well"))
            again = f"harness run chaos --edge {edge.replace(' -> ', ':')} --fault {failure} --seed 42"
            if (edge, failure) not in {(edges[-1], "slow"), (edges[-1], "too-slow")}:
                cells.append(GridCell(row=edge, column=failure, state=state, text=text, detail=detail, reproduce=again))
    return Grid(title="Promises under failure", rows=edges, columns=FAILURES, cells=tuple(cells))


def all_held(grid: Grid) -> Grid:
    """The same grid of a better system."""
    return replace(grid, cells=tuple(replace(c, state=GridState.HELD, text="") for c in grid.cells))


def grid_of_size(rows: int, columns: int, broken: int = 0) -> Grid:
    """A grid of numbered rows and columns, the first `broken` rows broken in their first column."""
    names = tuple(f"caller-{r} -> callee-{r}" for r in range(rows)), tuple(f"failure-{c}" for c in range(columns))
    cells = tuple(
        GridCell(row=row, column=column, state=GridState.BROKEN if r < broken and c == 0 else GridState.HELD)
        for r, row in enumerate(names[0])
        for c, column in enumerate(names[1])
    )
    return Grid(title="Promises under failure", rows=names[0], columns=names[1], cells=cells)


def hostile_grid() -> Grid:
    """A grid whose every text is hostile."""
    cells = tuple(
        GridCell(row=text, column=text, state=GridState.BROKEN, text=text, detail=text, reproduce=text)
        for text in HOSTILE
    )
    return Grid(title=HOSTILE[0], rows=HOSTILE, columns=HOSTILE, cells=cells)


def with_grid(result: RunResult, run_directory: Path, grid: Grid) -> RunResult:
    """The run with a grid among the files of its chaos stage, and a finding for every broken cell."""
    write_grid(run_directory / "chaos" / "promises.json", grid)
    artifact = Artifact("promises under failure", "chaos/promises.json", GRID_MEDIA_TYPE)
    found = tuple(
        Finding(
            rule="chaos.promise.budget",
            severity=Severity.ERROR,
            title=f"While {c.row.rpartition(' ')[2]} failed ({c.column}), its caller {c.text}",
            detail=c.detail,
            place=Place(edge=c.row, experiment=c.column),
            reproduce=c.reproduce,
        )
        for c in grid.cells
        if c.state is GridState.BROKEN
    )
    stages = tuple(
        replace(s, artifacts=(*s.artifacts, artifact), findings=(*s.findings, *found)) if s.name == "chaos" else s
        for s in result.stages
    )
    return replace(result, stages=stages)


def _poisoned(finding: Finding, text: str) -> Finding:
    return replace(
        finding,
        title=f"{finding.title} {text}",
        detail=text,
        place=replace(finding.place, operation=f"GET /{text}", file=text, line=3),
        exchange=Exchange(text, text, text),
        reproduce=f"curl {text}",
        trace_id=text,
        key=text,
    )
