"""The load stage: Locust in a child process for a while, and what came of it. Judging the numbers is done in `judge`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field

from harness.errors import InfrastructureError, UsageError
from harness.evidence import Artifact, StageResult
from harness.guard import INCIDENTS_FILE, Guarded, guarded_module
from harness.load.seen import SEEN_VARIABLE, TIMEOUT_VARIABLE, read_seen
from harness.pipeline.stage import Environment, Need, StageContext
from harness.system.children import log_tail
from harness.system.fields import Duration, Rate, Share, StageSettings, Whole
from harness.system.mistakes import check_syntax
from harness.system.model import System

if TYPE_CHECKING:
    from harness.system.children import ChildResult

__all__ = ["LoadSettings", "LoadStage"]

_START_UP_S = 30.0
_DRAIN_S = 5.0
#: Exit codes of Locust's own: 1 is for failed requests.
_OWN_CODES = {0, 1}
#: How much less than the time asked for load may have been made: in seconds (Locust's timer begins a little before its
#: users do, on a busy machine a little more), and as a share of it.
_SLACK_S, _SLACK = 1.5, 0.05
#: What Locust logs once it has read the locustfile.
_STARTED = "Starting Locust"


class LoadSettings(StageSettings):
    """`[stages.load]`."""

    rate: Rate | None = Field(
        None, description="Journeys started per second, all together; what the locustfile says when left out."
    )
    duration: Duration = Field(12.0, description="How long walks are counted.")
    warmup: Duration = Field(2.0, description="How long walks are made before they are counted.")
    arrival: Literal["constant", "poisson"] | None = Field(
        None, description="Spacing of arrivals; what the locustfile says when left out (constant by default)."
    )
    max_error_rate: Share = Field(0.01, description="Share of a journey's walks that may fail.")
    request_timeout: Duration = Field(10.0, description="The longest one request may take.")
    max_in_flight: Whole = Field(
        500, ge=1, le=100_000, description="An arrival that finds so many journeys under way fails at once."
    )
    max_lateness: Duration = Field(
        0.1, description="Where the generator itself is later than this at p99, latencies are not judged."
    )
    users: Whole = Field(
        10, ge=1, le=100_000, description="Users of a locustfile that does not use harness.load.locust.ArrivalUser."
    )


class LoadStage:
    """Journeys as users at a constant arrival rate."""

    name: ClassVar[str] = "load"
    title: ClassVar[str] = "journeys at the expected rate"
    settings: ClassVar[type[StageSettings]] = LoadSettings
    narrows: ClassVar[tuple[str, ...]] = ()
    after: ClassVar[tuple[str, ...]] = ("schema", "consumer", "provider", "fuzz", "smoke")
    requires: ClassVar[tuple[str, ...]] = ("smoke",)
    exclusive: ClassVar[bool] = True
    environment: ClassVar[Environment] = Environment.SYSTEM

    def inputs(self, system: System, settings: StageSettings) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """Files the outcome depends on."""
        return (system.suites.locustfile, system.suites.journeys)

    def needs(self, system: System, root: Path) -> tuple[Need, ...]:
        """A locustfile."""
        file = system.suites.locustfile
        return (Need(f"a locustfile at {file}", (root / file).is_file(), "write one: docs/how-to/load.md"),)

    def check(self, system: System, root: Path) -> None:
        """See `ChecksFiles.check`."""
        check_syntax(root, system.suites.locustfile)

    def check_targets(self, system: System) -> None:
        """See `ChecksTargets.check_targets`."""
        check_targets(system, {n: s.url for n, s in system.services.items() if s.url})

    def rules(self, root: Path) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """See `ListsRules.rules`."""
        from harness.load.rules import RULES

        return RULES

    async def run(self, context: StageContext) -> StageResult:
        """Run Locust and read what it left.

        Raises:
            UsageError: when a target is not allowed, or the locustfile cannot be used.
            InfrastructureError: when Locust fails, or runs into its time limit.
        """
        locustfile = context.system.suites.locustfile
        if not (context.root / locustfile).is_file():
            return context.result(work={"journeys": 0}, reason=_missing(locustfile))
        check_targets(context.system, context.addresses)
        ended = await _run_locust(context)
        return _conclude(context, ended)


def check_targets(system: System, addresses: Mapping[str, str]) -> None:
    """Make sure that no load goes where it was not invited.

    Args:
        addresses: base URL of each service.

    Raises:
        UsageError: naming the service.
    """
    if system.runtime.production:
        raise UsageError("load is not put on production (runtime.production = true); synthetic checks only.")
    for service, url in addresses.items():
        host = urlsplit(url).hostname or url
        if not system.runtime.invites(url):
            raise UsageError(
                f"services.{service} runs at {url}, which is not this machine: load refuses it. "
                f'To allow it: [runtime] allow_targets = ["{host}"].'
            )


def _missing(locustfile: str) -> str:
    return (
        f"there is no {locustfile}, so no load was made. Write one (docs/how-to/load.md has a ten-line example), "
        f"or switch the stage off: [stages.load] enabled = false, reason = ..."
    )


async def _run_locust(context: StageContext) -> ChildResult:
    import anyio

    from harness.system.channel import Channel
    from harness.system.children import run_child

    settings = context.settings_as(LoadSettings)
    total_s = math.ceil(settings.warmup + settings.duration)
    limit_s = total_s + settings.request_timeout + _DRAIN_S + _START_UP_S
    log = context.directory / "locust.log"
    for stale in (_result_file(context), _stats_file(context), _seen_file(context), log):
        stale.unlink(missing_ok=True)
    with anyio.fail_after(limit_s + _START_UP_S):
        with Channel() as channel:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_tell_progress, context, total_s)
                tasks.start_soon(channel.pump)
                done = await run_child(
                    command(context, total_s),
                    cwd=context.root,
                    log=log,
                    time_limit_s=limit_s,
                    env={**_environment(context, settings), **_guarded(context).environment()},
                    channel=channel,
                )
                tasks.cancel_scope.cancel()
    if done.timed_out:
        raise InfrastructureError(f"Locust did not end within {limit_s:g} s; see {log}")
    if not _result_file(context).is_file() and not _stats_file(context).is_file():
        raise _why_nothing(context, log, done.returncode)
    return done


def _guarded(context: StageContext) -> Guarded:
    invitation = context.system.runtime.invitation(context.addresses.values())
    return Guarded(invitation, context.directory / INCIDENTS_FILE)


def command(context: StageContext, total_s: int) -> list[str]:
    """The command line of Locust; the plugin's own options go through the environment, so that any locustfile takes it."""
    settings = context.settings_as(LoadSettings)
    users = str(settings.users)
    return [
        *guarded_module("locust", "-f", context.system.suites.locustfile, first=("harness.load.watch",)),
        *("--headless", "--only-summary", "--host", context.addresses[context.system.entry]),
        *("--users", users, "--spawn-rate", users, "--run-time", f"{total_s}s"),
        *("--stop-timeout", str(math.ceil(settings.request_timeout))),
        # Locust adds `.json` to this name.
        *("--json-file", str(_stats_file(context).with_suffix(""))),
    ]


