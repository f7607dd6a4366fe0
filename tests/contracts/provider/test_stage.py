"""The provider stage against a real, tiny provider; every check is seen to fire, and vacuous situations never pass."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from harness.contracts.pacts import pact_from_json
from harness.contracts.provider.judging import judge
from harness.contracts.stage import ProviderStage
from harness.contracts.verified import InteractionResult, PactResult
from harness.evidence import Finding, Severity, StageResult, Status
from harness.system.config import load_project
from tests.contracts.shop import TOML, http, message, pact, project
from tests.contracts.sources.broker import broker
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


def altered(root: Path, given: Sequence[dict[str, Any]], old: str, new: str) -> StageResult:
    """Verify against the tiny provider with one line of it changed."""
    project(root, TOML, given)
    script = root / "orders.py"
    assert old in script.read_text()
    script.write_text(script.read_text().replace(old, new))
    context = make_context(load_project(root / "harness.toml"), ProviderStage(), [])
    return anyio.run(ProviderStage().run, context)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> StageResult:
    """Contracts of two consumers, as agreed."""
    return verify(
        tmp_path_factory.mktemp("kept"),
        pact(http("an order", body={"id": "1", "total": 100}, states=["an order"])),
        pact(message("an order", {"type": "order", "id": 1}), consumer="mail"),
    )


def test_a_kept_contract_passes_and_is_counted(kept: StageResult) -> None:
    assert kept.status is Status.PASS, kept
    assert kept.work == {"providers": 1, "interactions": 1, "messages": 1}


def test_what_was_verified_is_counted_on_its_edge(kept: StageResult) -> None:
    counted = {m.labels["edge"]: m.value for m in kept.measures if m.name == "provider.verified"}
    assert counted == {"web -> orders": 1, "orders -> mail": 1}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> StageResult:
    """What can be wrong with single interactions, of a provider that logs the trace of what it is asked."""
    given = [
        pact(
            http("an order with a price", body={"id": "1", "price": 100}),
            http("a new order", status=201, body={"id": "1", "total": 100}),
            http("an order on the moon", states=["on the moon"]),
            http("a traced order", body={"missing": 1}, headers={"Traceparent": ["00-of-the-consumer"]}),
        ),
        pact(message("an event", {"type": "bill"}), consumer="mail"),
    ]
    logging = 'def do_GET(self):\n        print("looked up", self.headers["traceparent"], flush=True)'
    return altered(tmp_path_factory.mktemp("broken"), given, "def do_GET(self):", logging)


def about(result: StageResult, description: str) -> Finding:
    """The one finding about an interaction."""
    [finding] = [f for f in result.findings if f'"{description}"' in f.title or description in f.detail]
    return finding


def test_of_each_broken_interaction_one_thing_is_told(broken: StageResult) -> None:
    assert broken.status is Status.FAIL
    assert sorted(f.rule for f in broken.findings) == ["provider.mismatch"] * 4 + ["provider.state_unhandled"]
    assert {f.severity for f in broken.findings} == {Severity.ERROR}


def test_a_broken_contract_names_consumer_interaction_and_both_answers(broken: StageResult) -> None:
    finding = about(broken, "an order with a price")
    assert finding.rule == "provider.mismatch"
    assert finding.title.startswith('orders breaks web: "an order with a price": body: missing `price`')
    assert (finding.place.edge, finding.place.operation) == ("web -> orders", "GET /orders/1")
    assert finding.exchange is not None
    assert '"total": 100' in finding.exchange.response
    assert '"price": 100' in finding.exchange.expected
    narrowed = "--only edge=web:orders --only 'interaction=an order with a price'"
    assert finding.reproduce == f"harness run provider {narrowed}"


def test_another_status_is_told_before_what_follows_from_it(broken: StageResult) -> None:
    assert about(broken, "a new order").title == 'orders breaks web: "a new order": status: expected 201 but was 200'


def test_a_broken_message_is_on_the_edge_from_the_writer_to_the_reader(broken: StageResult) -> None:
    finding = about(broken, "an event")
    assert finding.rule == "provider.mismatch"
    assert finding.place.edge == "orders -> mail"


def test_a_mismatch_carries_a_trace_id_and_what_the_provider_logged_about_it(broken: StageResult) -> None:
    finding = about(broken, "a traced order")
    assert len(finding.trace_id) == 32
    assert finding.exchange is not None
    assert f"traceparent: 00-{finding.trace_id}-" in finding.exchange.request
    assert f"orders | looked up 00-{finding.trace_id}-" in finding.detail


def test_a_state_the_provider_refuses_is_an_error_with_its_answer(broken: StageResult) -> None:
    finding = about(broken, "an order on the moon")
    assert finding.rule == "provider.state_unhandled"
    assert 'orders cannot be put into the state "on the moon" that web relies on' in finding.title
    assert "400" in finding.detail
    assert "no such state" in finding.detail


def test_neighbours_are_stubbed_from_the_providers_own_contracts(tmp_path: Path) -> None:
    bank = pact(http("the rate", "/rate", body={"rate": 7}), consumer="orders", provider="bank")
    toml = TOML.replace(BANK, '[services.bank]\ncommand = ["python", "orders.py"]')

    result = verify(
        tmp_path, pact(http("a price", "/price", body={"rate": 7})), bank, toml=toml, only={"service": "orders"}
    )

    assert result.status is Status.PASS, result
    assert result.work["interactions"] == 1


def test_a_broker_of_the_environment_is_no_business_of_the_stubs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pact stub` takes the broker's address for a further source of its answers, and ends when it has none."""
    bank = pact(http("the rate", "/rate", body={"rate": 7}), consumer="orders", provider="bank")
    toml = TOML.replace(BANK, '[services.bank]\ncommand = ["python", "orders.py"]')
    with broker() as running:
        monkeypatch.setenv("PACT_BROKER_BASE_URL", running.url)
        result = verify(
            tmp_path, pact(http("a price", "/price", body={"rate": 7})), bank, toml=toml, only={"service": "orders"}
        )

    assert result.status is Status.PASS, result


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


