"""Findings, measures and the grid of pairs of failures, in words people can act on; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.chaos.explore.judging import Broken
from harness.chaos.explore.pairs.values import Pair, PairResult, PairsTried
from harness.chaos.tell import exchange_of, listed, why_doubtful
from harness.evidence import Finding, Measure, Place, Redactor, Severity
from harness.evidence.grid import Grid, GridCell, GridState

__all__ = ["PairTelling"]


class PairTelling:
    """Turns what came of pairs into evidence.

    Args:
        again: the command that tries one pair again, by `edge` and `fault`.
        asked: whether just these pairs were asked for, so that one that met nobody is told.
    """

    def __init__(self, redactor: Redactor, again: Callable[..., str], *, asked: bool = False) -> None:
        self._redactor, self._again, self._asked = redactor, again, asked

    def findings(self, tried: PairsTried) -> Iterator[Finding]:
        """Everything pairs have to say that single failures have not said."""
        for result in tried.results:
            for broken in result.broken:
                yield self._finding(result, broken, Severity.ERROR)
            for broken in result.doubtful:
                yield self._finding(result, broken, Severity.INFO if broken.timing else Severity.WARNING)
            if self._asked and not result.seen.hit:
                yield self._met_one(result.seen.pair)
        for first, second in tried.apart:
            yield Finding(
                rule="chaos.no_traffic",
                severity=Severity.WARNING,
                title=f"No journey uses both {first.name} and {second.name}, so they were not tried together",
                detail="Write a journey that uses both: only what journeys use can be judged.",
                place=Place(edge=first.name),
            )

    def _finding(self, result: PairResult, broken: Broken, severity: Severity) -> Finding:
        pair = result.seen.pair
        once = "" if severity is Severity.ERROR else why_doubtful(excused=broken.excused)
        alone = "Neither failure does this alone."
        shown = listed(broken.samples) if broken.samples else ""
        return Finding(
            rule=f"chaos.promise.{broken.kind}",
            severity=severity,
            title=self._redactor.text(f"While {words(pair)}, {broken.text}"),
            detail=self._redactor.text("\n".join(part for part in (once, broken.detail, alone, shown) if part)),
            place=_place(pair),
            exchange=exchange_of(broken.samples, self._redactor),
            reproduce=self._again(**pair.asked),
            trace_id=broken.samples[0].trace_id if broken.samples else "",
            key=f"{broken.kind}:{broken.key}",
        )

    def _met_one(self, pair: Pair) -> Finding:
        return Finding(
            rule="chaos.no_traffic",
            severity=Severity.WARNING,
            title=f"No walk of {pair.journey} met both failures: {words(pair)}",
            detail="Under one of them nobody comes to the other's edge any more: the pair is the single failure again.",
            place=_place(pair),
            reproduce=self._again(**pair.asked),
        )

    def grid(self, tried: PairsTried) -> Grid:
        """A row for each two edges, a column for each two failures."""
        pairs = [r.seen.pair for r in tried.results]
        return Grid(
            title="Promises under pairs of failures",
            rows=tuple(dict.fromkeys(p.edges for p in pairs)),
            columns=tuple(sorted({p.failures for p in pairs})),
            cells=tuple(self._cell(r) for r in tried.results),
            note=summary(tried),
        )

    def _cell(self, result: PairResult) -> GridCell:
        seen, pair = result.seen, result.seen.pair
        state = (
            GridState.BROKEN
            if result.broken
            else GridState.NOT_TRIED
            if not seen.hit
            else GridState.DOUBTFUL
            if result.doubtful
            else GridState.HELD
        )
        told = [b.text for b in (*result.broken, *result.doubtful)]
        return GridCell(
            row=pair.edges,
            column=pair.failures,
            state=state,
            text=result.broken[0].kind.replace("_", " ") if result.broken else "",
            detail=self._redactor.text("\n".join((f"While {words(pair)}:", *told, *_figures(result)))),
            reproduce=self._again(**pair.asked),
        )

    @staticmethod
    def measures(tried: PairsTried) -> Iterator[Measure]:
        """How many pairs there are and were tried, and the recovery from each."""
        yield Measure("chaos.pairs.possible", tried.possible, "count")
        yield Measure("chaos.pairs.tried", len(tried.results), "count")
        for result in tried.results:
            pair, recovery_s = result.seen.pair, result.seen.first.recovery_s
            if recovery_s is not None:
                yield Measure("chaos.recovery", recovery_s, "s", {"edge": pair.edges, "fault": pair.failures})


def words(pair: Pair) -> str:
    """`payments hangs and inventory answers 503`, and to whom, where both are the same service."""
    first, second = pair.cells
    if first.edge.callee != second.edge.callee:
        return f"{first.edge.callee} {first.failure.words} and {second.edge.callee} {second.failure.words}"
    return (
        f"{first.edge.callee} {first.failure.words} towards {first.edge.caller} "
        f"and {second.failure.words} towards {second.edge.caller}"
    )


def summary(tried: PairsTried) -> str:
    """How many pairs were tried of how many, and why not the rest."""
    told = f"{_pairs(len(tried.results))} of {tried.possible:,} possible {'was' if len(tried.results) == 1 else 'were'} tried"
    if not tried.left_out:
        return f"{told}."
    why = "; ".join(f"{count:,}: {reason}" for reason, count in tried.left_out.items())
    return f"{told}; the rest cannot differ from what was tried ({why})."


def _pairs(count: int) -> str:
    return f"{count:,} {'pair' if count == 1 else 'pairs'}"


def _place(pair: Pair) -> Place:
    return Place(edge=pair.edges, journey=pair.journey, experiment=pair.failures)


def _figures(result: PairResult) -> Iterator[str]:
    seen = result.seen
    good = sum(s.ok for s in seen.during)
    calls = " and ".join(str(len(one.calls)) for one in seen.each)
    yield f"{good} of {len(seen.during)} of {seen.pair.journey} went well, {calls} calls at the two edges"
    for one in seen.each:
        waits = [waited for w in one.windows for waited, _ in w.waits(one.lifted)]
        if waits:
            yield f"longest wait at {one.cell.edge.name} {max(waits):.2f} s"
    if seen.first.recovery_s is not None:
        yield f"recovered {seen.first.recovery_s:.2f} s after"