def _environment(context: StageContext, settings: LoadSettings) -> dict[str, str]:
    own = {"HARNESS_LOAD_RATE": settings.rate, "HARNESS_LOAD_ARRIVAL": settings.arrival}
    return {
        **{name: str(value) for name, value in own.items() if value is not None},
        "HARNESS_LOAD_SEED": str(context.seed),
        "HARNESS_LOAD_WARMUP": str(settings.warmup),
        TIMEOUT_VARIABLE: str(settings.request_timeout),
        "HARNESS_LOAD_IN_FLIGHT": str(settings.max_in_flight),
        "HARNESS_LOAD_ENTRY": context.system.entry,
        "HARNESS_LOAD_BASE_URLS": ",".join(f"{n}={url}" for n, url in context.addresses.items()),
        "HARNESS_LOAD_RESULT": str(_result_file(context)),
        SEEN_VARIABLE: str(_seen_file(context)),
    }


async def _tell_progress(context: StageContext, total_s: int) -> None:
    import anyio

    begun = anyio.current_time()
    while (elapsed := anyio.current_time() - begun) < total_s:
        context.progress(elapsed, total_s, "load")
        await anyio.sleep(1)
    context.progress(total_s, total_s, "waiting for the last answers")


def _result_file(context: StageContext) -> Path:
    return context.directory / "load.json"


