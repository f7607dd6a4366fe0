"""The Stage protocol: what every kind of evidence implements, and what it is given to work with.

A stage is found through the entry point group `harness.stages`. It runs in a process of its own, so it may use all the
memory and time it likes without disturbing the harness; it never prints and never exits, it emits events. An example:

    class LintStage:
        name = "lint"
        title = "OpenAPI style"
        settings = StageSettings
        after = ("schema",)
        requires = ()
        exclusive = False
        environment = Environment.NONE

        def inputs(self, system, settings):
            return tuple(s.openapi for s in system.services.values())

        def needs(self, system, root):
            return (Need("an OpenAPI document", any(s.openapi for s in system.services.values()), "set services.NAME.openapi"),)

        async def run(self, context):
            findings = [...]
            return context.result(work={"documents": 3}, findings=findings)
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar, runtime_checkable

from harness.evidence import Artifact, Finding, Measure, Redactor, StageResult, masked
from harness.guard import read_incidents
from harness.pipeline.events import Event, FindingFound, Note, StageProgress
from harness.pipeline.incidents import finding_of
from harness.system.fields import StageSettings
from harness.system.model import System

if TYPE_CHECKING:
    from harness.system.runtime import ProcessRuntime

__all__ = [
    "ChecksFiles",
    "ChecksSelection",
    "ChecksTargets",
    "Environment",
    "ListsRules",
    "Narrows",
    "Need",
    "Stage",
    "StageContext",
    "journeys_need",
]

S = TypeVar("S", bound=StageSettings)


class Environment(StrEnum):
    """What a stage wants to find running when it starts."""

    NONE = "none"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Need:
    """Something a stage cannot do without, or does better with.

    Args:
        what: e.g. "consumer tests in contracts/".
        met: whether it is there.
        remedy: how to get it, when it is not.
        optional: whether the stage can run without it.
    """

    what: str
    met: bool
    remedy: str = ""
    optional: bool = False


def journeys_need(system: System, root: Path) -> Need:
    """The need several stages share: a journeys file."""
    file = system.suites.journeys
    return Need(f"journeys at {file}", (root / file).is_file(), "write one: docs/how-to/synthetic.md")


class Stage(Protocol):
    """One kind of evidence.

    `name`: its name in files and on the command line. `title`: what it shows, in a few words. `settings`: the model of its
    `[stages.<name>]` table. `after`: stages that must have ended before it. `requires`: stages that must not have failed.
    `exclusive`: it measures time, so it runs alone. `environment`: what it wants to find running; a stage that wants the
    system for itself (with proxies, or with other neighbours) says `NONE` and brings up its own with `context.runtime()`.

    A stage whose folder holds what later stages read names that in `hands_on`: it stays as it is until the run ends.

    The class itself must be cheap to import: heavy libraries belong inside `run`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    settings: ClassVar[type[StageSettings]]
    after: ClassVar[tuple[str, ...]]
    requires: ClassVar[tuple[str, ...]]
    exclusive: ClassVar[bool]
    environment: ClassVar[Environment]

    def inputs(self, system: System, settings: StageSettings) -> tuple[str, ...]:
        """Globs (relative to the project) of the files its outcome depends on."""

    def needs(self, system: System, root: Path) -> tuple[Need, ...]:
        """What has to be there for the stage to do its work; cheap, starts nothing."""

    async def run(self, context: StageContext) -> StageResult:
        """Do the work.

        Raises:
            UsageError: when something the user wrote makes the stage impossible (ends inconclusive, exit code 2).
            InfrastructureError: when the machine or a tool failed (ends inconclusive, exit code 3).
        """


@runtime_checkable
class ListsRules(Protocol):
    """What a stage may have besides: the rules its findings carry, so that a gate on one nobody reports is told."""

    def rules(self, root: Path) -> frozenset[str] | None:
        """Every rule; None where that cannot be said. The rules of gates are not among them.

        Raises:
            ConfigError: when a file of the project that says which there are cannot be read.
        """


@runtime_checkable
class Narrows(Protocol):
    """What a stage may have besides: the keys of `--only` it keeps to. One without knows none, and is left out."""

    narrows: ClassVar[tuple[str, ...]]


@runtime_checkable
class ChecksFiles(Protocol):
    """What a stage may have besides: a look at its own files before anybody waits for a run to get there."""

    def check(self, system: System, root: Path) -> None:
        """Read the files the stage will need; cheap, starts nothing, runs no code of the project. A missing file is fine.

        Raises:
            ConfigError: naming the file and the mistake.
        """


@runtime_checkable
class ChecksSelection(Protocol):
    """What a stage may have besides: a look at what `--only` asks of it, before anybody waits for a run to get there."""

    def check_selection(self, system: System, only: Mapping[str, str]) -> None:
        """Make sure that there is what is asked for, as far as that can be known before the stage runs.

        Raises:
            UsageError: naming what there is not.
        """


