"""One service's turn: a run of Schemathesis, what to do when the service dies, and the replay of what failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread

from harness.errors import InfrastructureError, StartError
from harness.evidence import Finding, Redactor
from harness.fuzz.events import Report
from harness.fuzz.failures import NO_ANSWER, TOO_MUCH, Failure, Step, worth_telling
from harness.fuzz.process import Ending, SchemathesisRun
from harness.fuzz.replay import Replayer, send
from harness.fuzz.targets import Target
from harness.fuzz.telling import Teller
from harness.guard import Invitation
from harness.system.children import log_tail
from harness.system.runtime import ProcessRuntime

__all__ = ["Options", "Session"]

_PHASES = ("examples", "coverage", "fuzzing", "stateful")
#: What is done with operations that are tried apart.
_APART = ("examples", "coverage", "fuzzing")
#: How long the least that is done may take, in shares of time and at least in seconds: on a busy machine, with a slow service.
_STRETCH, _PATIENCE_S = 4.0, 60.0
#: How often to go on, without the operation at fault, after the service has died.
_REVIVALS = 3
#: How often to go on, without the operations it was at, after Schemathesis has ended before its time.
_RESTARTS = 3
#: How many operations that nothing else has reached are tried alone, and for how long, in seconds.
_ALONE, _ALONE_S = 5, 3.0
_SUSPECTS = 5
_DEATH_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What all services have in common; see `SchemathesisRun`."""

    root: Path
    directory: Path
    cache: Path
    config: Path | None
    seed: int
    examples: int
    max_examples: int | None = None
    checks: Sequence[str] = ()
    exclude_checks: Sequence[str] = ()
    allow_targets: Sequence[str] = ()


