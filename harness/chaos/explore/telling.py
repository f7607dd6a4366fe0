"""Findings, measures and the grid of an exploration: what was seen, in words people can act on; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from harness.chaos.explore.explorer import Explored, Result
from harness.chaos.explore.judging import Broken
from harness.chaos.explore.observation import Cell, Observation
from harness.chaos.explore.stores.catalogue import EVERY_FAILURE
from harness.chaos.explore.stores.telling import not_asked
from harness.chaos.tell import exchange_of, listed, why_doubtful
from harness.evidence import Finding, Measure, Place, Redactor, Severity
from harness.evidence.grid import Grid, GridCell, GridState
from harness.system.drive import Sample
from harness.system.model import Edge, EdgeKind

__all__ = ["Telling"]


#: From so many failures on that show the same of an edge they are told together.
_MANY = 3


class Telling:
    """Turns results into evidence.

    Args:
        again: the command that tries one cell again, by `edge` and `fault`.
    """

    def __init__(self, redactor: Redactor, again: Callable[..., str]) -> None:
        self._redactor, self._again = redactor, again

    def findings(self, explored: Explored) -> Iterator[Finding]:
        """Everything an exploration has to say."""
        yield from self._promises((*explored.results, *explored.lookouts))
        missed = [r for r in explored.results if not r.seen.hit]
        for key in dict.fromkeys(r.seen.cell.edge.key for r in missed):
            yield self._no_traffic([r for r in missed if r.seen.cell.edge.key == key])
        for result in explored.results:
            if _hidden(result.seen):
                yield self._hidden_breaker(result)
        for sample in explored.failing.values():
            yield self._failing(sample)
        if explored.untraced:
            yield self._untraced(explored.untraced)
        for edge in explored.unused:
            yield self._unused(edge)
        for service, problem in explored.unread.items():
            yield self._unread(service, problem)

    def _promises(self, results: Iterable[Result]) -> Iterator[Finding]:
        """What was broken under one failure after the other on an edge is one thing that is wrong, and told once."""
        causes: dict[tuple[str, str, str, Severity], list[tuple[Result, Broken]]] = {}
        for result in results:
            told = [(b, Severity.ERROR) for b in result.broken]
            told += [(b, Severity.INFO if b.timing else Severity.WARNING) for b in result.doubtful]
            for broken, severity in told:
                cause = (result.seen.cell.edge.key, broken.kind, broken.key, severity)
                causes.setdefault(cause, []).append((result, broken))
        for (*_, severity), shown in causes.items():
            if len(shown) >= _MANY:
                yield self._folded(shown, severity)
            else:
                yield from (self._finding(result, broken, severity) for result, broken in shown)

    def _folded(self, shown: Sequence[tuple[Result, Broken]], severity: Severity) -> Finding:
        first = self._finding(*shown[0], severity)
        under = "\n".join(f"{r.seen.cell.failure.name}: {b.text}" for r, b in shown)
        return replace(
            first,
            title=f"{first.title} (and so under {len(shown) - 1} other failures of {first.place.edge})",
            detail=f"Under each of these failures, so it is likely one thing that is wrong:\n{under}\n{first.detail}",
            place=replace(first.place, experiment=""),
        )

    def _finding(self, result: Result, broken: Broken, severity: Severity) -> Finding:
        cell = result.seen.cell
        once = "" if severity is Severity.ERROR else f"{why_doubtful(excused=broken.excused)}\n"
        detail = f"{once}{broken.detail}\n{listed(broken.samples)}" if broken.samples else f"{once}{broken.detail}"
        return Finding(
            rule=f"chaos.promise.{broken.kind}",
            severity=severity,
            title=self._redactor.text(f"While {cell.edge.callee} {cell.failure.words}, {broken.text}"),
            detail=self._redactor.text(detail).strip(),
            place=self._place(result),
            exchange=exchange_of(broken.samples, self._redactor),
            reproduce=self._again(**_asked(cell)),
            trace_id=broken.samples[0].trace_id if broken.samples else "",
            key=f"{broken.kind}:{broken.key}",
        )

    def _no_traffic(self, results: Sequence[Result]) -> Finding:
        """One finding for an edge: when nobody comes there, a cache for instance, that is so under most failures."""
        cell = results[0].seen.cell
        if cell.edge.kind is EdgeKind.RESOURCE:
            return not_asked(cell, results[0].seen.notes, self._again(edge=cell.edge.key, fault=cell.failure.name))
        alone = len(results) == 1
        words = (
            f"{cell.edge.callee} {cell.failure.words}"
            if alone
            else ", ".join(r.seen.cell.failure.name for r in results)
        )
        return Finding(
            rule="chaos.no_traffic",
            severity=Severity.WARNING,
            title=f"No call of {cell.journey} met the failure{'' if alone else 's'} of {cell.edge.name}: {words}",
            detail=f"{cell.journey} uses this edge when all is well. A failure that touches nobody proves nothing: does "
            f"{cell.edge.caller} remember answers, or was its circuit breaker still open?",
            place=Place(edge=cell.edge.name, journey=cell.journey, experiment=cell.failure.name if alone else ""),
            reproduce=self._again(edge=cell.edge.key, fault=cell.failure.name),
        )

    def _hidden_breaker(self, result: Result) -> Finding:
        cell = result.seen.cell
        return Finding(
            rule="chaos.breaker_hidden",
            severity=Severity.WARNING,
            title=f"Nothing is known of the circuit breaker of {cell.edge.name}: one above {cell.edge.caller} opened first",
            detail=f"After {len(result.seen.calls)} failed calls nobody asked {cell.edge.caller} any more. A breaker above "
            "should take more failures to open than the one next to the failure.",
            place=self._place(result),
            reproduce=self._again(edge=cell.edge.key, fault=cell.failure.name),
        )

    def _failing(self, sample: Sample) -> Finding:
        return Finding(
            rule="chaos.steady_state_before",
            severity=Severity.WARNING,
            title=self._redactor.text(
                f"{sample.journey} does not go well although nothing fails: {sample.error[:160]}"
            ),
            detail=self._redactor.text(
                f"Nothing can be learnt from it under failure, so it is not walked.\n{listed((sample,))}"
            ),
            place=Place(journey=sample.journey),
            exchange=exchange_of((sample,), self._redactor),
            trace_id=sample.trace_id,
        )

    @staticmethod
    def _untraced(edges: Sequence[Edge]) -> Finding:
        """One finding for all: it is one thing that is missing."""
        callers = ", ".join(dict.fromkeys(e.caller for e in edges))
        return Finding(
            rule="chaos.untraced",
            severity=Severity.WARNING,
            title=f"Calls over {', '.join(e.name for e in edges)} carry no trace of a journey, so nothing was tried there",
            detail=f"Calls at an edge are paired with journeys by the W3C header traceparent. Let {callers} pass the one it is "
            "given on with every call it makes (OpenTelemetry does so for most HTTP clients), or write an experiment: "
            "experiments need no trace.",
            place=Place(edge=edges[0].name),
        )

    def _unread(self, service: str, problem: str) -> Finding:
        return Finding(
            rule="chaos.document_unread",
            severity=Severity.WARNING,
            title=self._redactor.text(f"The OpenAPI document of {service} {problem}"),
            detail=f"Whether {service} declares what it answers under failure was not judged.",
            place=Place(service=service),
            reproduce=f"harness run schema --only service={service}",
        )

    def _unused(self, edge: Edge) -> Finding:
        return Finding(
            rule="chaos.edge_unused",
            severity=Severity.INFO,
            title=f"No journey uses {edge.name}, so nothing is known of it under failure",
            detail="Write a journey that uses it: only what journeys use can be judged.",
            place=Place(edge=edge.name),
        )

    @staticmethod
    def _place(result: Result) -> Place:
        cell = result.seen.cell
        return Place(edge=cell.edge.name, journey=cell.journey, experiment=cell.failure.name)

    def grid(self, explored: Explored, edges: Sequence[Edge]) -> Grid:
        """The matrix of edges and failures."""
        tried = {r.seen.cell.failure.name for r in explored.results}
        return Grid(
            title="Promises under failure",
            rows=tuple(e.name for e in edges),
            columns=tuple(name for name in EVERY_FAILURE if name in tried),
            cells=tuple(self._cell(r) for r in (*explored.results, *explored.lookouts)),
        )

    def _cell(self, result: Result) -> GridCell:
        seen, cell = result.seen, result.seen.cell
        state = (
            GridState.BROKEN
            if result.broken
            else GridState.NOT_TRIED
            if not seen.tried
            else GridState.DOUBTFUL
            if result.doubtful
            else GridState.HELD
        )
        told = [b.text for b in (*result.broken, *result.doubtful)]
        text = result.broken[0].kind.replace("_", " ") if result.broken else ""
        return GridCell(
            row=cell.edge.name,
            column=cell.failure.name,
            state=state,
            text=text,
            detail=self._redactor.text("\n".join((*told, *_figures(result)))),
            reproduce=self._again(**_asked(cell)),
        )

    @staticmethod
    def measures(explored: Explored) -> Iterator[Measure]:
        """Numbers of every cell, labelled edge and fault."""
        for result in explored.results:
            seen = result.seen
            labels = {"edge": seen.cell.edge.name, "fault": seen.cell.failure.name}
            if seen.recovery_s is not None:
                yield Measure("chaos.recovery", seen.recovery_s, "s", labels)
            waits = [waited for w in seen.windows for waited, _ in w.waits(seen.lifted)]
            if waits:
                yield Measure("chaos.waited", max(waits), "s", labels)
            calls = [len(c) for w in seen.windows for c in w.wanted().values()]
            if calls:
                yield Measure("chaos.attempts", max(calls), "count", labels)
            if seen.breaker is not None and seen.breaker.opened:
                yield Measure("chaos.breaker.failures", seen.breaker.failures, "count", labels)
                if seen.breaker.probe_after_s is not None:
                    yield Measure("chaos.breaker.open", seen.breaker.probe_after_s, "s", labels)


def _hidden(seen: Observation) -> bool:
    return seen.breaker is not None and seen.breaker.hidden


def _asked(cell: Cell) -> dict[str, str]:
    """What the command line takes to try just this again."""
    return {"edge": cell.edge.key, "fault": cell.failure.name} | ({"journey": cell.journey} if cell.named else {})


def _figures(result: Result) -> Iterator[str]:
    seen = result.seen
    good = sum(s.ok for s in seen.during)
    yield f"{good} of {len(seen.during)} of {seen.cell.journey} went well, {len(seen.calls)} calls at the edge"
    waits = [waited for w in seen.windows for waited, _ in w.waits(seen.lifted)]
    if waits:
        yield f"longest wait {max(waits):.2f} s"
    if seen.breaker is not None and seen.breaker.opened:
        after = seen.breaker.probe_after_s
        probed = "" if after is None else f", probed after {after:.2f} s"
        yield f"breaker open after {seen.breaker.failures} failed calls{probed}"
    if seen.recovery_s is not None:
        yield f"recovered {seen.recovery_s:.2f} s after"
    yield from seen.notes
