"""What the HTML report shows, computed before it is written: reasons, cards, timeline, map, groups of findings, trend."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from harness.evidence import Finding, GateOutcome, RunResult, Severity, StageResult, Status
from harness.evidence.store import PastRun
from harness.pipeline.events import PlannedStage
from harness.report.edges import EdgeStory
from harness.report.layout import Box, Route, lay_out
from harness.report.text import by_severity, duration, first_line, line, severities_text
from harness.system.model import System

__all__ = [
    "Bar",
    "Card",
    "FindingView",
    "Gates",
    "Group",
    "Link",
    "MapView",
    "Reason",
    "Timeline",
    "Trend",
    "cards",
    "finding_groups",
    "gates_of",
    "moment",
    "reasons",
    "system_map",
    "timeline",
    "trend",
]

_TREND = 20
_REASONS_PER_STAGE = 3
#: The findings that explain a verdict.
_SEVERITIES = {
    Status.PASS: (),
    Status.WARN: (Severity.WARNING,),
    Status.FAIL: (Severity.ERROR,),
    Status.INCONCLUSIVE: (Severity.ERROR,),
    Status.SKIPPED: (),
}
_OPEN_GROUPS = 8


@dataclass(frozen=True, slots=True)
class Link:
    """A file the run left; `href` is empty when it may not be linked."""

    name: str
    href: str
    kind: str


@dataclass(frozen=True, slots=True)
class Reason:
    """One line under the verdict, and where on the page it leads."""

    status: Status
    label: str
    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Card:
    """One figure of the summary."""

    label: str
    value: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class FindingView:
    """A finding with its anchor; `new` when earlier runs are known and none had it."""

    anchor: str
    finding: Finding
    new: bool


@dataclass(slots=True)
class Group:
    """Findings of one rule."""

    rule: str
    stage: str
    severity: Severity
    members: list[FindingView] = field(default_factory=list)
    open: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A stage in the timeline; `left` and `width` in percent of the whole."""

    stage: StageResult
    title: str
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """Stages over time; `ticks` are (percent, label)."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A service on the map."""

    name: str
    box: Box
    state: str
    note: str
    entry: bool
    anchor: str


@dataclass(frozen=True, slots=True)
class MapEdge:
    """An edge on the map."""

    number: int
    story: EdgeStory
    route: Route
    found: tuple[FindingView, ...]


@dataclass(frozen=True, slots=True)
class MapView:
    """The system as a picture; sizes in pixels."""

    width: float
    height: float
    nodes: tuple[Node, ...]
    edges: tuple[MapEdge, ...]


@dataclass(frozen=True, slots=True)
class Trend:
    """Runs of the same profile, oldest first, this one last; heights in percent of the longest."""

    runs: tuple[tuple[PastRun, float], ...]


def moment(started: str) -> str:
    """An ISO time as people read it: `18 Nov 2026, 09:33 UTC`."""
    try:
        when = datetime.fromisoformat(started)
    except ValueError:
        return started
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    return f"{when.day} {when:%b %Y, %H:%M} UTC"


def finding_groups(result: RunResult, known: Collection[str] | None) -> list[Group]:
    """Findings by stage and rule, errors first; open while there are few of them."""
    groups: dict[tuple[str, str, Severity], Group] = {}
    number = 0
    for stage in result.stages:
        for finding in stage.findings:
            number += 1
            key = (stage.name, finding.rule, finding.severity)
            group = groups.setdefault(key, Group(finding.rule, stage.name, finding.severity))
            new = known is not None and finding.fingerprint not in known
            group.members.append(FindingView(f"finding-{number}", finding, new))
    ordered = sorted(groups.values(), key=lambda g: list(Severity).index(g.severity))
    few = sum(len(g.members) for g in ordered) <= 40
    for i, group in enumerate(ordered):
        group.open = (few or i < _OPEN_GROUPS) and len(group.members) <= 20
    return ordered


def reasons(result: RunResult) -> list[Reason]:
    """Why the verdict is what it is: errors by stage, gates that did not pass, stages without an answer."""
    bad = (Status.FAIL, Status.INCONCLUSIVE) if result.verdict is not Status.WARN else (Status.WARN,)
    found: list[Reason] = []
    for stage in result.stages:
        findings = [f for f in by_severity(stage.findings) if f.severity in _SEVERITIES[result.verdict]]
        if findings:
            found += [Reason(bad[0], stage.name, _in_short(f), "#findings") for f in findings[:_REASONS_PER_STAGE]]
            more = len(findings) - _REASONS_PER_STAGE
            if more > 0:
                found.append(Reason(bad[0], stage.name, f"and {more} more", "#findings"))
        elif stage.status in bad:
            found.append(Reason(stage.status, stage.name, first_line(stage.reason), f"#stage-{stage.name}"))
    told = {stage.name for stage in result.stages if stage.findings}
    gates = [g for g in gates_of(result).shown if g.status in bad and g.stage not in told]
    return found + [Reason(g.status, "gate", f"{g.gate}: {g.reason}", "#gates") for g in gates]


def _in_short(finding: Finding) -> str:
    place = finding.place
    where = place.edge or place.journey or place.service
    title = line(finding.title)
    return title if not where or where in title else f"{title} ({line(where)})"


#: With more gates than this, those that passed are folded away: a rule on a measure of many labels has one for each.
_GATES_SHOWN = 15


@dataclass(frozen=True, slots=True)
class Gates:
    """Gates, worst first, otherwise as declared.

    Args:
        folded: those that passed, where there are too many to be read.
    """

    shown: Sequence[GateOutcome]
    folded: Sequence[GateOutcome] = ()


