"""Drives journeys at an open-loop rate from a child process and reports every walk; measures nothing but time.

The project's own code (journeys) runs in that child, never in the harness. Arrivals follow a seeded schedule whatever the
state of earlier ones, and durations count from the intended start, so a stalled system cannot hide its stall (coordinated
omission).
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InfrastructureError, UsageError
from harness.evidence.wire import from_json, to_json
from harness.guard import INCIDENTS_FILE, Guarded, Invitation, enter
from harness.system.arrivals import ArrivalKind, schedule, seed_alone
from harness.system.channel import Channel
from harness.system.children import log_tail, python_module, run_child
from harness.system.journeys import Journey, Step, User, load_journeys, new_trace_id, run_journey
from harness.system.sending import HttpTransport, connections
from harness.system.telling import tell_what_is_sent

if TYPE_CHECKING:
    from harness.guard.transport import GuardedTransport

__all__ = ["DriveSpec", "Sample", "arrivals", "drive", "walk_once"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveSpec:
    """What to drive.

    Args:
        journeys_file: the project's journeys.
        base_urls: base URL of each service.
        entry: the service users come in through, for journeys that name none.
        allowed: hosts, or `host:port`, beyond the services that journeys may ask.
        names: journeys to walk; all when empty.
        rate: arrivals per second, over all journeys; 0 walks each journey once, one after another.
        duration_s: how long arrivals go on, in seconds; unused with rate 0.
        seed: drives the schedule, the choice of journeys and their data.
        synthetic: tag requests as synthetic.
        timeout_s: the longest one request may take, in seconds.
        max_in_flight: journeys walked at once; an arrival beyond that is reported as failed, never dropped silently.
    """

    journeys_file: str
    base_urls: Mapping[str, str]
    entry: str
    allowed: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    rate: float = 0.0
    duration_s: float = 0.0
    seed: int = 0
    synthetic: bool = False
    timeout_s: float = 10.0
    max_in_flight: int = 64

    def guarded(self, incidents: Path) -> Guarded:
        """What the process that walks may do; what a guard had to step in for goes to `incidents`."""
        return Guarded(Invitation.to(self.base_urls.values(), self.allowed), incidents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One walk of one journey. Times in seconds since the epoch; `duration_ms` counts from the intended start."""

    journey: str
    intended: float
    started: float
    duration_ms: float
    ok: bool
    error: str = ""
    trace_id: str = ""
    steps: tuple[Step, ...] = ()

    @property
    def ended(self) -> float:
        """Seconds since the epoch."""
        return self.intended + self.duration_ms / 1000


@dataclass(frozen=True, slots=True)
class _Problem:
    problem: str


def arrivals(journeys: tuple[Journey, ...], spec: DriveSpec) -> list[tuple[float, Journey, int]]:
    """Lay out the schedule: offset in seconds, journey, and the seed of that walk; the same for the same seed.

    Arrivals are evenly spaced, journeys as often as their weight says; one of weight 0 is walked only when it is named.
    """
    if not spec.rate:
        return [(0.0, j, seed_alone(spec.seed, j.name)) for j in journeys]
    count = max(1, round(spec.rate * spec.duration_s))
    all_of_them = bool(spec.names) or not any(j.weight for j in journeys)
    wanted = [replace(j, weight=max(1, j.weight)) if all_of_them else j for j in journeys]
    endless = schedule(wanted, rate=spec.rate, kind=ArrivalKind.CONSTANT, seed=spec.seed)
    return [(a.offset_s, a.journey, a.seed) for a in islice(endless, count)]


