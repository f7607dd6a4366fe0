"""The Locust plugin: a user class that starts journeys on a schedule, whatever became of earlier ones (open model).

A locustfile is as short as this, and runs with Locust alone (`locust -f load/locustfile.py --headless --host URL`):

    from harness.load.locust import ArrivalUser
    from harness.system.journeys import load_journeys

    class Shopper(ArrivalUser):
        journeys = load_journeys(Path(__file__).parents[1] / "synthetic" / "journeys.py")
        rate = 30

Importing this module imports Locust, which monkey-patches the process: keep it in a process of its own. Walks appear in
Locust's statistics as requests of type JOURNEY with their time from the intended start; `--load-result FILE` writes the
same, and more, as one JSON file (`harness.load.result`).
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import gevent
import gevent.event
from locust import User as LocustUser
from locust import events, task
from locust.exception import StopUser
from locust.runners import LocalRunner, WorkerRunner

from harness.errors import UsageError
from harness.load import workers
from harness.load.recorder import Recorder, Walk, error_kind, error_text
from harness.load.result import LoadResult
from harness.load.transport import PooledTransport
from harness.system.arrivals import Arrival, ArrivalKind, schedule
from harness.system.drive import Sample
from harness.system.journeys import Journey, JourneyFailed, User, run_journey

if TYPE_CHECKING:
    from locust.env import Environment

__all__ = ["ArrivalUser"]

#: Beyond the longest request, how long to wait for walks under way when the schedule has ended, in seconds.
_DRAIN_S = 1.0


class ArrivalUser(LocustUser):
    """Starts journeys at a constant arrival rate; one such class per locustfile, holding all its journeys.

    One instance in a process generates the load of that process, however many users Locust is told to start. Distributed
    over workers, start as many users as there are workers: each takes its share of one common schedule.

    Options of the command line (`--arrival-rate`, `--arrival`, `--warmup` ...) come before these attributes.

    Args:
        journeys: what to walk; see `harness.system.journeys.load_journeys`.
        rate: arrivals per second over all journeys.
        arrival: `constant` or `poisson`.
        warmup: seconds at the begin that are not counted.
        seed: drives the schedule and the journeys' data.
        timeout: how long one request may take, in seconds.
        max_in_flight: an arrival that finds so many journeys under way fails at once, and is counted.
    """

    abstract = True
    journeys: ClassVar[tuple[Journey, ...]] = ()
    rate: ClassVar[float] = 10.0
    arrival: ClassVar[str] = ArrivalKind.CONSTANT
    warmup: ClassVar[float] = 0.0
    seed: ClassVar[int] = 0
    timeout: ClassVar[float] = 10.0
    max_in_flight: ClassVar[int] = 500

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._halt = gevent.event.Event()

    def stop(self, force: bool = False) -> bool:
        """End the schedule; walks under way may end (Locust's stop timeout)."""
        self._halt.set()
        return bool(super().stop(force))

    @task
    def generate(self) -> None:
        """Locust's entry: run the schedule until Locust says stop."""
        if self.environment in _generating:
            self._halt.wait()
            raise StopUser
        _generating.add(self.environment)
        try:
            _Generator(self).run(self._halt)
        finally:
            _generating.discard(self.environment)
        raise StopUser


class _Generator:
    """Runs one schedule: waits for each arrival's time, starts it, and sees to it that every one is accounted for."""

    def __init__(self, user: ArrivalUser) -> None:
        options = user.environment.parsed_options
        self._environment = user.environment
        self._journeys = user.journeys
        self._rate = _chosen(options, "arrival_rate", user.rate)
        self._kind = ArrivalKind(_chosen(options, "arrival", user.arrival))
        self._warmup = _chosen(options, "warmup", user.warmup)
        self._seed = _chosen(options, "arrival_seed", user.seed)
        self._timeout = _chosen(options, "request_timeout", user.timeout)
        self._limit = _chosen(options, "max_in_flight", user.max_in_flight)
        self._base_urls = {"": str(user.host or ""), **_addresses(getattr(options, "base_urls", ""))}
        self._entry = str(getattr(options, "entry", "") or "")
        self._base_urls.setdefault(self._entry, self._base_urls[""])
        self._transport = PooledTransport(self._limit)
        self._walking: dict[gevent.Greenlet, tuple[Arrival[Journey], float]] = {}
        self._share = workers.share(user.environment)
        self._run_time = _run_times.get(user.environment, float("inf"))

    def run(self, halt: gevent.event.Event) -> None:
        # Locust and the journeys leave many objects that live on; collecting over them again and again makes arrivals late.
        gc.collect()
        gc.freeze()
        self._begun_wall, self._begun = time.time(), time.perf_counter()
        names = [j.name for j in self._journeys if j.weight > 0]
        self._recorder = Recorder(names, begun=self._begun_wall, warmup_s=self._warmup)
        self._first_errors: dict[str, str] = {}
        mine, of = self._share
        for arrival in schedule(self._journeys, rate=self._rate, kind=self._kind, seed=self._seed):
            if arrival.offset_s >= self._run_time or halt.is_set():
                break
            if arrival.index % of == mine:
                if self._wait_for(arrival, halt):
                    break
                self._start(arrival)
        ended = time.time() if halt.is_set() else self._begun_wall + self._run_time
        halt.wait(max(0.0, ended - time.time()))
        self._drain()
        _results[self._environment] = self._recorder.result(
            ended=ended, arrival=self._kind, rate=self._rate, seed=self._seed
        )
        if not halt.is_set():
            gevent.spawn(self._environment.runner.quit)

    def _wait_for(self, arrival: Arrival[Journey], halt: gevent.event.Event) -> bool:
        """Whether the run was halted before this arrival was due."""
        due = self._begun + arrival.offset_s
        # A loop, because a timer may fire early: it counts from the event loop's own, possibly older, idea of now.
        while (left := due - time.perf_counter()) > 0:
            if halt.wait(left):
                return True
        gevent.sleep(0)  # behind schedule: arrivals still start, and walks under way still move
        return bool(halt.is_set())

    def _start(self, arrival: Arrival[Journey]) -> None:
        if len(self._walking) >= self._limit:
            error = f"not started: {self._limit} journeys were still under way"
            self._report(Walk(self._sample(arrival, 0.0, 0.0, error), refused=True))
            return
        greenlet = gevent.spawn(self._walk, arrival)
        self._walking[greenlet] = (arrival, self._begun + arrival.offset_s)

    def _walk(self, arrival: Arrival[Journey]) -> None:
        due = self._begun + arrival.offset_s
        late = time.perf_counter() - due
        user = User(
            base_urls=self._base_urls,
            entry=arrival.journey.entry or self._entry,
            transport=self._transport,
            rng=random.Random(arrival.seed),
            timeout_s=self._timeout,
        )
        error = run_journey(arrival.journey, user)
        duration = time.perf_counter() - due
        self._walking.pop(gevent.getcurrent(), None)
        self._report(Walk(self._sample(arrival, late, duration, error, user)))

    def _drain(self) -> None:
        gevent.joinall(list(self._walking), timeout=self._timeout + _DRAIN_S)
        left = dict(self._walking)
        gevent.killall(list(left))
        for arrival, due in left.values():
            error = f"not ended {self._timeout + _DRAIN_S:g} s after the last arrival"
            sample = self._sample(arrival, 0.0, time.perf_counter() - due, error)
            self._report(Walk(sample, unfinished=True))

    def _sample(
        self, arrival: Arrival[Journey], late: float, duration: float, error: str, user: User | None = None
    ) -> Sample:
        intended = self._begun_wall + arrival.offset_s
        return Sample(
            journey=arrival.journey.name,
            intended=intended,
            started=intended + late,
            duration_ms=duration * 1000,
            ok=not error,
            error=error,
            trace_id=user.trace_id if user else "",
            steps=tuple(user.steps) if user else (),
        )

    def _error(self, sample: Sample) -> str:
        """The first error of its kind: Locust keeps each text it is told."""
        return self._first_errors.setdefault(error_kind(sample), error_text(sample))

    def _report(self, walk: Walk) -> None:
        self._recorder.add(walk)
        workers.pass_on(self._environment, walk)
        sample = walk.sample
        fire = self._environment.events.request.fire
        for step in sample.steps:
            fire(
                request_type=step.method,
                name=step.name,
                response_time=step.duration_ms,
                response_length=0,
                exception=JourneyFailed(step.error) if step.error else None,
                context={},
            )
        fire(
            request_type="JOURNEY",
            name=sample.journey,
            response_time=sample.duration_ms,
            response_length=0,
            exception=None if sample.ok else JourneyFailed(self._error(sample)),
            context={},
        )


_generating: set[Environment] = set()
_results: dict[Environment, LoadResult] = {}
_run_times: dict[Environment, float] = {}


def _chosen(options: Any, name: str, default: Any) -> Any:
    value = getattr(options, name, None)
    return default if value is None else value


def _addresses(text: str) -> Mapping[str, str]:
    pairs = (item.partition("=") for item in (text or "").split(",") if item.strip())
    return {name.strip(): url.strip().rstrip("/") for name, _, url in pairs}


def _add_options(parser: Any) -> None:
    group = parser.add_argument_group("Arrivals (harness.load)")
    env = "HARNESS_LOAD_"
    group.add_argument("--arrival-rate", type=float, env_var=f"{env}RATE", help="Journeys to start per second.")
    group.add_argument("--arrival", choices=[*ArrivalKind], env_var=f"{env}ARRIVAL", help="Spacing of arrivals.")
    group.add_argument("--arrival-seed", type=int, env_var=f"{env}SEED", help="Same seed, same schedule.")
    group.add_argument("--warmup", type=float, env_var=f"{env}WARMUP", help="Seconds at the begin not counted.")
    group.add_argument("--request-timeout", type=float, env_var=f"{env}TIMEOUT", help="Seconds one request may take.")
    group.add_argument("--max-in-flight", type=int, env_var=f"{env}IN_FLIGHT", help="Journeys under way at most.")
    group.add_argument("--entry", default="", env_var=f"{env}ENTRY", help="Name of the service that --host is.")
    group.add_argument(
        "--base-urls", default="", env_var=f"{env}BASE_URLS", help="Further services, NAME=URL, separated by commas."
    )
    group.add_argument("--load-result", default="", env_var=f"{env}RESULT", help="Write the result to this file.")


def _prepare(environment: Environment, **_: Any) -> None:
    classes = [c for c in environment.user_classes if issubclass(c, ArrivalUser)]
    if len(classes) > 1:
        names = ", ".join(c.__name__ for c in classes)
        raise UsageError(f"one ArrivalUser per locustfile, holding all its journeys; found {names}.")
    for user_class in classes:
        _check(user_class, environment.parsed_options)
        # Without a stop timeout Locust kills walks under way at the end, and the slowest would not be counted.
        timeout = _chosen(environment.parsed_options, "request_timeout", user_class.timeout)
        environment.stop_timeout = max(environment.stop_timeout or 0, timeout + 2 * _DRAIN_S)
    if classes:
        _take_over_run_time(environment)
        workers.connect(environment)


def _check(user_class: type[ArrivalUser], options: Any) -> None:
    if not user_class.journeys:
        raise UsageError(f"{user_class.__name__}.journeys is empty: say journeys = load_journeys(...).")
    rate = _chosen(options, "arrival_rate", user_class.rate)
    try:
        schedule(
            user_class.journeys, rate=rate, kind=ArrivalKind(_chosen(options, "arrival", user_class.arrival)), seed=0
        )
    except ValueError as error:
        raise UsageError(f"{user_class.__name__}: {error}.") from None


def _take_over_run_time(environment: Environment) -> None:
    """Let the generator end the run: Locust's own timer starts before the first arrival and would cut off the last ones."""
    options: Any = environment.parsed_options
    if options.headless and options.run_time and isinstance(environment.runner, LocalRunner):
        _run_times[environment] = float(options.run_time)
        options.run_time = options.run_time + environment.stop_timeout


def _write(**_: Any) -> None:
    for environment, result in {**workers.results(), **_results}.items():
        file = getattr(environment.parsed_options, "load_result", "")
        if file and not isinstance(environment.runner, WorkerRunner):
            result.write(Path(file))


for _hook, _listener in (
    (events.init_command_line_parser, _add_options),
    (events.init, _prepare),
    (events.quit, _write),
):
    _hook.add_listener(_listener)  # type: ignore[no-untyped-call]  # Locust's hooks carry no types
