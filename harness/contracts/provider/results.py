"""What the provider stage sends back to the broker, and what it says of that. How it is sent is in `sources`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from harness.contracts.edges import edge_name
from harness.contracts.pacts import Pact
from harness.contracts.provider.judging import Judged, specified
from harness.contracts.sources.broker import BrokerAccess, broker_access
from harness.contracts.sources.build import Build, build_of
from harness.contracts.sources.publishing import Outcome, publish, publishing_asked
from harness.contracts.verified import PactResult
from harness.errors import UsageError
from harness.evidence import Finding, Place, Severity

if TYPE_CHECKING:
    from harness.pipeline.stage import StageContext

__all__ = ["Publisher", "kept", "publisher_for"]


@dataclass(frozen=True, slots=True)
class Publisher:
    """Publishes for one run."""

    access: BrokerAccess
    build: Build

    async def publish(self, context: StageContext, outcomes: Sequence[Outcome]) -> None:
        """Publish, and tell what the broker does not know afterwards: somebody will ask it whether to deploy."""
        problems = await publish(outcomes, self.access, self.build, context.redactor.text)
        for outcome, why in problems:
            pact = outcome.pact
            if not outcome.whole:
                context.note(f"{pact.edge}: not published, {why}")
                continue
            context.found(
                Finding(
                    rule="provider.not_published",
                    severity=Severity.ERROR,
                    title=f"the result of {pact.consumer} with {pact.provider} is not at the broker: {why}",
                    detail=f"pact: {pact.origin}\nversion of the provider: {self.build.version}",
                    place=Place(service=pact.provider, edge=edge_name(context.system, pact), consumer=pact.consumer),
                    key=pact.origin,
                )
            )
        sent = sum(bool(o.pact.links) for o in outcomes) - len(problems)
        branch = f" on {self.build.branch}" if self.build.branch else ""
        context.note(f"published {sent} results for version {self.build.version}{branch} to {self.access.url}")


async def publisher_for(context: StageContext) -> Publisher | None:
    """Who publishes the results of this run; None when nobody asked for it.

    Raises:
        UsageError: when it is asked for and cannot be; told before anything is verified.
    """
    broker = context.system.contracts.broker
    if not publishing_asked(broker, os.environ):
        return None
    access = broker_access(broker, os.environ, context.system.runtime.allow_targets)
    if access is None:
        raise UsageError("results are to be published, but no broker is named: set PACT_BROKER_BASE_URL")
    build = await anyio.to_thread.run_sync(build_of, context.root, os.environ)
    if not build.version:
        raise UsageError(
            "results are to be published, but the version of the provider is not known: set PACT_PROVIDER_VERSION"
        )
    return Publisher(access, build)


def kept(pact: Pact, result: PactResult | None, judged: Judged) -> bool:
    """Whether a provider kept a whole pact: each interaction was verified, in its states, and there was something to it."""
    if result is None or result.error or not pact.interactions:
        return False
    stated = not any(told.action == "setup" for told in result.states)
    said = all(specified(i) for i in pact.interactions)
    return stated and said and judged.kept == len(pact.interactions)