async def drive(
    spec: DriveSpec, *, root: Path, log: Path, time_limit_s: float, on_sample: Callable[[Sample], None]
) -> int:
    """Run a driver child to its end.

    Args:
        root: folder the journeys run in (and import from).
        log: what the journeys print goes there; what a guard had to step in for goes beside it.
        on_sample: takes each walk as it ends.

    Returns:
        How many walks were reported.

    Raises:
        UsageError: when the journeys file cannot be used.
        InfrastructureError: when the child fails or runs into its time limit.
    """
    count = 0
    problems: list[str] = []

    def take(line: str) -> None:
        nonlocal count
        channel.take()  # first: a walk may tell what it has sent
        if line.startswith('{"problem"'):
            problems.append(from_json(_Problem, line).problem)
        elif line:
            on_sample(from_json(Sample, line))
            count += 1

    argv = python_module("harness.system.drive", to_json(spec))
    guard = spec.guarded(log.with_name(INCIDENTS_FILE)).environment()
    with Channel() as channel:
        done = await run_child(
            argv, cwd=root, log=log, time_limit_s=time_limit_s, env=guard, on_line=take, channel=channel
        )
    if problems:
        raise UsageError(problems[0])
    if done.timed_out:
        raise InfrastructureError(f"walking the journeys took longer than {time_limit_s:g} s; {count} walks were seen")
    if done.returncode:
        tail = log_tail(log)
        said = tail.splitlines()[-1] if tail else "it left no word"
        raise InfrastructureError(
            f"the journeys' process ended with {done.returncode} after {count} walks: {said}\n{tail}"
        )
    return count


def main() -> None:
    """Body of the driver child: one `Sample` a line on the real standard output; what journeys print goes to the log."""
    import os

    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    enter()
    tell_what_is_sent()
    spec = from_json(DriveSpec, sys.argv[1])
    sys.path.insert(0, str(Path.cwd()))
    try:
        journeys = load_journeys(Path(spec.journeys_file), spec.names)
    except UsageError as error:
        out.write(to_json(_Problem(str(error))) + "\n")
        sys.exit(2)

    def report(sample: Sample) -> None:
        out.write(to_json(sample) + "\n")

    _Driver(spec, report).run(journeys)
    out.flush()


@dataclass(slots=True)
class _Driver:
    spec: DriveSpec
    report: Callable[[Sample], None]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _in_flight: int = 0

    def run(self, journeys: tuple[Journey, ...]) -> None:
        with connections(self.spec.max_in_flight) as shared, ThreadPoolExecutor(self.spec.max_in_flight) as pool:
            planned = arrivals(journeys, self.spec)
            begun = time.time()
            for offset, journey, seed in planned:
                if not self.spec.rate:
                    self._walk(shared, journey, seed, time.time())
                    continue
                wait = begun + offset - time.time()
                if wait > 0:
                    time.sleep(wait)
                self._arrive(pool, shared, journey, seed, begun + offset)

    def _arrive(
        self, pool: ThreadPoolExecutor, shared: GuardedTransport, journey: Journey, seed: int, intended: float
    ) -> None:
        with self._lock:
            full = self._in_flight >= self.spec.max_in_flight
            self._in_flight += 0 if full else 1
        if full:
            error = f"not started: {self.spec.max_in_flight} journeys were still under way"
            self._send(
                Sample(journey=journey.name, intended=intended, started=intended, duration_ms=0, ok=False, error=error)
            )
            return
        pool.submit(self._walk_and_leave, shared, journey, seed, intended)

    def _walk_and_leave(self, shared: GuardedTransport, journey: Journey, seed: int, intended: float) -> None:
        try:
            self._walk(shared, journey, seed, intended)
        finally:
            with self._lock:
                self._in_flight -= 1

    def _walk(self, shared: GuardedTransport, journey: Journey, seed: int, intended: float) -> None:
        self._send(walk_once(journey, self.spec, shared, seed, intended))

    def _send(self, sample: Sample) -> None:
        with self._lock:
            self.report(sample)


def walk_once(journey: Journey, spec: DriveSpec, shared: GuardedTransport, seed: int, intended: float) -> Sample:
    """Walk a journey once, now; blocks until it has ended.

    Args:
        seed: of this walk.
        intended: when it was to begin, in seconds since the epoch.
    """
    rng = random.Random(seed)
    user = User(
        base_urls=spec.base_urls,
        entry=journey.entry or spec.entry,
        transport=HttpTransport(shared),
        rng=rng,
        trace_id=new_trace_id(rng),
        synthetic=spec.synthetic,
        timeout_s=spec.timeout_s,
    )
    started = time.time()
    error = run_journey(journey, user)
    return Sample(
        journey=journey.name,
        intended=intended,
        started=started,
        duration_ms=(time.time() - intended) * 1000,
        ok=not error,
        error=error,
        trace_id=user.trace_id,
        steps=tuple(user.steps),
    )


if __name__ == "__main__":
    main()
