"""Experiments in Python, for what TOML cannot say: `@experiment(...)` on a generator that yields what is done, in order.

    @experiment(journeys=["buy"], during={"expect": "degraded", "latency": "1s"}, recovery={"within": "3s"})
    def billing_flaps(chaos: Chaos):
        \"\"\"Billing comes and goes.\"\"\"
        for _ in range(3):
            yield chaos.inject("web -> billing", "refused")
            yield chaos.wait(0.5)
            yield chaos.lift()
            yield chaos.wait(0.3)

The function is called once, before anything starts: what it yields is the plan, checked as a whole and the same every time.
"""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import random
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.errors import ConfigError, HarnessError
from harness.system.files import shown_path

if TYPE_CHECKING:
    from harness.chaos.experiments import Experiment, Injection, Lift, Promises, Step, Wait
    from harness.chaos.processes import ProcessFault
    from harness.system.model import System

__all__ = ["Chaos", "experiment", "load_scripts"]

_MARK = "__harness_experiment__"
_MOST_STEPS = 1000

Script = Callable[["Chaos"], Generator["Step"]]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a step stands, for messages."""

    file: str
    function: str


def experiment(**promises: Any) -> Callable[[F], F]:
    """Decorator: make a generator function in `chaos/*.py` an experiment.

    Args:
        promises: what a file in TOML says beside its faults, with the same names and values: `journeys`, `during`, `rate`,
            `steady_state`, `recovery`, `after`; `name` (by default the function's) and `title` (its docstring's first line).
    """

    def mark(function: F) -> F:
        setattr(function, _MARK, promises)
        return function

    return mark


class Chaos:
    """Makes the steps of an experiment; each takes effect when it is yielded. What is in force at the end is lifted.

    `rng`: randomness that follows the run's seed.
    """

    def __init__(self, system: System, place: _Place, seed: int) -> None:
        self.rng = random.Random(f"{seed} {place.function}")
        self._system, self._place = system, place

    def inject(
        self, edge: str, toxic: str, *, stream: str = "downstream", toxicity: float = 1.0, **attributes: Any
    ) -> Injection:
        """Put a fault on an edge.

        Args:
            edge: `caller -> callee`. toxic: a toxic's type, or `refused`. attributes: as in Toxiproxy.

        Raises:
            ConfigError: when there is no such edge, toxic or attribute, or a value is out of range.
        """
        from harness.chaos.experiments import read_injection

        raw = {"type": toxic, "stream": stream, "toxicity": toxicity, "attributes": attributes, "edge": edge}
        return read_injection(raw, self._place.function, self._place.file, self._system)

    def kill(self, service: str) -> ProcessFault:
        """End a service with SIGKILL; it is started again by `lift`."""
        return self._process(service, "kill")

    def pause(self, service: str) -> ProcessFault:
        """Stop a service where it is (SIGSTOP), until `lift`."""
        return self._process(service, "pause")

    def restart(self, service: str) -> ProcessFault:
        """Ask a service to end and start it again; the next step comes when it is ready."""
        return self._process(service, "restart")

    def slow_start(self, service: str, delay: float) -> ProcessFault:
        """Ask a service to end and start it again only after that many seconds; the next step comes when it is ready."""
        return self._process(service, "slow_start", delay)

    def full_disk(self, service: str) -> ProcessFault:
        """Let every write of a service to a file fail, until `lift`."""
        return self._process(service, "full_disk")

    def wait(self, seconds: float) -> Wait:
        """Leave things as they are.

        Raises:
            ConfigError: when it is not a positive number of seconds.
        """
        from harness.chaos.experiments import Wait

        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 3600:
            raise self._wrong(f"wait takes seconds, more than 0 and at most 3600; found {seconds!r}.")
        return Wait(float(seconds))

    def lift(self) -> Lift:
        """Undo everything that is in force; a service that was killed is ready again before the next step."""
        from harness.chaos.experiments import Lift

        return Lift()

    def _process(self, service: str, action: str, delay: float = 0.0) -> ProcessFault:
        from harness.chaos.processes import ProcessAction, ProcessFault, check_process_fault

        fault = ProcessFault(service, ProcessAction(action), delay)
        check_process_fault(fault, self._place.function, self._place.file, self._system)
        return fault

    def _wrong(self, problem: str) -> ConfigError:
        return ConfigError(self._place.file, self._place.function, problem)


def load_scripts(system: System, root: Path, seed: int) -> tuple[Experiment, ...]:
    """Import every file of the experiments' folder and return the experiments in them, by file and as written.

    This runs the project's own code: call it in a stage, not where a run is only planned.

    Raises:
        ConfigError: when a file does not import, or on the first mistake in an experiment.
    """
    return tuple(e for file in script_files(system, root) for e in _of_file(file, system, root, seed))


def script_files(system: System, root: Path) -> tuple[Path, ...]:
    """Files of the experiments' folder that may hold experiments in Python."""
    from harness.chaos.experiments import INVARIANTS_FILE
    from harness.system.files import files_in

    found = files_in(root / system.suites.experiments, "*.py", system.suites.experiments)
    return tuple(f for f in found if f.name != INVARIANTS_FILE and not f.name.startswith("_"))


