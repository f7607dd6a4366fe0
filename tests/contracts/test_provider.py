"""The provider stage against a real, tiny provider; every check is seen to fire, and vacuous situations never pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from harness.contracts.stage import ProviderStage
from harness.evidence import Severity, StageResult, Status
from harness.system.config import load_project
from tests.contracts.shop import TOML, http, message, pact, project
from tests.helpers import make_context

BANK = '[services.bank]\nurl = "http://127.0.0.1:1"'


def verify(root: Path, *pacts: dict[str, Any], toml: str = TOML, only: dict[str, str] | None = None) -> StageResult:
    context = make_context(project(root, toml, pacts), ProviderStage(), [], only=only)

    async def run() -> StageResult:
        with anyio.fail_after(60):
            return await ProviderStage().run(context)

    return anyio.run(run)


def rules(result: StageResult) -> set[str]:
    return {f.rule for f in result.findings}


def test_a_kept_contract_passes_and_is_counted(tmp_path: Path) -> None:
    result = verify(
        tmp_path,
        pact(http("an order", body={"id": "1", "total": 100}, states=["an order"])),
        pact(message("an order", {"type": "order", "id": 1}), consumer="mail"),
    )

    assert result.status is Status.PASS, result
    assert result.work == {"providers": 1, "interactions": 1, "messages": 1}


def test_a_broken_contract_names_consumer_interaction_and_both_answers(tmp_path: Path) -> None:
    result = verify(tmp_path, pact(http("an order with a price", body={"id": "1", "price": 100})))

    assert result.status is Status.FAIL
    [finding] = result.findings
    assert finding.rule == "provider.mismatch"
    assert finding.title.startswith('orders breaks web: "an order with a price": body: missing `price`')
    assert (finding.place.edge, finding.place.operation) == ("web -> orders", "GET /orders/1")
    assert finding.exchange is not None
    assert '"total": 100' in finding.exchange.response
    assert '"price": 100' in finding.exchange.expected
    assert finding.reproduce == "harness run provider --only edge=web:orders"


def test_another_status_is_told_before_what_follows_from_it(tmp_path: Path) -> None:
    gone = http("an order", body={"id": "1", "total": 100})
    gone["response"]["status"] = 201

    [finding] = verify(tmp_path, pact(gone)).findings

    assert finding.title == 'orders breaks web: "an order": status: expected 201 but was 200'


def test_what_was_verified_is_counted_on_its_edge(tmp_path: Path) -> None:
    result = verify(
        tmp_path, pact(http("an order", body={"id": "1"})), pact(message("an order", {"id": 1}), consumer="mail")
    )

    counted = {m.labels["edge"]: m.value for m in result.measures if m.name == "provider.verified"}
    assert counted == {"web -> orders": 1, "orders -> mail": 1}


def test_a_broken_message_is_on_the_edge_from_the_writer_to_the_reader(tmp_path: Path) -> None:
    result = verify(tmp_path, pact(message("an order", {"type": "bill"}), consumer="mail"))

    assert rules(result) == {"provider.mismatch"}
    assert result.findings[0].place.edge == "orders -> mail"


def test_neighbours_are_stubbed_from_the_providers_own_contracts(tmp_path: Path) -> None:
    bank = pact(http("the rate", "/rate", body={"rate": 7}), consumer="orders", provider="bank")
    toml = TOML.replace(BANK, '[services.bank]\ncommand = ["python", "orders.py"]')

    result = verify(
        tmp_path, pact(http("a price", "/price", body={"rate": 7})), bank, toml=toml, only={"service": "orders"}
    )

    assert result.status is Status.PASS, result
    assert result.work["interactions"] == 1


def test_a_state_the_provider_refuses_is_an_error_with_its_answer(tmp_path: Path) -> None:
    result = verify(tmp_path, pact(http("an order", states=["on the moon"])))

    [finding] = result.findings
    assert finding.rule == "provider.state_unhandled"
    assert 'orders cannot be put into the state "on the moon" that web relies on' in finding.title
    assert "400" in finding.detail
    assert "no such state" in finding.detail


def test_a_state_that_cannot_be_left_is_a_warning(tmp_path: Path) -> None:
    result = verify(tmp_path, pact(http("an order", states=["a flaky end"])))

    assert result.status is Status.WARN
    assert rules(result) == {"provider.state_teardown"}


def test_credentials_of_the_test_are_replaced_by_ones_that_work(tmp_path: Path) -> None:
    toml = TOML.replace(
        "[services.orders.uses.bank]", '[services.orders.auth]\nvalue = "Bearer right"\n[services.orders.uses.bank]'
    )
    refused = http("a wrong token", "/private", 401, headers={"Authorization": ["Bearer wrong"]})
    accepted = http("a good token", "/private", 200, headers={"Authorization": ["Bearer of-the-test"]})

    assert verify(tmp_path, pact(refused, accepted), toml=toml).status is Status.PASS


def test_credentials_that_work_are_stored_nowhere(tmp_path: Path) -> None:
    auth = '[services.orders.auth]\nheader = "X-Pass"\nvalue = "right-secret"\n[services.orders.uses.bank]'
    toml = TOML.replace("[services.orders.uses.bank]", auth)

    result = verify(tmp_path, pact(http("a guest", status=418, headers={"X-Pass": ["test"]})), toml=toml)

    [finding] = result.findings
    assert finding.exchange is not None
    assert "X-Pass: [redacted]" in finding.exchange.request
    kept = [f for f in (tmp_path / ".harness").rglob("*") if f.is_file()]
    assert kept
    assert not [f for f in kept if b"right-secret" in f.read_bytes()]


def test_two_files_with_the_same_parties_are_both_verified(tmp_path: Path) -> None:
    made = project(tmp_path, TOML, [pact(http("an order"))])
    other = tmp_path / "contracts/pacts/web-orders-v2.json"
    other.write_text(json.dumps(pact(http("another order", body={"missing": 1}))))

    result = anyio.run(ProviderStage().run, make_context(made, ProviderStage(), []))

    assert result.work["interactions"] == 2
    assert rules(result) == {"provider.mismatch"}


def test_a_pending_mismatch_is_a_warning(tmp_path: Path) -> None:
    result = verify(tmp_path, pact(http("soon", body={"new": 1}, pending=True)))

    assert result.status is Status.WARN
    assert result.findings[0].title.startswith("pending: ")


@pytest.mark.parametrize("pending", [False, True])
def test_a_provider_that_dies_is_an_error_even_where_pending(tmp_path: Path, pending: bool) -> None:
    result = verify(tmp_path, pact(http("the end", "/die", pending=pending)))

    assert result.status is Status.FAIL
    assert rules(result) == {"provider.no_answer", "provider.died"}
    assert result.work["interactions"] == 0


def test_a_provider_that_does_not_start_is_one_finding_and_others_go_on(tmp_path: Path) -> None:
    toml = TOML.replace(BANK, '[services.bank]\ncommand = ["python", "-c", "1"]')
    bank = pact(http("the rate", "/rate"), provider="bank")

    result = verify(tmp_path, pact(http("an order")), bank, toml=toml)

    assert rules(result) == {"provider.not_started"}
    assert result.work["providers"] == 1


def test_a_pact_naming_a_provider_nobody_has_says_who_was_probably_meant(tmp_path: Path) -> None:
    result = verify(tmp_path, pact(http("an order"), provider="order"))

    [finding] = result.findings
    assert finding.rule == "provider.unknown"
    assert finding.title == 'web has a contract with "order", but there is no such service. Did you mean "orders"?'


@pytest.mark.parametrize(
    ("vacuous", "rule"),
    [
        (pact(), "provider.empty_pact"),
        (pact(message("silence", {"type": "order"}), consumer="mail"), "provider.message_empty"),
        (pact(message("anything"), consumer="mail"), "provider.message_unspecified"),
        (pact(http("x"), provider="Orders"), "provider.unknown"),
        (pact(http("an order", states=["unheard of"])), "provider.state_unhandled"),
        (pact(http("an order", "/die", pending=True)), "provider.no_answer"),
    ],
)
def test_what_proves_nothing_never_passes(tmp_path: Path, vacuous: dict[str, Any], rule: str) -> None:
    result = verify(tmp_path, vacuous)

    assert result.status is Status.FAIL
    assert rule in rules(result)


@pytest.mark.parametrize(
    ("missing", "given", "rule"),
    [
        ('states = "/states"\n', http("an order", states=["an order"]), "provider.state_unhandled"),
        ('messages = "/messages"\n', message("an order", {"type": "order"}), "provider.messages_unhandled"),
    ],
)
def test_a_missing_endpoint_is_an_error_only_where_it_is_needed(
    tmp_path: Path, missing: str, given: dict[str, Any], rule: str
) -> None:
    toml = TOML.replace(missing, "")

    assert verify(tmp_path / "a", pact(http("an order")), toml=toml).status is Status.PASS
    result = verify(tmp_path / "b", pact(given, http("an order")), toml=toml)
    assert result.status is Status.FAIL
    assert rules(result) == {rule}


def test_no_contracts_at_all_is_inconclusive(tmp_path: Path) -> None:
    result = verify(tmp_path)

    assert result.status is Status.INCONCLUSIVE
    assert result.reason == "there is no contract to verify in contracts/pacts"
    narrowed = verify(tmp_path, pact(http("an order")), only={"edge": "web:bank"})
    assert narrowed.status is Status.INCONCLUSIVE
    assert narrowed.reason.endswith("that fits --only edge=web:bank")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a pact"),
        ('{"consumer": {"name": "a"}}', "names no provider"),
        ('{"metadata": {"pactSpecification": {"version": "9.0"}}}', "1 to 4 are understood"),
    ],
)
def test_a_file_that_is_no_pact_is_one_finding(tmp_path: Path, text: str, said: str) -> None:
    project(tmp_path)
    (tmp_path / "contracts/pacts/broken.json").write_text(text)

    result = verify(tmp_path)

    assert result.status is Status.FAIL
    [finding] = result.findings
    assert finding.rule == "provider.pact_unreadable"
    assert finding.title.startswith("contracts/pacts/broken.json ")
    assert said in finding.title


def test_a_hanging_provider_ends_within_the_request_time_limit(tmp_path: Path) -> None:
    toml = TOML + '[stages.provider]\nrequest_timeout = "300ms"\n'
    project(tmp_path, toml, [pact(http("slow"))])
    script = tmp_path / "orders.py"
    asleep = "def do_GET(self):\n        import time; time.sleep(30)"
    script.write_text(script.read_text().replace("def do_GET(self):", asleep))
    context = make_context(load_project(tmp_path / "harness.toml"), ProviderStage(), [])

    result = anyio.run(ProviderStage().run, context)

    assert rules(result) == {"provider.no_answer"}
    assert all(f.severity is Severity.ERROR for f in result.findings)
