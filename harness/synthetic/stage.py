"""The smoke stage (every journey once) and the synthetic stage (tagged journeys for a while, against objectives)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from harness.evidence import Artifact, Measure, Severity, StageResult
from harness.pipeline.stage import Environment, Need, StageContext, journeys_need
from harness.system.fields import Duration, Line, Rate, StageSettings
from harness.system.journeyscan import check_journey_names
from harness.system.mistakes import check_syntax
from harness.system.model import System

__all__ = ["SmokeSettings", "SmokeStage", "SyntheticSettings", "SyntheticStage"]


class SmokeSettings(StageSettings):
    """`[stages.smoke]`."""

    journeys: tuple[Line, ...] = Field((), description="Journeys to walk; all when empty.")
    request_timeout: Duration = Field(10.0, description="The longest one request may take.")


class SyntheticSettings(StageSettings):
    """`[stages.synthetic]`."""

    journeys: tuple[Line, ...] = Field((), description="Journeys to walk; all with a weight when empty.")
    rate: Rate = Field(5.0, description="Journeys started per second, all together.")
    duration: Duration = Field(8.0, description="For how long journeys are started.")
    request_timeout: Duration = Field(10.0, description="The longest one request may take.")


class SmokeStage:
    """Every journey once, through the whole system, in the order written."""

    name: ClassVar[str] = "smoke"
    title: ClassVar[str] = "each journey once"
    settings: ClassVar[type[StageSettings]] = SmokeSettings
    narrows: ClassVar[tuple[str, ...]] = ("journey",)
    after: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[tuple[str, ...]] = ()
    exclusive: ClassVar[bool] = False
    environment: ClassVar[Environment] = Environment.SYSTEM

    def inputs(self, system: System, settings: StageSettings) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """Files the outcome depends on."""
        return (system.suites.journeys,)

    def needs(self, system: System, root: Path) -> tuple[Need, ...]:
        """Journeys to walk."""
        return (journeys_need(system, root),)

    def check(self, system: System, root: Path) -> None:
        """See `ChecksFiles.check`."""
        check_syntax(root, system.suites.journeys)

    def rules(self, root: Path) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """See `ListsRules.rules`."""
        from harness.synthetic.rules import SMOKE

        return SMOKE

    async def run(self, context: StageContext) -> StageResult:
        """Walk.

        Raises:
            UsageError: when the journeys file cannot be used.
            InfrastructureError: when the driver fails.
        """
        from harness.synthetic import walks
        from harness.system.drive import Sample

        settings = context.settings_as(SmokeSettings)
        missing = walks.missing_journeys(context)
        if missing:
            return context.result(work={"journeys": 0}, reason=missing)
        samples: list[Sample] = []

        def take(sample: Sample) -> None:
            samples.append(sample)
            context.progress(len(samples), 0, sample.journey)
            if not sample.ok:
                context.found(walks.failed_walk(context, sample, severity=Severity.ERROR))

        await walks.walk(
            context,
            names=settings.journeys,
            rate=0,
            duration_s=0,
            request_timeout_s=settings.request_timeout,
            # On production even the first walk must not be taken for a real customer's.
            synthetic=context.system.runtime.production,
            on_sample=take,
        )
        idle = walks.idle(samples)
        if idle:
            return context.result(work={"journeys": 0}, reason=idle)
        return context.result(
            work={"journeys": len(samples), "requests": sum(len(s.steps) for s in samples)},
            measures=[Measure("smoke.duration", s.duration_ms, "ms", {"journey": s.journey}) for s in samples],
            findings=walks.empty(context, samples),
            artifacts=_journeys_log(context),
        )


class SyntheticStage:
    """Journeys as tagged synthetic traffic for a while; objectives and error budgets computed from it."""

    name: ClassVar[str] = "synthetic"
    title: ClassVar[str] = "users' journeys, tagged, against their objectives"
    settings: ClassVar[type[StageSettings]] = SyntheticSettings
    narrows: ClassVar[tuple[str, ...]] = ("journey",)
    after: ClassVar[tuple[str, ...]] = ("schema", "consumer", "provider", "fuzz", "smoke", "load", "chaos")
    requires: ClassVar[tuple[str, ...]] = ("smoke",)
    exclusive: ClassVar[bool] = True
    environment: ClassVar[Environment] = Environment.SYSTEM

    def inputs(self, system: System, settings: StageSettings) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """Files the outcome depends on."""
        return (system.suites.journeys, system.suites.slos)

    def needs(self, system: System, root: Path) -> tuple[Need, ...]:
        """Journeys to walk, and objectives to hold them against."""
        slos = system.suites.slos
        remedy = "write them: docs/how-to/synthetic.md"
        return (
            journeys_need(system, root),
            Need(f"objectives at {slos}", (root / slos).is_file(), remedy, optional=True),
        )

    def check(self, system: System, root: Path) -> None:
        """See `ChecksFiles.check`."""
        from harness.synthetic.slo import load_slos

        file = system.suites.slos
        slos = load_slos(root / file, file)
        check_syntax(root, system.suites.journeys)
        asked = ((file, f"slos.{number}.journey", (s.journey,)) for number, s in enumerate(slos))
        check_journey_names(root, system.suites.journeys, asked)

    def rules(self, root: Path) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """See `ListsRules.rules`."""
        from harness.synthetic.rules import SYNTHETIC

        return SYNTHETIC

    async def run(self, context: StageContext) -> StageResult:
        """Walk for a while, then judge.

        Raises:
            ConfigError: when the file of objectives has a mistake.
            UsageError: when the journeys file cannot be used.
            InfrastructureError: when the driver fails.
        """
        from harness.synthetic import judge, walks
        from harness.synthetic.slo import load_slos
        from harness.system.drive import Sample

        settings = context.settings_as(SyntheticSettings)
        slos = load_slos(context.root / context.system.suites.slos, context.system.suites.slos)
        if "journey" in context.only:
            slos = tuple(s for s in slos if s.journey == context.only["journey"])
        missing = walks.missing_journeys(context)
        if missing:
            return context.result(work={"walks": 0}, reason=missing)
        samples: list[Sample] = []
        rate = settings.rate

        def take(sample: Sample) -> None:
            samples.append(sample)
            context.progress(len(samples), max(1, round(rate * settings.duration)), sample.journey)

        await walks.walk(
            context,
            names=settings.journeys,
            rate=rate,
            duration_s=settings.duration,
            request_timeout_s=settings.request_timeout,
            synthetic=True,
            on_sample=take,
        )
        idle = walks.idle(samples)
        if idle:
            return context.result(work={"walks": 0}, reason=idle)
        return context.result(
            work=judge.work(samples),
            measures=judge.measures(samples, slos),
            findings=[*judge.findings(context, samples, slos), *walks.empty(context, samples)],
            artifacts=[*_chart(context, samples), *_journeys_log(context)],
        )


def _chart(context: StageContext, samples: list) -> list[Artifact]:  # type: ignore[type-arg]  # Sample is imported late
    from harness.evidence import CHART_MEDIA_TYPE, write_chart
    from harness.synthetic import judge

    if not samples:
        return []
    path = write_chart(context.directory / "series.json", judge.chart(samples))
    return [context.artifact(path, "series", CHART_MEDIA_TYPE)]


def _journeys_log(context: StageContext) -> list[Artifact]:
    log = context.directory / "journeys.log"
    return [context.artifact(log)] if log.is_file() and log.stat().st_size else []
