"""One load result out of many worker processes: walks travel to the master with Locust's own reports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from locust.runners import MasterRunner, WorkerRunner

from harness.evidence import from_json, to_json
from harness.load.recorder import Recorder, Walk
from harness.load.result import LoadResult

if TYPE_CHECKING:
    from locust.env import Environment

__all__ = ["connect", "pass_on", "results", "share"]

_KEY = "harness_load"
_outboxes: dict[Environment, list[str]] = {}
_masters: dict[Environment, _Master] = {}


class _Master:
    """Adds up what the workers report."""

    def __init__(self, environment: Environment, runner: MasterRunner) -> None:
        user_class: Any = environment.user_classes[0]
        options = environment.parsed_options
        self._user_class, self._options = user_class, options
        self._runner = runner
        self._recorder: Recorder | None = None
        # Nobody knows when the run began before each worker has told of its first walks.
        self._early: list[Walk] = []
        self._heard: set[str] = set()
        self._latest = 0.0

    def take(self, worker: str, data: dict[str, Any]) -> None:
        walks = [from_json(Walk, text) for text in data.get(_KEY, ())]
        if not walks:
            return
        self._heard.add(worker)
        if self._recorder is not None:
            self._add(self._recorder, walks)
            return
        self._early.extend(walks)
        if len(self._heard) >= self._runner.worker_count:
            self._begin()

    def _begin(self) -> Recorder:
        begun = min(walk.sample.intended for walk in self._early)
        names = [j.name for j in self._user_class.journeys if j.weight > 0]
        self._recorder = Recorder(names, begun=begun, warmup_s=self._option("warmup", "warmup"))
        self._add(self._recorder, self._early)
        self._early = []
        return self._recorder

    def _add(self, recorder: Recorder, walks: Iterable[Walk]) -> None:
        for walk in walks:
            self._latest = max(self._latest, walk.sample.intended)
            recorder.add(walk)

    def _option(self, name: str, attribute: str) -> Any:
        value = getattr(self._options, name, None)
        return getattr(self._user_class, attribute) if value is None else value

    def result(self) -> LoadResult | None:
        if self._recorder is None and not self._early:
            return None
        recorder = self._recorder or self._begin()
        rate = self._option("arrival_rate", "rate")
        return recorder.result(
            ended=self._latest + 1 / rate,
            arrival=self._option("arrival", "arrival"),
            rate=rate,
            seed=self._option("arrival_seed", "seed"),
        )


def connect(environment: Environment) -> None:
    """Have walks sent (in a worker) or taken in (in the master); does nothing in a process that works alone."""
    if isinstance(environment.runner, WorkerRunner):
        outbox = _outboxes.setdefault(environment, [])

        def send(data: dict[str, Any], **_: Any) -> None:
            data[_KEY] = outbox.copy()
            outbox.clear()

        environment.events.report_to_master.add_listener(send)  # type: ignore[no-untyped-call]  # Locust's hooks carry no types
    elif isinstance(environment.runner, MasterRunner):
        master = _masters.setdefault(environment, _Master(environment, environment.runner))

        def receive(client_id: str, data: dict[str, Any], **_: Any) -> None:
            master.take(client_id, data)

        environment.events.worker_report.add_listener(receive)  # type: ignore[no-untyped-call]  # as above


def pass_on(environment: Environment, walk: Walk) -> None:
    """Put a walk into the next report to the master, where there is one."""
    if environment in _outboxes:
        _outboxes[environment].append(to_json(walk))


def results() -> dict[Environment, LoadResult]:
    """What the workers of this master have done together."""
    return {env: result for env, master in _masters.items() if (result := master.result()) is not None}


def share(environment: Environment) -> tuple[int, int]:
    """Which part of the common schedule is this process's: (mine, of how many)."""
    if not isinstance(environment.runner, WorkerRunner):
        return 0, 1
    of = max(1, int(getattr(environment.parsed_options, "expect_workers", 1) or 1))
    return environment.runner.worker_index % of, of