def _stats_file(context: StageContext) -> Path:
    return context.directory / "locust-stats.json"


def _seen_file(context: StageContext) -> Path:
    return context.directory / "locust-seen.json"


def _why_nothing(context: StageContext, log: Path, returncode: int) -> Exception:
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    file = context.system.suites.locustfile
    lines = [line for line in text.splitlines() if line.strip()]
    said = next((line for line in reversed(lines) if not line.startswith((" ", "["))), lines[-1] if lines else "")
    if "Traceback" in text:
        return UsageError(f"{file} does not import: {said} (whole traceback in {log})")
    if "No User class found" in text:
        return UsageError(
            f"{file} has no user class: derive one from harness.load.locust.ArrivalUser or locust.HttpUser."
        )
    if _STARTED not in text:
        return UsageError(f"{file} ends Locust (exit code {returncode}) before it has started: {said} ({log})")
    return InfrastructureError(f"Locust ended with {returncode} and left no result; last line of {log}: {said}")


def _why_no_work(log: Path) -> str:
    from harness.system.children import log_tail

    errors = [line.partition("/ERROR/")[2] for line in log_tail(log, 200).splitlines() if "/ERROR/" in line]
    return "Locust ran, but made no request" + (f"; its log says: {errors[-1][:200]}" if errors else f"; see {log}")


def _conclude(context: StageContext, ended: ChildResult) -> StageResult:
    from harness.evidence import CHART_MEDIA_TYPE, write_chart
    from harness.evidence.sweep import sweep_file
    from harness.load import judge, native
    from harness.load.result import LoadResult

    settings = context.settings_as(LoadSettings)
    file, log = _result_file(context), context.directory / "locust.log"
    for left in (file, log):  # Locust's process saw answers, and knows nothing of what must not be stored
        sweep_file(left, context.redactor)
    if file.is_file():
        result = LoadResult.read(file)
    else:
        result = native.read_stats(_stats_file(context), seed=context.seed)
        result.write(file)
        context.note(judge.CLOSED_MODEL)
    limits = judge.Limits(
        max_error_rate=settings.max_error_rate,
        max_lateness_ms=settings.max_lateness * 1000,
        logs=context.service_logs,
        reproduce=context.again(),
        redact=context.redactor.text,
        seen=read_seen(_seen_file(context)),
    )
    wanted_s = settings.warmup + settings.duration
    took_s = result.warmup_s + result.duration_s if result.model == "open" else limits.seen.lasted_s
    if took_s < wanted_s - max(_SLACK_S, _SLACK * wanted_s) or ended.returncode not in _OWN_CODES:
        said = context.redactor.text(log_tail(log))
        context.found(judge.ended_early(wanted_s, took_s, ended.returncode, context.again(), said))
    charts = {"series": result.latency_chart(), "series-rate": result.rate_chart()}
    artifacts: list[Artifact] = [context.artifact(file, "load", "application/vnd.harness.load+json")]
    for name, chart in charts.items():
        if any(s.points for s in chart.series):
            path = write_chart(context.directory / f"{name}.json", chart)
            artifacts.append(context.artifact(path, name, CHART_MEDIA_TYPE))
    artifacts.append(context.artifact(log))
    work = judge.work(result)
    return context.result(
        work=work,
        reason="" if any(work.values()) else _why_no_work(log),
        measures=judge.measures(result, limits),
        findings=judge.findings(result, limits),
        artifacts=artifacts,
    )
