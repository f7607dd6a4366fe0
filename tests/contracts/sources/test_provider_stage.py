"""The provider stage with a Pact Broker: what it verifies, what it sends back, and what it never sends back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from harness.contracts.stage import ProviderStage
from harness.errors import InfrastructureError, UsageError
from harness.evidence import Severity, StageResult, Status
from harness.pipeline.events import Event, Note
from tests.contracts.shop import PROVIDER, TOML, http, pact, project
from tests.contracts.sources.broker import FakeBroker, broker
from tests.helpers import make_context

KEPT = pact(http("an order", body={"id": "1", "total": 100}, states=["an order"]))
BROKEN = pact(http("a price", body={"id": "1", "price": 100}), consumer="app")
ONE_ANSWER = PROVIDER.replace("self.answer(404, {})", "self.do_GET()").replace(
    'if self.path.startswith("/orders/") else {}', ""
)
assert ONE_ANSWER != PROVIDER


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBroker]:
    with broker(token="right") as running:
        monkeypatch.setenv("PACT_BROKER_BASE_URL", running.url)
        monkeypatch.setenv("PACT_BROKER_TOKEN", "right")
        monkeypatch.setenv("PACT_BROKER_PUBLISH_VERIFICATION_RESULTS", "true")
        monkeypatch.setenv("PACT_PROVIDER_VERSION", "v2")
        monkeypatch.setenv("PACT_PROVIDER_BRANCH", "main")
        monkeypatch.setenv("PACT_BUILD_URL", "https://ci.example.com/7")
        yield running


def verify(
    root: Path,
    *local: dict[str, Any],
    only: dict[str, str] | None = None,
    toml: str = TOML,
    provider: str = PROVIDER,
    events: list[Event] | None = None,
) -> StageResult:
    made = project(root, toml, local, {"orders.py": provider})
    context = make_context(made, ProviderStage(), [] if events is None else events, only=only)

    async def run() -> StageResult:
        with anyio.fail_after(90):
            return await ProviderStage().run(context)

    return anyio.run(run)


def rules(result: StageResult) -> set[str]:
    return {f.rule for f in result.findings}


def kept_before(fake: FakeBroker, content: dict[str, Any]) -> None:
    """Publish a pact that this branch of the provider once kept, so that it is not pending."""
    version = fake.publish(content)
    fake.branches[version.provider, "v1"] = "main"
    fake.results.append((version.sha, {"success": True, "providerApplicationVersion": "v1"}))


def sent(fake: FakeBroker) -> list[dict[str, Any]]:
    return [body for _, body in fake.results if body["providerApplicationVersion"] == "v2"]


def test_a_pact_of_the_broker_is_verified_and_its_result_sent_back(tmp_path: Path, fake: FakeBroker) -> None:
    kept_before(fake, KEPT)

    result = verify(tmp_path)

    assert result.status is Status.PASS, result
    assert result.work["interactions"] == 1
    [body] = sent(fake)
    assert body["success"] is True
    assert body["buildUrl"] == "https://ci.example.com/7"
    assert body["verifiedBy"]["implementation"] == "release-harness"
    [test] = body["testResults"]
    assert (test["success"], test["interactionDescription"]) == (True, "an order")
    assert len(test["interactionId"]) == 40
    assert fake.branches["orders", "v2"] == "main"


def test_a_broken_pact_of_the_broker_fails_and_is_sent_back_as_broken(tmp_path: Path, fake: FakeBroker) -> None:
    kept_before(fake, BROKEN)

    result = verify(tmp_path)

    assert result.status is Status.FAIL
    [finding] = [f for f in result.findings if f.rule == "provider.mismatch"]
    assert finding.place.file.startswith(fake.url)
    [body] = sent(fake)
    assert body["success"] is False
    [told] = body["testResults"][0]["mismatches"]
    assert told["attribute"] == "body"
    assert "missing `price`" in told["description"]


def test_a_pending_pact_only_warns_and_is_sent_back_as_it_is(tmp_path: Path, fake: FakeBroker) -> None:
    kept_before(fake, KEPT)
    fake.publish(BROKEN)

    result = verify(tmp_path)

    assert result.status is Status.WARN
    assert [f.severity for f in result.findings] == [Severity.WARNING]
    assert sorted(b["success"] for b in sent(fake)) == [False, True]


def test_the_same_mismatch_is_an_error_where_one_version_is_pending_and_the_other_is_not(
    tmp_path: Path, fake: FakeBroker
) -> None:
    kept_before(fake, {**BROKEN, "interactions": [*BROKEN["interactions"], http("an order")]})
    fake.publish(BROKEN, number="2", branch="next", deployed=True)

    result = verify(tmp_path)

    assert result.status is Status.FAIL
    assert "provider.mismatch" in {f.rule for f in result.findings if f.severity is Severity.ERROR}


def test_all_pending_and_broken_is_no_pass(tmp_path: Path, fake: FakeBroker) -> None:
    fake.publish(BROKEN)

    assert verify(tmp_path).status is Status.INCONCLUSIVE


def test_pending_does_not_hide_that_nothing_answered(tmp_path: Path, fake: FakeBroker) -> None:
    fake.publish(pact(http("the end", "/die")))

    result = verify(tmp_path)

    assert result.status is Status.FAIL
    assert sent(fake) == []
    assert "provider.not_published" in rules(result)


def test_a_broker_without_pacts_for_this_system_is_inconclusive(tmp_path: Path, fake: FakeBroker) -> None:
    result = verify(tmp_path)

    assert result.status is Status.INCONCLUSIVE
    assert fake.url in result.reason
    assert fake.results == []


def test_a_provider_that_answers_anything_is_never_sent_back_as_good(tmp_path: Path, fake: FakeBroker) -> None:
    kept_before(fake, pact(http("an order", body={"id": "1", "total": 100})))

    result = verify(tmp_path, provider=ONE_ANSWER)

    assert result.status is Status.FAIL
    assert rules(result) >= {"provider.answers_anything", "provider.not_published"}
    assert sent(fake) == []


def test_a_part_of_a_pact_is_not_sent_back_as_the_whole(tmp_path: Path, fake: FakeBroker) -> None:
    kept_before(fake, pact(http("an order", body={"id": "1", "total": 100}), http("a price", body={"price": 1})))
    events: list[Event] = []

    result = verify(tmp_path, only={"interaction": "an order"}, events=events)

    assert result.status is Status.PASS
    assert sent(fake) == []
    assert any("only a part of it was verified" in e.text for e in events if isinstance(e, Note))


def test_nothing_is_sent_back_when_nobody_asked(
    tmp_path: Path, fake: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PACT_BROKER_PUBLISH_VERIFICATION_RESULTS")
    kept_before(fake, KEPT)

    assert verify(tmp_path).status is Status.PASS
    assert sent(fake) == []


def test_a_result_the_broker_does_not_take_fails_the_stage(tmp_path: Path, fake: FakeBroker) -> None:
    kept_before(fake, KEPT)
    path = fake.at(fake.pacts[0]).removeprefix(fake.url) + "/verification-results"
    fake.instead[path] = (500, b"oops", {})

    result = verify(tmp_path)

    assert result.status is Status.FAIL
    assert rules(result) == {"provider.not_published"}
    assert "answered 500" in result.findings[0].title


def test_publishing_without_a_broker_is_told_before_anything_is_verified(
    tmp_path: Path, fake: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PACT_BROKER_BASE_URL")
    with pytest.raises(UsageError, match="no broker is named: set PACT_BROKER_BASE_URL"):
        verify(tmp_path, KEPT)


def test_a_broker_that_is_down_never_lets_the_local_contracts_pass_alone(
    tmp_path: Path, fake: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACT_BROKER_BASE_URL", "http://127.0.0.1:1")
    with pytest.raises(InfrastructureError, match="cannot be reached"):
        verify(tmp_path, KEPT)


def test_a_contract_of_this_run_replaces_the_brokers_of_the_same_pair(tmp_path: Path, fake: FakeBroker) -> None:
    kept_before(fake, pact(http("what nobody needs any more", body={"gone": True})))
    events: list[Event] = []
    made = project(tmp_path, TOML, (), {"orders.py": PROVIDER})
    context = make_context(made, ProviderStage(), events)
    fresh = context.run_directory / "consumer" / "pacts"
    project_pacts = tmp_path / "contracts" / "pacts"
    project(tmp_path, TOML, (KEPT,), {"orders.py": PROVIDER})
    fresh.parent.mkdir(parents=True, exist_ok=True)
    project_pacts.rename(fresh)

    async def run() -> StageResult:
        with anyio.fail_after(90):
            return await ProviderStage().run(context)

    result = anyio.run(run)

    assert result.status is Status.PASS, result
    assert sent(fake) == []
    assert any("the contract of this run replaces" in e.text for e in events if isinstance(e, Note))


def older(order: dict[str, Any], event: dict[str, Any]) -> list[dict[str, Any]]:
    """An order in the words of specifications 2 and 3, and an event in those of 3; each of a consumer of its own."""

    def of(consumer: str, version: str, **content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "consumer": {"name": consumer},
            "provider": {"name": "orders"},
            "metadata": {"pactSpecification": {"version": version}},
            **content,
        }

    def asked(**matching: dict[str, Any]) -> list[dict[str, Any]]:
        response = {"status": 200, "headers": {"Content-Type": "application/json"}, "body": order}
        return [
            {
                "description": "an order",
                "request": {"method": "GET", "path": "/orders/1"},
                "response": response | matching,
            }
        ]

    by_type = {"match": "type"}
    return [
        of("web", "2.0.0", interactions=asked(matchingRules={"$.body.total": by_type})),
        of("app", "3.0.0", interactions=asked(matchingRules={"body": {"$.total": {"matchers": [by_type]}}})),
        of("mail", "3.0.0", messages=[{"description": "an order", "contents": event, "metaData": {}}]),
    ]


def test_pacts_of_older_specifications_are_verified_as_they_are_meant(tmp_path: Path, fake: FakeBroker) -> None:
    for content in older({"id": "1", "total": 7}, {"type": "order"}):
        kept_before(fake, content)
    result = verify(tmp_path / "kept")
    assert result.status is Status.PASS, result
    assert (result.work["interactions"], result.work["messages"]) == (2, 1)

    fake.pacts.clear()
    for content in older({"id": "1", "price": 7}, {"price": 1}):
        kept_before(fake, content)
    told = verify(tmp_path / "broken").findings
    assert {(f.place.consumer, f.rule, f.severity) for f in told} == {
        (consumer, "provider.mismatch", Severity.ERROR) for consumer in ("web", "app", "mail")
    }
