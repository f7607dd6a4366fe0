"""The door of this room: the fuzz stage. It decides order and time; the modules beside it do the parts."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import anyio
import anyio.to_thread
from pydantic import Field

from harness.errors import HarnessError, StartError
from harness.evidence import Redactor, StageResult
from harness.pipeline.stage import Environment, Need, StageContext
from harness.system.fields import Duration, Line, StageSettings, Whole
from harness.system.model import Service, System

if TYPE_CHECKING:
    from harness.fuzz.documents import Document
    from harness.fuzz.session import Session
    from harness.system.runtime import ProcessRuntime

__all__ = ["FuzzSettings", "FuzzStage"]

_PER_SERVICE_S = {"quick": 4.0, "full": 60.0}
#: Examples of each operation, and sequences of requests, that are tried however long it takes.
_EXAMPLES = {"quick": 15, "full": 100}
#: Start-up of Schemathesis, in seconds; only for telling how far the stage is.
_OVERHEAD_S = 3.0


class FuzzSettings(StageSettings):
    """`[stages.fuzz]`; everything else belongs into the project's own `schemathesis.toml`."""

    max_time: Duration | None = Field(
        None,
        description="Time for a service of average size; larger ones get more, in proportion to their operations. "
        "4s in the quick profile, 60s in the full one.",
    )
    max_examples: Whole | None = Field(
        None, ge=1, le=1_000_000, description="The most examples for one operation and phase."
    )
    checks: tuple[Line, ...] = Field((), description="Schemathesis checks to run; all by default.")
    exclude_checks: tuple[Line, ...] = Field((), description="Schemathesis checks to leave out.")
    exclude: tuple[Line, ...] = Field((), description="Services not to fuzz.")
    time_limit: Duration = Field(900.0, description="The longest the stage may take.")


class FuzzStage:
    """Schemathesis on every service with an OpenAPI document, all phases; failures are replayed before they are told."""

    name: ClassVar[str] = "fuzz"
    title: ClassVar[str] = "services answer any input as their OpenAPI documents say"
    settings: ClassVar[type[StageSettings]] = FuzzSettings
    narrows: ClassVar[tuple[str, ...]] = ("service",)
    after: ClassVar[tuple[str, ...]] = ("schema",)
    requires: ClassVar[tuple[str, ...]] = ()
    exclusive: ClassVar[bool] = False
    # A system of its own: what fuzzing leaves in the stores must not reach other stages.
    environment: ClassVar[Environment] = Environment.NONE

    def inputs(self, system: System, settings: StageSettings) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """The services' code, documents kept as files, and Schemathesis' configuration."""
        documents = (s.openapi for s in system.services.values())
        files = (d for d in documents if d and not d.startswith("/") and "//" not in d)
        return (*files, "schemathesis.toml", "**/*.py")

    def needs(self, system: System, root: Path) -> tuple[Need, ...]:  # noqa: ARG002 - the protocol's
        """OpenAPI documents."""
        described = any(s.openapi for s in system.services.values())
        return (Need("an OpenAPI document", described, "set services.NAME.openapi in harness.toml"),)

    def check(self, system: System, root: Path) -> None:
        """See `ChecksFiles.check`."""
        from harness.fuzz.rules import CONFIG_FILE
        from harness.system.files import read_file, there
        from harness.system.toml import read_toml

        if there(root / CONFIG_FILE, CONFIG_FILE):
            read_toml(root / CONFIG_FILE)
        for service in system.services.values():
            file = service.openapi
            if file and not file.startswith("/") and "//" not in file and there(root / file, file):
                read_file(root / file, file)

    def rules(self, root: Path) -> frozenset[str] | None:
        """See `ListsRules.rules`."""
        from harness.fuzz.rules import rules

        return rules(root)

    async def run(self, context: StageContext) -> StageResult:
        """Fuzz.

        Raises:
            UsageError: when traffic was not invited, a service does not exist, or `schemathesis.toml` is refused.
            InfrastructureError: when Schemathesis broke and nothing else was found.
        """
        from harness.fuzz.conclusion import conclude
        from harness.fuzz.configuration import check_configuration
        from harness.fuzz.process import warm_up
        from harness.fuzz.targets import candidates, check_invited

        settings = context.settings_as(FuzzSettings)
        check_configuration(context.root / "schemathesis.toml", context.system.runtime)
        services, left = candidates(context.system, context.only, settings.exclude)
        for name, reason in left.items():
            context.note(f"{name} is not fuzzed: {reason}")
        if not services:
            reasons = "; ".join(f"{name} {reason}" for name, reason in left.items())
            return context.result(
                work={"services": 0, "operations": 0, "cases": 0}, reason=f"nothing to fuzz: {reasons}"
            )
        runtime = context.runtime()
        check_invited(context.system, runtime.addresses, services)
        await warm_up(_cache(context), context.directory / "hypothesis.log")
        async with runtime.running():
            sessions = await _sessions(context, settings, services, runtime)
            await _side_by_side(context, sessions, runtime)
        await _second_chance(context, sessions)
        return conclude(context, sessions)