def _of_file(path: Path, system: System, root: Path, seed: int) -> Iterator[Experiment]:
    shown = shown_path(path, root)
    for name, function in _import(path, shown, root).items():
        promises = getattr(function, _MARK, None)
        if promises is not None and getattr(function, "__module__", "") == f"_experiments_{path.stem}":
            yield _experiment(path, _Place(shown, name), function, promises, system, seed)


def _import(path: Path, shown: str, root: Path) -> dict[str, Any]:
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))  # as for journeys: what stands beside harness.toml can be imported
    spec = importlib.util.spec_from_file_location(f"_experiments_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ConfigError(shown, "", f"does not import: {type(error).__name__}: {error}.") from error
    return vars(module)


def _experiment(
    path: Path, place: _Place, function: Script, promises: dict[str, Any], system: System, seed: int
) -> Experiment:
    from harness.chaos.experiments import Injection, experiment_of
    from harness.chaos.processes import ProcessFault

    table = _promises(promises, place)
    steps = _steps(function, Chaos(system, place, seed), place)
    doc = (function.__doc__ or "").strip().split("\n", maxsplit=1)[0].rstrip(".")
    return experiment_of(
        table.model_copy(update={"title": table.title or doc}),
        path,
        place.file,
        system,
        name=place.function.replace("_", "-"),
        faults=tuple(s for s in steps if isinstance(s, Injection)),
        processes=tuple(s for s in steps if isinstance(s, ProcessFault)),
        steps=steps,
    )


def _promises(promises: dict[str, Any], place: _Place) -> Promises:
    from pydantic import ValidationError

    from harness.chaos.experiments import Promises
    from harness.system.mistakes import translate

    try:
        return Promises.model_validate(promises)
    except ValidationError as error:
        raise translate(error, place.file, place.function, Promises) from None


def _steps(function: Script, chaos: Chaos, place: _Place) -> tuple[Step, ...]:
    from harness.chaos.experiments import Injection, Lift, Wait
    from harness.chaos.processes import ProcessFault

    def wrong(problem: str) -> ConfigError:
        return ConfigError(place.file, place.function, problem)

    if not inspect.isgeneratorfunction(function):
        raise wrong("must be a generator: it yields what is done, such as chaos.inject(...) and chaos.wait(...).")
    try:
        steps = tuple(itertools.islice(function(chaos), _MOST_STEPS + 1))
    except HarnessError:
        raise
    except Exception as error:
        raise wrong(f"cannot be planned: {type(error).__name__}: {error}.") from error
    if len(steps) > _MOST_STEPS:
        raise wrong(f"yields more than {_MOST_STEPS} steps; it is called once, as a plan, so it must come to an end.")
    for step in steps:
        if not isinstance(step, Injection | ProcessFault | Wait | Lift):
            raise wrong(f"yielded {step!r}; it must yield what the methods of chaos return.")
    if not any(isinstance(s, Injection | ProcessFault) for s in steps):
        raise wrong("injects nothing.")
    if not any(isinstance(s, Wait) for s in steps) and any(isinstance(s, Injection) for s in steps):
        raise wrong("never waits, so nobody would meet its faults; yield chaos.wait(seconds).")
    return steps