def test_what_is_wrong_with_pending_interactions_alone_is_a_warning(tmp_path: Path) -> None:
    new = http("new", states=["to come"], pending=True)

    result = verify(tmp_path / "a", pact(http("soon", body={"new": 1}, pending=True), new, http("an order")))
    assert result.status is Status.WARN
    assert sorted(f.rule for f in result.findings) == ["provider.mismatch", "provider.state_unhandled"]
    assert {f.severity for f in result.findings} == {Severity.WARNING}
    assert all(f.title.startswith("pending: ") for f in result.findings)

    result = verify(tmp_path / "b", pact(new, http("an order", states=["to come"])))
    assert result.status is Status.FAIL

    assert verify(tmp_path / "c", pact(new)).status is Status.INCONCLUSIVE


def test_a_pact_that_is_work_in_progress_says_so_and_does_not_hide_that_nothing_answered(tmp_path: Path) -> None:
    made = project(tmp_path, TOML)
    whole = pact_from_json(pact(http("soon"), http("silent")))
    given = replace(whole, wip=True, interactions=tuple(replace(i, pending=True) for i in whole.interactions))
    soon, silent = (i.key for i in given.interactions)
    result = PactResult(
        file="x",
        interactions=(
            InteractionResult(key=soon, status="mismatch", problems=("body: other",)),
            InteractionResult(key=silent, status="error", problems=("no answer",)),
        ),
    )
    context = make_context(made, ProviderStage(), [])

    judge(context, made.system.services["orders"], given, result, "", {})

    told = [(f.rule, f.severity) for f in context.findings]
    assert told == [("provider.mismatch", Severity.WARNING), ("provider.no_answer", Severity.ERROR)]
    assert context.findings[0].title.startswith('work in progress: orders breaks web: "soon"')


def test_where_every_interaction_is_pending_and_mismatched_nothing_was_shown(tmp_path: Path) -> None:
    result = verify(tmp_path, pact(http("soon", body={"new": 1}, pending=True)))

    assert result.status is Status.INCONCLUSIVE
    assert result.reason == "no interaction was kept: every one is pending and does not match"
    assert rules(result) == {"provider.mismatch"}


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


def test_a_missing_endpoint_is_an_error_only_where_it_is_needed(tmp_path: Path) -> None:
    toml = TOML.replace('states = "/states"\n', "").replace('messages = "/messages"\n', "")
    stated = pact(http("an order", states=["an order"]), http("another"))
    event = pact(message("an order", {"type": "order"}), http("another"), consumer="mail")

    assert verify(tmp_path / "a", pact(http("an order")), toml=toml).status is Status.PASS
    result = verify(tmp_path / "b", stated, event, toml=toml)
    assert result.status is Status.FAIL
    assert sorted((f.place.consumer, f.rule) for f in result.findings) == [
        ("mail", "provider.messages_unhandled"),
        ("web", "provider.state_unhandled"),
    ]
    assert {f.severity for f in result.findings} == {Severity.ERROR}


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


def test_a_state_handler_that_accepts_any_name_does_not_pass(tmp_path: Path) -> None:
    given = pact(http("an order", body={"id": "1"}, states=["an order"]))

    result = altered(tmp_path, [given], 'body["state"] in ("an order", "a flaky end")', "True")

    assert result.status is Status.FAIL
    assert rules(result) == {"provider.states_unchecked"}


def test_a_provider_with_the_same_answer_to_everything_fails_although_the_contract_is_kept(tmp_path: Path) -> None:
    given = pact(http("an order", body={"id": "1"}))
    same = 'def answer(self, status, body, kind="application/json"):\n        status, body = 200, {"id": "1"}'

    result = altered(tmp_path, [given], 'def answer(self, status, body, kind="application/json"):', same)

    assert result.status is Status.FAIL
    assert rules(result) == {"provider.answers_anything"}


def test_one_interaction_can_be_verified_alone(tmp_path: Path) -> None:
    given = pact(http("an order", body={"id": "1"}), http("a broken one", body={"missing": 1}))

    result = verify(tmp_path / "a", given, only={"interaction": "an order"})
    assert result.status is Status.PASS
    assert result.work["interactions"] == 1
    unknown = verify(tmp_path / "b", given, only={"interaction": "no such thing"})
    assert unknown.status is Status.INCONCLUSIVE
    assert unknown.reason.endswith("that fits --only interaction=no such thing")