def gates_of(result: RunResult) -> Gates:
    """The gates of a run."""
    order = (Status.FAIL, Status.INCONCLUSIVE, Status.WARN, Status.PASS, Status.SKIPPED)
    ordered = sorted(result.gates, key=lambda g: order.index(g.status))
    if len(ordered) <= _GATES_SHOWN:
        return Gates(ordered)
    return Gates([g for g in ordered if g.status is not Status.PASS], [g for g in ordered if g.status is Status.PASS])


def cards(result: RunResult, known: Collection[str] | None) -> list[Card]:
    """The figures of a run."""
    ran = [s for s in result.stages if s.status is not Status.SKIPPED]
    fine = sum(s.status in {Status.PASS, Status.WARN} for s in ran)
    findings = [f for s in result.stages for f in s.findings]
    errors = sum(f.severity is Severity.ERROR for f in findings)
    new = "" if known is None or not findings else f"{sum(f.fingerprint not in known for f in findings)} new"
    told = [
        Card("Stages passed", f"{fine} of {len(ran)}", _skipped(result), "" if fine == len(ran) else "fail"),
        Card(
            "Findings",
            str(len(findings)),
            ", ".join(t for t in (severities_text(findings), new) if t),
            "fail" if errors else "",
        ),
    ]
    if result.gates:
        held = sum(g.status in {Status.PASS, Status.WARN} for g in result.gates)
        told.append(
            Card("Gates passed", f"{held} of {len(result.gates)}", "", "" if held == len(result.gates) else "fail")
        )
    told.append(Card("Duration", duration(result.duration_s), f"{result.profile} profile"))
    told.append(Card("Seed", str(result.seed), "repeats this run"))
    if result.commit:
        told.append(Card("Commit", result.commit[:8], result.branch))
    return told


def _skipped(result: RunResult) -> str:
    skipped = sum(s.status is Status.SKIPPED for s in result.stages)
    return f"{skipped} skipped" if skipped else ""


def timeline(result: RunResult, plan: Sequence[PlannedStage]) -> Timeline:
    """When each stage ran."""
    titles = {p.name: p.title for p in plan}
    ran = [s for s in result.stages if s.started]
    zero = min((s.started for s in ran), default=0.0)
    end = max((s.started + s.duration_s for s in ran), default=0.0) - zero
    whole = end or 1.0
    bars = []
    for stage in result.stages:
        left = (stage.started - zero) / whole * 100 if stage.started else 0.0
        width = max(stage.duration_s / whole * 100, 0.4) if stage.started else 0.0
        bars.append(Bar(stage, titles.get(stage.name, ""), round(left, 3), round(min(width, 100 - left), 3)))
    step = _step(whole)
    ticks = tuple((round(i * step / whole * 100, 3), _tick(i * step)) for i in range(math.floor(whole / step) + 1))
    return Timeline(tuple(bars), ticks)


def _step(whole: float) -> float:
    """A round number of seconds that divides the whole into four to eight parts."""
    for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600):
        if whole / step <= 8:
            return float(step)
    return whole / 6


def _tick(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def system_map(system: System, stories: Sequence[EdgeStory], result: RunResult, groups: Sequence[Group]) -> MapView:
    """The services, callers left, and what happened on each edge."""
    views = {id(v.finding): v for g in groups for v in g.members}
    pairs = [(s.edge.caller, s.edge.callee) for s in stories]
    laid = lay_out(tuple(system.services), pairs)
    by_service: dict[str, list[Finding]] = {}
    for stage in result.stages:
        for finding in stage.findings:
            by_service.setdefault(finding.place.service, []).append(finding)
    nodes = tuple(_node(n, box, by_service.get(n, []), system) for n, box in laid.boxes.items())
    edges = tuple(
        MapEdge(i, s, laid.routes[s.edge.caller, s.edge.callee], tuple(views[id(f)] for f in s.findings))
        for i, s in enumerate(stories, 1)
        if (s.edge.caller, s.edge.callee) in laid.routes
    )
    return MapView(laid.width, laid.height, nodes, edges)


def _node(name: str, box: Box, findings: list[Finding], system: System) -> Node:
    severities = {f.severity for f in findings}
    state = next((s.value for s in (Severity.ERROR, Severity.WARNING) if s in severities), "")
    uses = ", ".join(e.callee for e in system.edges_from(name) if e.callee in system.resources)
    note = severities_text(findings) or uses
    return Node(name, box, state, note, name == system.entry, "#findings" if findings else "#stages")


def trend(result: RunResult, history: Sequence[PastRun]) -> Trend:
    """Earlier runs of this profile, and this one."""
    this = PastRun(
        run_id=result.run_id,
        system=result.system,
        profile=result.profile,
        environment=result.environment,
        commit=result.commit,
        branch=result.branch,
        started=result.started,
        duration_s=result.duration_s,
        verdict=result.verdict,
        exit_code=result.exit_code,
        seed=result.seed,
        errors=_found(result, Severity.ERROR),
        warnings=_found(result, Severity.WARNING),
    )
    earlier = [
        r for r in history if r.profile == this.profile and r.run_id != this.run_id and r.started <= this.started
    ]
    runs = [*reversed(earlier[: _TREND - 1]), this]
    longest = max((r.duration_s for r in runs), default=0.0) or 1.0
    return Trend(tuple((r, round(max(r.duration_s / longest * 100, 3), 1)) for r in runs))


def _found(result: RunResult, severity: Severity) -> int:
    return sum(f.severity is severity for s in result.stages for f in s.findings)
