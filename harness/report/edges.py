"""What happened on each edge and in each service of the system, gathered from measures and findings by their labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.evidence import Finding, Measure, RunResult, Severity
from harness.report.text import count, duration, severities_text, value_text
from harness.system.model import Edge, System

__all__ = ["EdgeState", "EdgeStory", "edge_stories"]

_CONTRACT_STAGES = ("provider", "consumer")
_FAULT_STAGES = ("chaos",)


class EdgeState(StrEnum):
    """How an edge is drawn."""

    ERROR = "error"
    WARNING = "warning"
    HELD = "held"
    PARTLY = "partly"
    UNSEEN = "unseen"


@dataclass(slots=True)
class EdgeStory:
    """One edge and what the stages saw of it.

    Args:
        contracts: interactions and messages verified.
        faults: experiments run.
        stages: stage -> how many measures and findings it has on the edge.
    """

    edge: Edge
    contracts: int = 0
    faults: int = 0
    stages: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)

    @property
    def state(self) -> EdgeState:
        """Findings first; then how much was looked at."""
        severities = {f.severity for f in self.findings}
        if Severity.ERROR in severities:
            return EdgeState.ERROR
        if Severity.WARNING in severities:
            return EdgeState.WARNING
        if self.contracts and self.faults:
            return EdgeState.HELD
        return EdgeState.PARTLY if self.stages else EdgeState.UNSEEN

    @property
    def promise(self) -> str:
        """The resilience contract in words."""
        contract = self.edge.contract
        parts = [
            f"at most {duration(contract.budget_s)}" if contract.budget_s else "",
            count(contract.attempts, "attempt") if contract.attempts else "",
            f"then {contract.on_failure}" if contract.on_failure else "",
        ]
        return ", ".join(p for p in parts if p)

    @property
    def badge(self) -> str:
        """A few characters for the map: contracts and faults."""
        parts = [f"C{self.contracts}" if self.contracts else "", f"F{self.faults}" if self.faults else ""]
        return " ".join(p for p in parts if p)

    @property
    def summary(self) -> str:
        """The whole story in a few lines, for a tooltip."""
        lines = [self.edge.name]
        if self.contracts:
            lines.append(f"{count(self.contracts, 'interaction')} verified against contracts")
        if self.faults:
            lines.append(f"{count(self.faults, 'fault')} injected")
        lines.append(
            severities_text(self.findings)
            if self.findings
            else "nothing found"
            if self.stages
            else "no contract verified, no fault injected"
        )
        lines += [f"{m.name} {value_text(m)}" for m in self.measures[:6]]
        return "\n".join(lines)


def edge_stories(system: System, result: RunResult) -> list[EdgeStory]:
    """One story per edge between services, as declared."""
    stories = {e.name: EdgeStory(e) for e in system.service_edges()}
    keys = {**{e.name: e.name for e in system.edges}, **{e.key: e.name for e in system.edges}}
    faults: dict[str, set[str]] = {}
    verified: dict[str, dict[str, int]] = {}
    for stage in result.stages:
        for name, seen in _seen(stage.measures, stage.findings, keys):
            story = stories.get(name)
            if story is None:
                continue
            story.stages[stage.name] = story.stages.get(stage.name, 0) + 1
            if isinstance(seen, Finding):
                story.findings.append(seen)
                experiment = seen.place.experiment
            else:
                story.measures.append(seen)
                # An exploration's faults have no experiment; its findings have the fault's name in its place.
                experiment = seen.labels.get("experiment") or seen.labels.get("fault", "")
            if stage.name in _FAULT_STAGES:
                faults.setdefault(name, set()).add(experiment)
            if stage.name in _CONTRACT_STAGES:
                counted = verified.setdefault(name, {})
                more = int(seen.value) if isinstance(seen, Measure) and seen.unit == "count" else 0
                counted[stage.name] = counted.get(stage.name, 0) + more
    for name, story in stories.items():
        told = verified.get(name, {})
        story.contracts = next((told[s] for s in _CONTRACT_STAGES if s in told), 0)
        story.faults = len(faults.get(name, ()))
    return list(stories.values())


def _seen(
    measures: tuple[Measure, ...], findings: tuple[Finding, ...], keys: Mapping[str, str]
) -> Iterator[tuple[str, Measure | Finding]]:
    for measure in measures:
        labels = measure.labels
        key = labels.get("edge") or f"{labels.get('consumer', '')}:{labels.get('provider', '')}"
        if key in keys:
            yield keys[key], measure
    for finding in findings:
        place = finding.place
        key = place.edge or (f"{place.consumer}:{place.service}" if place.consumer else "")
        if key in keys:
            yield keys[key], finding
