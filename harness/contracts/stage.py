"""The door of this room: the stages schema, consumer and provider. The work itself is in the modules beside."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from harness.contracts.settings import ConsumerSettings, ProviderSettings, SchemaSettings
from harness.evidence import StageResult
from harness.pipeline.stage import Environment, Need, StageContext
from harness.system.fields import StageSettings
from harness.system.files import files_in
from harness.system.model import System

__all__ = ["ConsumerStage", "ProviderStage", "SchemaStage"]


_BROKER = "PACT_BROKER_BASE_URL"


class SchemaStage:
    """Documents are valid and keep what they promised."""

    name: ClassVar[str] = "schema"
    title: ClassVar[str] = "documents valid and compatible"
    narrows: ClassVar[tuple[str, ...]] = ("service",)
    settings: ClassVar[type[StageSettings]] = SchemaSettings
    after: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[tuple[str, ...]] = ()
    exclusive: ClassVar[bool] = False
    environment: ClassVar[Environment] = Environment.SYSTEM

    def inputs(self, system: System, settings: StageSettings) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """The baselines, documents that are files, and the pacts that say whom a change hits."""
        files = [d for s in system.services.values() for d in (s.openapi, s.asyncapi) if d and not _elsewhere(d)]
        return (f"{system.suites.baselines}/*.json", f"{system.suites.pacts}/*.json", *files)

    def needs(self, system: System, root: Path) -> tuple[Need, ...]:
        """Documents, and something to compare them with."""
        described = [n for n, s in system.services.items() if s.openapi or s.asyncapi]
        baselines = sorted((root / system.suites.baselines).glob("*.json"))
        return (
            Need("an OpenAPI or AsyncAPI document", bool(described), "set services.NAME.openapi in harness.toml"),
            Need(f"baselines in {system.suites.baselines}/", bool(baselines), "harness baseline", optional=True),
        )

    def check(self, system: System, root: Path) -> None:
        """See `ChecksFiles.check`."""
        files_in(root / system.suites.baselines, "*.json", system.suites.baselines)
        files_in(root / system.suites.pacts, "*.json", system.suites.pacts)

    def rules(self, root: Path) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """See `ListsRules.rules`."""
        from harness.contracts.rules import schema_rules

        return schema_rules()

    async def run(self, context: StageContext) -> StageResult:
        """Check every document."""
        from harness.contracts.schema.run import check_documents

        return await check_documents(context, context.settings_as(SchemaSettings))


class ConsumerStage:
    """Consumers keep to their own contracts, and publish them."""

    name: ClassVar[str] = "consumer"
    title: ClassVar[str] = "consumers against their contracts"
    narrows: ClassVar[tuple[str, ...]] = ()
    #: Names in its folder that later stages read; secrets are taken out of them when the run ends.
    hands_on: ClassVar[tuple[str, ...]] = ("pacts",)
    settings: ClassVar[type[StageSettings]] = ConsumerSettings
    after: ClassVar[tuple[str, ...]] = ()
    requires: ClassVar[tuple[str, ...]] = ()
    exclusive: ClassVar[bool] = False
    environment: ClassVar[Environment] = Environment.NONE

    def inputs(self, system: System, settings: StageSettings) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """The suite and the published pacts."""
        return (f"{system.suites.contracts}/**/*.py", f"{system.suites.pacts}/*.json")

    def needs(self, system: System, root: Path) -> tuple[Need, ...]:
        """Consumer tests."""
        folder = system.suites.contracts
        tests = [*(root / folder).rglob("test_*.py"), *(root / folder).rglob("*_test.py")]
        return (Need(f"consumer tests in {folder}/", bool(tests), "write one: docs/how-to/contracts.md"),)

    def check(self, system: System, root: Path) -> None:
        """See `ChecksFiles.check`."""
        files_in(root / system.suites.contracts, "*.py", system.suites.contracts)
        files_in(root / system.suites.pacts, "*.json", system.suites.pacts)

    def rules(self, root: Path) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """See `ListsRules.rules`."""
        from harness.contracts.rules import CONSUMER

        return CONSUMER

    async def run(self, context: StageContext) -> StageResult:
        """Run the suite."""
        from harness.contracts.consumer.run import run_consumer_tests

        return await run_consumer_tests(context, context.settings_as(ConsumerSettings))


class ProviderStage:
    """Providers keep every contract their consumers published."""

    name: ClassVar[str] = "provider"
    title: ClassVar[str] = "providers against all contracts"
    narrows: ClassVar[tuple[str, ...]] = ("service", "edge", "interaction")
    settings: ClassVar[type[StageSettings]] = ProviderSettings
    after: ClassVar[tuple[str, ...]] = ("consumer",)
    requires: ClassVar[tuple[str, ...]] = ()
    exclusive: ClassVar[bool] = False
    environment: ClassVar[Environment] = Environment.NONE

    def inputs(self, system: System, settings: StageSettings) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """The published pacts."""
        sources = [s for s in system.contracts.sources if not _elsewhere(s)]
        return (f"{system.suites.pacts}/*.json", f"{system.suites.contracts}/**/*.py", *sources)

    def needs(self, system: System, root: Path) -> tuple[Need, ...]:
        """Pacts, and handlers of provider states."""
        contracts = root / system.suites.contracts
        tests = [*contracts.rglob("test_*.py"), *contracts.rglob("*_test.py")]
        pacts = sorted((root / system.suites.pacts).glob("*.json"))
        states = [n for n, s in system.services.items() if s.states]
        elsewhere = bool(system.contracts.sources or system.contracts.broker.url or os.environ.get(_BROKER))
        return (
            Need(
                f"pacts in {system.suites.pacts}/" if not elsewhere else "pacts of other sources",
                bool(pacts) or elsewhere,
                f"pytest {system.suites.contracts}" if tests else "write a consumer test first",
                optional=bool(tests),  # a run takes what its consumer stage has just written
            ),
            Need("a provider-state handler", bool(states), "set services.NAME.states in harness.toml", optional=True),
        )

    def check(self, system: System, root: Path) -> None:
        """See `ChecksFiles.check`."""
        files_in(root / system.suites.contracts, "*.py", system.suites.contracts)
        files_in(root / system.suites.pacts, "*.json", system.suites.pacts)

    def rules(self, root: Path) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """See `ListsRules.rules`."""
        from harness.contracts.rules import PROVIDER

        return PROVIDER

    async def run(self, context: StageContext) -> StageResult:
        """Verify every provider that has pacts."""
        from harness.contracts.provider.run import verify_providers

        return await verify_providers(context, context.settings_as(ProviderSettings))


def _elsewhere(document: str) -> bool:
    return document.startswith("/") or "://" in document
