"""One service's turn: Schemathesis in two runs, what to do when the service dies, and the replay of what failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread

from harness.errors import InfrastructureError, StartError
from harness.evidence import Finding, Redactor
from harness.fuzz.events import NO_ANSWER, EngineError, Failure, Report, Step
from harness.fuzz.process import SchemathesisRun
from harness.fuzz.replay import Replayer, send
from harness.fuzz.targets import Target
from harness.fuzz.telling import Teller
from harness.system.children import log_tail
from harness.system.runtime import ProcessRuntime

__all__ = ["Options", "Session", "worth_telling"]

#: Examples and coverage enumerate the document once and end by themselves, so they come first and whole; what is left of
#: the time goes to fuzzing and stateful, which Schemathesis gives half each. In one run together, a time limit cuts
#: coverage to a third of it, and a slow machine finds less than a fast one.
_ENUMERATED = ("examples", "coverage")
_ENDLESS = ("fuzzing", "stateful")
#: How much longer than a service's share the enumeration may take, where a document is large or the machine busy.
_STRETCH = 3.0
#: What a share of time is meant for, in requests a second. Where coverage went slower (a busy machine, a slow service), the
#: endless phases get more time, up to the limit, so that what is found depends less on the machine of the day.
_EXPECTED_PACE = 40.0
_PATIENCE = 4.0
#: How often to go on, without the operation at fault, after the service has died.
_REVIVALS = 3
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
    max_examples: int | None = None
    checks: Sequence[str] = ()
    exclude_checks: Sequence[str] = ()


@dataclass(slots=True)
class Session:
    """Fuzzing one service.

    Args:
        found: takes findings as they come.
        tick: called as work proceeds.
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

    def elapsed_s(self, now: float) -> float:
        """Seconds since its turn began, at most its share; 0 before."""
        return min(now - self.begun, self.target.seconds) if self.begun else 0.0

    async def run(self) -> None:
        """Fuzz, replay, tell. Problems of Schemathesis' own end up in `broken`."""
        self.begun = begun = time.monotonic()
        await self._phases(_ENUMERATED, self.target.seconds * _STRETCH)
        rest = self.target.seconds - (time.monotonic() - begun)
        await self._phases(_ENDLESS, max(rest, self.target.seconds / 2) * self._patience())
        for error in self.report.errors:
            if not (self.deadly and error.kind == "NoLinksFound"):  # they went with the operations left out
                self.found(self.teller.engine(error))
        if self.alive:
            await self._replay()
        else:
            self.doubtful = self._worth_telling()
        self.ended = time.monotonic()

    def _patience(self) -> float:
        pace = self.report.pace
        return min(max(_EXPECTED_PACE / pace, 1.0), _PATIENCE) if pace else 1.0

    async def _phases(self, phases: Sequence[str], seconds: float) -> None:
        for _ in range(_REVIVALS):
            if not self.alive or self.broken or self.deadly >= set(self.target.document.operations):
                return
            await self._schemathesis(phases, seconds)
            if not self._gone():
                return
            await self._crashed()

    async def _schemathesis(self, phases: Sequence[str], seconds: float) -> None:
        o, t = self.options, self.target
        run = SchemathesisRun(
            location=t.document.location,
            base_url=t.base_url,
            headers=t.auth,
            phases=phases,
            seconds=seconds,
            seed=o.seed,
            config=o.config,
            root=o.root,
            directory=o.directory / t.name,
            cache=o.cache,
            label=f"{phases[-1]}-{len(self.deadly)}" if self.deadly else phases[-1],
            max_examples=o.max_examples,
            checks=o.checks,
            exclude_checks=o.exclude_checks,
            skip_operations=sorted(self.deadly),
            redactor=self.redactor,
        )
        begun = time.monotonic()
        try:
            child = await run.follow(self.report, self.tick)
        except InfrastructureError as error:
            if not self._gone():
                self.broken.append(f"{t.name}: {error}")
            return
        finally:
            self.spent_s += time.monotonic() - begun
        r = self.report
        if child.returncode and not (r.failures or r.errors or r.server_gone):
            said = f"it ended with exit code {child.returncode}, and its report does not say why; see {child.log.name}"
            r.errors.append(EngineError("ExitCode", said, t.name, fatal=True))

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
            if await anyio.to_thread.run_sync(replayer.shows_again, failure):
                self.tell(failure, reproduced=True)
            else:
                self.doubtful.append(failure)
            self.tick()

    def _worth_telling(self) -> list[Failure]:
        return worth_telling(list(self.report.failures.values()), self.target.auth)

    def tell(self, failure: Failure, *, reproduced: bool) -> None:
        """Report one failure."""
        seen = self.report.counts[failure.key]
        self.found(self.teller.failure(failure, reproduced=reproduced, seen=seen))


def worth_telling(failures: Sequence[Failure], keys: Iterable[str] = ()) -> list[Failure]:
    """Leave out what merely repeats: an undeclared 500 is told as the 500, a key nobody asks for as ignored.

    Args:
        keys: names of the headers that let a caller in.
    """
    errors = {(f.operation, f.variant) for f in failures if f.check == "not_a_server_error"}
    open_to_all = {f.operation for f in failures if f.check == "ignored_auth"}
    quoted = [f"'{key.lower()}'" for key in keys]

    def repeats(failure: Failure) -> bool:
        if failure.check == "missing_required_header":
            message = failure.message.lower()
            return failure.operation in open_to_all and any(key in message for key in quoted)
        return (failure.operation, failure.variant) in errors

    return [f for f in failures if f.check in {"not_a_server_error", NO_ANSWER} or not repeats(f)]