@dataclass(slots=True)
class Session:
    """Fuzzing one service.

    Args:
        found: takes findings as they come.
        tick: called as work proceeds.
        deadly: operations that kill the service. culprits: operations at which Schemathesis ended before its time.
        had_time: whether as much was done as always should be.
        ended_early: whether Schemathesis ended before its time.
    """

    target: Target
    runtime: ProcessRuntime
    options: Options
    teller: Teller
    redactor: Redactor
    found: Callable[[Finding], None]
    tick: Callable[[], None]
    report: Report = field(default_factory=Report)
    deadly: set[str] = field(default_factory=set)
    culprits: set[str] = field(default_factory=set)
    had_time: bool = True
    ended_early: bool = False
    doubtful: list[Failure] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    spent_s: float = 0.0
    alive: bool = True
    begun: float = 0.0
    ended: float = 0.0

    @property
    def reached(self) -> list[str]:
        """Declared operations that received at least one request."""
        return [o for o in self.target.document.operations if o in self.report.operations]

    @property
    def tested(self) -> list[str]:
        """Declared operations of which at least one answer was looked at by a check."""
        return [o for o in self.reached if self.report.operations[o].checks or o in self._failed]

    @property
    def _failed(self) -> set[str]:
        return {operation for _, operation, _ in self.report.counts}

    def why_missed(self, operation: str) -> str:
        """Why an operation received no request, as far as that is known; empty when it is not."""
        known = (
            (operation in self.report.skipped, f"Schemathesis says: {self.report.skipped.get(operation)}"),
            (operation in self.deadly, "it was left out after the service had died of it"),
            (any(e.label == operation for e in self.report.errors), "Schemathesis could not test it, see there"),
            (not self.alive, "the service was gone"),
            (bool(self.broken), "Schemathesis broke"),
            (operation in self.culprits, "it was left out after Schemathesis had ended at it"),
            (not self.had_time, "the time was up before its turn"),
        )
        return next((why for is_so, why in known if is_so), "")

    def elapsed_s(self, now: float) -> float:
        """Seconds since its turn began, at most its share; 0 before."""
        return min(now - self.begun, self.target.seconds) if self.begun else 0.0

    async def run(self) -> None:
        """Fuzz, replay, tell. Problems of Schemathesis' own end up in `broken`."""
        self.begun = time.monotonic()
        await self._whole()
        await self._apart()
        for error in self.report.errors:
            if not (self.deadly and error.kind == "NoLinksFound"):  # they went with the operations left out
                self.found(self.teller.engine(error))
        if not self.had_time:
            self.found(self.teller.out_of_time(self.spent_s))
        if self.alive:
            await self._replay()
        else:
            self.doubtful = self._worth_telling()
        self.ended = time.monotonic()

    async def _whole(self) -> None:
        seconds = self.target.seconds
        for _ in range(_REVIVALS + _RESTARTS):
            left_out = self.deadly | self.culprits
            if not self.alive or self.broken or left_out >= set(self.target.document.operations):
                return
            label = f"run-{len(left_out)}" if left_out else "run"
            hard_s = max(seconds * _STRETCH, _PATIENCE_S)
            ending = await self._schemathesis(_PHASES, seconds, hard_s, label, skip=left_out)
            if ending is not None:
                self.had_time = ending.in_time
            if self._gone():
                if len(self.deadly) >= _REVIVALS:
                    return
                await self._crashed()
            elif ending is None or not ending.cut_short or not self._without(ending):
                return

    def _without(self, ending: Ending) -> bool:
        """Tell of an early end; whether there is something to leave out, so that the rest can be tried again."""
        self.ended_early = True
        declared = set(self.target.document.operations)
        at = [o for o in dict.fromkeys(ending.busy_with) if o in declared]
        patterns = {o: self.target.document.patterns(o) for o in at}
        self.found(self.teller.ended_early(ending.cut_short, at, ending.log.name, patterns))
        fresh = set(at) - self.culprits
        self.culprits |= fresh
        return bool(fresh) and len(self.culprits) <= _RESTARTS

    async def _apart(self) -> None:
        """Try what nothing has reached: all of it together, then one by one, unless there simply was no time for it."""
        missed = self._missed()
        if not missed or not (self.had_time or self.ended_early or self._held_up()):
            return
        await self._try(missed, "apart", max(self.target.seconds / 2, _ALONE_S))
        if self.had_time or self.ended_early:
            for number, operation in enumerate(self._missed()[:_ALONE], 1):
                await self._try([operation], f"apart-{number}", _ALONE_S)

    def _missed(self) -> list[str]:
        passed = self.report.operations.keys() | self.deadly | self.culprits | self.report.skipped.keys()
        return [o for o in self.target.document.operations if o not in passed]

    def _held_up(self) -> bool:
        """Whether the service held up some requests: it must not get away with the others for that."""
        return any(check in {NO_ANSWER, TOO_MUCH} for check, *_ in self.report.counts)

    async def _try(self, operations: Sequence[str], label: str, seconds: float) -> None:
        if not self.alive or self.broken:
            return
        ending = await self._schemathesis(_APART, seconds, seconds * _STRETCH, label, only=operations)
        if self._gone():
            await self._crashed()
        elif ending is not None and ending.cut_short:
            self._without(ending)

    async def _schemathesis(
        self,
        phases: Sequence[str],
        seconds: float,
        hard_s: float,
        label: str,
        *,
        skip: Iterable[str] = (),
        only: Sequence[str] = (),
    ) -> Ending | None:
        o, t = self.options, self.target
        run = SchemathesisRun(
            location=t.document.file,
            base_url=t.base_url,
            invitation=Invitation.to([t.base_url], o.allow_targets),
            headers=t.auth,
            phases=phases,
            seconds=seconds,
            hard_s=hard_s,
            examples=o.examples,
            seed=o.seed,
            config=o.config,
            root=o.root,
            directory=o.directory / t.name,
            cache=o.cache,
            label=label,
            max_examples=o.max_examples,
            checks=o.checks,
            exclude_checks=o.exclude_checks,
            skip_operations=sorted(skip),
            only_operations=only,
            redactor=self.redactor,
        )
        begun = time.monotonic()
        try:
            return await run.follow(self.report, self.tick)
        except InfrastructureError as error:
            if not self._gone():
                self.broken.append(f"{t.name}: {error}")
            return None
        finally:
            self.spent_s += time.monotonic() - begun

    def _gone(self) -> bool:
        return self.report.server_gone or self.target.name in self.runtime.died()

    async def _crashed(self) -> None:
        """Find the request that kills it, by sending the last ones again to a service started afresh."""
        name, report = self.target.name, self.report
        suspects = sorted(report.recent, key=lambda s: (s.answer is not None, -s.at))[:_SUSPECTS]
        report.failures = {k: f for k, f in report.failures.items() if f.check != NO_ANSWER}
        report.server_gone = False
        tail = log_tail(self.runtime.logs[name], lines=15) if name in self.runtime.logs else ""
        culprit = None
        revived = await self._revive()
        if revived:
            culprit = await self._killer(suspects)
            if culprit is not None:
                await self._revive()
        unanswered = suspects[0] if suspects and suspects[0].answer is None else None
        said = self.teller.crash(culprit, report.recent[-_SUSPECTS:], tail, revived=revived, unanswered=unanswered)
        self.found(said)
        self.deadly.add(culprit.operation if culprit else (suspects[0].operation if suspects else ""))

    async def _killer(self, suspects: Sequence[Step]) -> Step | None:
        for step in suspects:
            await anyio.to_thread.run_sync(send, step, self.target.base_url)
            if await self._dies_within(_DEATH_S if step.answer is None else _DEATH_S / 10):
                return step
        return None

    async def _dies_within(self, limit_s: float) -> bool:
        deadline = time.monotonic() + limit_s
        while not (dead := self.target.name in self.runtime.died()) and time.monotonic() < deadline:  # noqa: ASYNC110 - a process dies; it sets no event of ours
            await anyio.sleep(0.02)
        return dead

    async def _revive(self) -> bool:
        """Start the service again; False when it was not ours to start, or does not come up."""
        name = self.target.name
        self.alive = False
        if name in self.runtime.logs:
            try:
                await self.runtime.restart(name)
                self.alive = True
            except StartError as error:
                self.broken.append(str(error))
        return self.alive

    async def _replay(self) -> None:
        """Tell what shows again; the rest waits for a second chance on a fresh start."""
        replayer = Replayer(self.target.base_url, self.target.document.text)
        for failure in self._worth_telling():
            again = await anyio.to_thread.run_sync(replayer.shows_again, failure)
            if again is not None:
                self.tell(again, reproduced=True, seen_as=failure)
            else:
                self.doubtful.append(failure)
            self.tick()

    def _worth_telling(self) -> list[Failure]:
        return worth_telling(list(self.report.failures.values()), self.target.auth)

    def tell(self, failure: Failure, *, reproduced: bool, seen_as: Failure | None = None) -> None:
        """Report one failure, as it showed in the replay; `seen_as` is how it showed before."""
        seen = self.report.counts[(seen_as or failure).key]
        self.found(self.teller.failure(failure, reproduced=reproduced, seen=seen))