@runtime_checkable
class ChecksTargets(Protocol):
    """What a stage may have besides: a look at where its traffic would go, before anything is asked there."""

    def check_targets(self, system: System) -> None:
        """Make sure that its traffic is invited wherever it would go.

        Raises:
            UsageError: naming the service, and how to invite it.
        """


@dataclass(slots=True)
class StageContext:
    """All that a running stage is given.

    Args:
        name: the stage's name.
        root: folder of `harness.toml`.
        system: the model.
        stage_settings: `[stages.<name>]` with the profile's overrides; read it with `settings_as`.
        profile: `quick` or `full`.
        seed: drives everything random in the stage.
        run_directory: folder of the run; artifact paths are relative to it.
        directory: the stage's own folder below it; exists.
        addresses: base URL of each running service, when the stage asked for `Environment.SYSTEM`; else empty.
        service_logs: log file of each of those services.
        jobs: how many processes it may keep busy.
        send: takes events.
        redactor: takes secrets out of text. Everything a stage reports, and every file it leaves, is masked without its
            doing (`harness.evidence.masking`, `sweep`); this is for what it sends elsewhere, or shortens first.
        only: narrowing from the command line (`--edge`, `--service` ...), e.g. `{"edge": "orders:payments"}`.
    """

    name: str
    root: Path
    system: System
    stage_settings: StageSettings
    profile: str
    seed: int
    run_directory: Path
    directory: Path
    addresses: Mapping[str, str]
    service_logs: Mapping[str, Path]
    jobs: int
    send: Callable[[Event], None]
    redactor: Redactor = field(default_factory=Redactor)
    only: Mapping[str, str] = field(default_factory=dict)
    _found: dict[str, Finding] = field(default_factory=dict)

    def settings_as(self, kind: type[S]) -> S:
        """Return the stage's settings as their own type."""
        if not isinstance(self.stage_settings, kind):
            raise TypeError(f"settings of {self.name} are {type(self.stage_settings).__name__}, not {kind.__name__}")
        return self.stage_settings

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Say how far the stage is."""
        self.send(StageProgress(stage=self.name, done=done, total=total, note=note))

    def note(self, text: str) -> None:
        """Say something worth a line of chatter."""
        self.send(Note(stage=self.name, text=text))

    def found(self, finding: Finding) -> None:
        """Report a finding as it comes; `result` includes it. The same fingerprint is reported once."""
        finding = masked(finding)  # first, so that two which differ in a secret only are one
        if finding.fingerprint not in self._found:
            self._found[finding.fingerprint] = finding
            self.send(FindingFound(stage=self.name, finding=finding))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding reported so far."""
        return tuple(self._found.values())

    def again(self, **only: str) -> str:
        """The command that runs this stage once more with the same randomness, narrowed as `--only` narrows it."""
        # One failure on one edge has options of its own.
        short = {"edge", "fault"} if "fault" in only else set()
        narrowed = [
            f"--{key} {shlex.quote(value)}" if key in short else f"--only {key}={shlex.quote(value)}"
            for key, value in only.items()
            if value
        ]
        profile = [] if self.profile == "quick" else [f"--profile {self.profile}"]
        return " ".join(["harness run", self.name, *narrowed, f"--seed {self.seed}", *profile])

    def tell_incidents(self) -> None:
        """Report what the guards of the stage's processes had to step in for, so far."""
        for incident in read_incidents(self.directory):
            self.found(finding_of(incident, self.name, self.again()))

    def artifact(self, path: Path, name: str = "", media_type: str = "text/plain") -> Artifact:
        """Describe a file below the run's directory as an artifact."""
        return Artifact(name or path.name, str(path.relative_to(self.run_directory)), media_type)

    def result(
        self,
        *,
        work: Mapping[str, int],
        measures: Iterable[Measure] = (),
        findings: Iterable[Finding] = (),
        artifacts: Iterable[Artifact] = (),
        reason: str = "",
    ) -> StageResult:
        """Conclude: status is drawn from the work done and every finding reported or passed here."""
        for finding in findings:
            self.found(finding)
        self.tell_incidents()
        return StageResult.conclude(
            self.name, work=work, measures=measures, findings=self.findings, artifacts=artifacts, reason=reason
        )

    def runtime(
        self,
        *,
        services: Iterable[str] | None = None,
        env: Mapping[str, Mapping[str, str]] | None = None,
        label: str = "system",
    ) -> ProcessRuntime:
        """Prepare the system, or some of its services, for this stage alone; nothing runs yet.

            runtime = context.runtime()
            runtime.wire("orders:payments", proxy_url)      # optional; addresses are known before the start
            async with runtime.running():                   # starts, and stops whatever happens
                ...runtime.addresses["orders"]...

        Args:
            services: which to start; all by default. An edge to one that is not started points at a closed port unless it
                is wired to something else (a stub).
            env: service -> further environment variables.
            label: names the folder below the stage's own where logs and data go.
        """
        from harness.system.runtime import ProcessRuntime

        system = self.system if services is None else self.system.only(services)
        return ProcessRuntime(system, root=self.root, directory=self.directory / label, env=env or {})