async def _sessions(
    context: StageContext, settings: FuzzSettings, services: Iterable[Service], runtime: ProcessRuntime
) -> list[Session]:
    """One for each service whose document can be used, largest first; a document that cannot is a finding."""
    from harness.fuzz.session import Options, Session
    from harness.fuzz.targets import Target, shares
    from harness.fuzz.telling import Teller
    from harness.system.auth import resolve

    services = list(services)
    documents = {s.name: await anyio.to_thread.run_sync(_document, context, s, runtime) for s in services}
    usable = {n: d for n, d in documents.items() if not d.problem}
    per_service = settings.max_time or _PER_SERVICE_S[context.profile]
    # Somebody who asks for one service wants to see again what a whole run found, where it may have had a larger share.
    seconds = shares(usable, per_service * 2 if context.only else per_service)
    config = context.root / "schemathesis.toml"
    options = Options(
        root=context.root,
        directory=context.directory,
        cache=_cache(context),
        config=config if config.is_file() else None,
        seed=context.seed,
        examples=_EXAMPLES[context.profile],
        max_examples=settings.max_examples,
        checks=settings.checks,
        exclude_checks=settings.exclude_checks,
        allow_targets=context.system.runtime.allow_targets,
    )
    progress = _Progress(context, sum(seconds.values()) + _OVERHEAD_S * len(usable))
    sessions = []
    for service in services:
        auth = await anyio.to_thread.run_sync(resolve, service, context.root)
        redactor = Redactor((*context.system.redact, *auth), _secrets(auth))
        teller = Teller(service.name, redactor, context.again(service=service.name))
        document = documents[service.name]
        if document.problem:
            context.found(teller.document(document.location, document.problem))
            continue
        target = Target(service.name, runtime.addresses[service.name], document, auth, seconds[service.name])
        sessions.append(Session(target, runtime, options, teller, redactor, context.found, progress.tick))
    sessions.sort(key=lambda s: -s.target.seconds)
    progress.sessions = sessions
    return sessions


def _document(context: StageContext, service: Service, runtime: ProcessRuntime) -> Document:
    from harness.fuzz.documents import load_document
    from harness.system.auth import resolve

    def credentials() -> Mapping[str, str]:
        return resolve(service, context.root)

    directory = context.directory / service.name
    return load_document(service, runtime.addresses[service.name], context.root, directory, credentials)


def _cache(context: StageContext) -> Path:
    shared = context.root / ".harness" / "cache" / "hypothesis"
    with suppress(OSError):
        shared.mkdir(parents=True, exist_ok=True)
    return shared if os.access(shared, os.W_OK | os.X_OK) else context.directory / "cache"


def _secrets(auth: Mapping[str, str]) -> list[str]:
    """The header values, and the tokens in them without the scheme before."""
    return [secret for value in auth.values() for secret in (value, value.rpartition(" ")[2])]


class _Progress:
    """How far the stage is, in seconds of work of all services together."""

    def __init__(self, context: StageContext, total_s: float) -> None:
        self._context, self._total_s = context, total_s
        self._told = 0.0
        self.sessions: list[Session] = []

    def tick(self) -> None:
        """Tell, at most twice a second."""
        now = time.monotonic()
        if now - self._told < 0.5:
            return
        self._told = now
        done = sum(s.target.seconds + _OVERHEAD_S if s.ended else s.elapsed_s(now) for s in self.sessions)
        cases = sum(s.report.cases for s in self.sessions)
        busy = ", ".join(s.target.name for s in self.sessions if s.begun and not s.ended)
        self._context.progress(min(done, self._total_s), self._total_s, f"{cases} cases; now {busy}")


async def _side_by_side(context: StageContext, sessions: list[Session], runtime: ProcessRuntime) -> None:
    """As many at once as the stage may keep processes busy, largest first.

    Raises:
        UsageError: the first session's; the others are cancelled.
    """
    waiting = iter(sessions)

    one_at_a_time = anyio.Lock()

    async def work() -> None:
        for session in waiting:
            await session.run()
            async with one_at_a_time:
                await _tend(context, sessions, runtime)

    try:
        async with anyio.create_task_group() as tasks:
            for _ in range(max(1, min(context.jobs, len(sessions)))):
                tasks.start_soon(work)
    except* HarnessError as group:
        raise group.exceptions[0] from None


async def _tend(context: StageContext, sessions: list[Session], runtime: ProcessRuntime) -> None:
    """Report and restart what died although it was not its turn; whose turn it is looks after itself."""
    from harness.fuzz.telling import Teller
    from harness.system.children import log_tail

    busy = {s.target.name for s in sessions if s.begun and not s.ended}
    fuzzed = ", ".join(s.target.name for s in sessions if s.begun)
    for name in set(runtime.died()) - busy:
        teller = Teller(name, context.redactor, context.again())
        context.found(teller.died_beside(fuzzed, log_tail(runtime.logs[name], lines=15)))
        with suppress(StartError):  # it stays down, and what that does to the others shows in their answers
            await runtime.restart(name)


async def _second_chance(context: StageContext, sessions: list[Session]) -> None:
    """What did not show again may depend on what the service had stored: replay it once more on a fresh start."""
    from harness.fuzz.replay import Replayer

    doubtful = [(s, f) for s in sessions for f in s.doubtful]
    if not doubtful:
        return
    runtime = context.runtime(label="replay")
    async with runtime.running():
        for session, failure in doubtful:
            target = session.target
            replayer = Replayer(runtime.addresses[target.name], target.document.text)
            again = await anyio.to_thread.run_sync(replayer.shows_again, failure)
            session.tell(again or failure, reproduced=again is not None, seen_as=failure)
