"""Sends the results of a verification to the broker the pacts came from. Verifies and judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version

import anyio

from harness.contracts.pacts import Interaction, Pact
from harness.contracts.sources.broker import BrokerAccess, BrokerSource, Hal
from harness.contracts.sources.build import Build
from harness.contracts.sources.web import Answer, shown
from harness.contracts.verified import InteractionResult, PactResult
from harness.errors import HarnessError, InfrastructureError, UsageError
from harness.system.model import Broker

__all__ = ["Outcome", "payload", "publish", "publishing_asked"]

_RESULTS = "pb:publish-verification-results"
_BRANCHES = ("pb:pacticipant-branch-version", "pb:branch-version")
_YES = {"true", "1", "yes", "on"}
_MAX_TEXT = 1_000
_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one pact.

    Args:
        whole: whether every one of its interactions was asked for; results of a part would pass for the whole.
        success: whether every interaction was really verified and kept; that is for the stage to judge.
        doubt: why its results prove nothing, such as a provider that ended meanwhile; empty when there is no doubt.
    """

    pact: Pact
    result: PactResult | None
    whole: bool
    success: bool
    doubt: str = ""

    @property
    def unfit(self) -> str:
        """Why there is nothing to publish; empty when there is."""
        if not self.whole:
            return "only a part of it was verified"
        if self.doubt:
            return self.doubt
        answered = [r for r in self.result.interactions if r.judged] if self.result else []
        return "" if answered else "nothing of it was verified"


def publishing_asked(broker: Broker, env: Mapping[str, str]) -> bool:
    """Whether results are to be sent: by the environment, else by the file."""
    said = env.get("PACT_BROKER_PUBLISH_VERIFICATION_RESULTS", "").strip().lower()
    return said in _YES if said else broker.publish


async def publish(
    outcomes: Sequence[Outcome], access: BrokerAccess, build: Build, clean: Callable[[str], str]
) -> list[tuple[Outcome, str]]:
    """Publish what came of each pact that the broker handed out; others are none of its business.

    Args:
        clean: takes secrets out of a text.

    Returns:
        What the broker does not know now, and why; empty when it knows all.
    """
    mine = [o for o in outcomes if o.pact.links]
    problems = [(o, o.unfit) for o in mine if o.unfit]
    named: dict[str, str] = {}
    left = [o for o in mine if not o.unfit]
    with anyio.move_on_after(_LIMIT_S):
        while left:
            why = await _publish_one(left[0], access, build, clean, named)
            done = left.pop(0)
            if why:
                problems.append((done, why))
    return problems + [(o, f"there was no time left after {_LIMIT_S:g} s") for o in left]


async def _publish_one(
    outcome: Outcome, access: BrokerAccess, build: Build, clean: Callable[[str], str], named: dict[str, str]
) -> str:
    """Publish one; gives what went wrong. `named`: provider -> what went wrong with its branch."""
    pact = outcome.pact
    if _RESULTS not in pact.links:
        return f"the broker gives no link {_RESULTS}"
    try:
        if build.branch and pact.provider not in named:
            # Before any result: the broker judges by the branch whether a pact is pending from now on.
            named[pact.provider] = await _name_branch(access, pact, build)
        _check(await access.web.send("POST", pact.links[_RESULTS], payload(outcome, build, clean)))
    except HarnessError as error:
        return str(error)
    return named.get(pact.provider, "")


def payload(outcome: Outcome, build: Build, clean: Callable[[str], str]) -> dict[str, object]:
    """The body of a verification result, as the broker's API takes it."""
    results = {r.key: r for r in outcome.result.interactions} if outcome.result else {}
    body: dict[str, object] = {
        "success": outcome.success,
        "providerApplicationVersion": build.version,
        "testResults": [_test(i, results.get(i.key), clean) for i in outcome.pact.interactions],
        "verifiedBy": {"implementation": "release-harness", "version": version("release-harness")},
    }
    if build.url:
        body["buildUrl"] = build.url
    return body


def _test(interaction: Interaction, result: InteractionResult | None, clean: Callable[[str], str]) -> dict[str, object]:
    test: dict[str, object] = {
        "interactionDescription": interaction.description,
        "success": result is not None and result.status == "ok",
    }
    if isinstance(interaction.raw.get("_id"), str):
        test["interactionId"] = interaction.raw["_id"]
    texts = [clean(p)[:_MAX_TEXT] for p in result.problems] if result else ["the verifier did not report on it"]
    if result and result.status == "mismatch":
        test["mismatches"] = [{"attribute": _attribute(t), "description": t} for t in texts]
    elif not test["success"]:
        test["exceptions"] = [{"message": t} for t in texts]
    return test


def _attribute(problem: str) -> str:
    """What of an answer a mismatch is about, as far as its text says it."""
    word = problem.partition(":")[0].split(".")[0].split("[")[0].lower()
    return word if word in {"status", "body"} else "header" if "header" in problem.lower() else "body"


async def _name_branch(access: BrokerAccess, pact: Pact, build: Build) -> str:
    """Tell the broker which branch this version of the provider is on, before any result of it; gives what went wrong."""
    source = BrokerSource(access, (), Broker())
    values = {"pacticipant": pact.provider, "branch": build.branch, "version": build.version}
    url = (await source.index()).link(_BRANCHES[0], **values)
    if not url and pact.links.get("pb:provider"):
        answer = await access.web.get(pact.links["pb:provider"])
        _check(answer)
        try:
            url = Hal(answer.url, answer.json()).link(_BRANCHES[1], **values)
        except (ValueError, AttributeError):
            url = ""
    if not url:
        return f"its branch {build.branch} is not there: the broker gives no link {_BRANCHES[0]}"
    _check(await access.web.send("PUT", url, {}))
    return ""


def _check(answer: Answer) -> None:
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise InfrastructureError(f"{shown(answer.url)} answered {answer.status}")
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        raise UsageError(f"{shown(answer.url)} answered {answer.status}: {answer.body[:200].decode(errors='replace')}")
