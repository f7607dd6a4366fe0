"""The consumer stage: a project's consumer tests are run as they would be by hand, and never pass without proof."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from harness.contracts.pacts import pact_from_json, write_pact
from harness.contracts.stage import ConsumerStage, ProviderStage
from harness.evidence import Severity, StageResult, Status
from tests.contracts.shop import TOML, http, pact, project
from tests.helpers import make_context

GOOD = """
import urllib.request

def ask(pact, description, path="/orders/1"):
    contract = pact("web", "orders")
    contract.upon_receiving(description).with_request("GET", path).will_respond_with(200)
    with contract.serve() as server:
        assert urllib.request.urlopen(f"{server.url}{path}").status == 200

def test_an_order(pact):
    ask(pact, "an order")

def test_another(pact):
    ask(pact, "another", "/orders/2")
"""


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other packages' pytest plugins take seconds to load in every child, and have no part in this."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p harness.testing.plugin -p xdist.plugin")


def run(root: Path, text: str = GOOD, *, toml: str = TOML, jobs: int = 1) -> StageResult:
    made = project(root, toml, files={"contracts/test_web.py": text, "pytest.ini": "[pytest]\n"})
    context = make_context(made, ConsumerStage(), [], jobs=jobs)
    return anyio.run(ConsumerStage().run, context)


def publish(root: Path, raw: dict[str, object], name: str = "web-orders.json") -> Path:
    file = root / "contracts/pacts" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(raw))
    return file


def rules(result: StageResult) -> set[str]:
    return {f.rule for f in result.findings} - {"consumer.no_contract"}


def fresh(root: Path) -> Path:
    return root / ".harness/runs/test/consumer/pacts/web-orders.json"


def test_tests_interactions_and_uncovered_edges_are_told(tmp_path: Path) -> None:
    result = run(tmp_path, jobs=2)

    assert result.work | {"perturbations": 0} == {"tests": 2, "interactions": 2, "messages": 0, "perturbations": 0}
    assert result.work["perturbations"] > 0
    assert {f.place.edge for f in result.findings if f.rule == "consumer.no_contract"} == {
        "orders -> bank",
        "orders -> mail",
    }


def test_messages_of_both_kinds_count_as_work(tmp_path: Path) -> None:
    messages = """
def test_event(pact):
    contract = pact("mail", "orders")
    contract.upon_receiving("an event", "Async").with_body({"id": 1}, content_type="application/json")
    contract.verify(lambda body, metadata: None, "Async")

def test_quote(pact):
    contract = pact("web", "orders")
    asked = contract.upon_receiving("a quote", "Sync").with_body({"id": 1}, content_type="application/json")
    asked.will_respond_with().with_body({"price": 1}, content_type="application/json")
    contract.verify(lambda body, metadata, replies: None, "Sync")
"""

    result = run(tmp_path, GOOD + messages)

    assert result.work | {"perturbations": 0} == {"tests": 4, "interactions": 2, "messages": 2, "perturbations": 0}


def test_the_published_pacts_are_left_alone_and_a_difference_is_a_warning(tmp_path: Path) -> None:
    raw = pact(http("an order"), http("forgotten"))
    old = write_pact(pact_from_json(raw), tmp_path / "contracts/pacts")
    before = old.read_bytes()

    result = run(tmp_path)

    assert result.status is Status.WARN
    [finding] = [f for f in result.findings if f.rule == "consumer.pact_changed"]
    assert finding.title == "the contract of web with orders has changed since it was published"
    assert finding.detail.splitlines()[:3] == ["changed: an order", "gone: forgotten", "new: another"]
    assert finding.reproduce == "pytest contracts"
    assert old.read_bytes() == before
    assert [i["description"] for i in json.loads(fresh(tmp_path).read_bytes())["interactions"]] == [
        "an order",
        "another",
    ]


def test_published_pacts_that_agree_pass(tmp_path: Path) -> None:
    run(tmp_path)
    publish(tmp_path, json.loads(fresh(tmp_path).read_bytes()))

    result = run(tmp_path)

    assert result.status is Status.PASS, result
    assert rules(result) == set()


def test_a_failed_test_names_assertion_place_and_command(tmp_path: Path) -> None:
    write_pact(pact_from_json(pact(http("kept"))), tmp_path / "contracts/pacts")

    result = run(tmp_path, GOOD + "\ndef test_wrong(pact):\n    total = 1\n    assert total == 2\n")

    assert result.status is Status.FAIL
    [finding] = [f for f in result.findings if f.rule == "consumer.test_failed"]
    assert finding.title == "consumer test test_wrong failed: assert 1 == 2"
    assert (finding.place.file, finding.place.line) == ("contracts/test_web.py", GOOD.count("\n") + 4)
    assert finding.reproduce == "pytest contracts/test_web.py::test_wrong"
    assert "kept" in fresh(tmp_path).read_text()


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_failed_test_would_have_sent_is_known_although_it_has_no_pact(tmp_path: Path, jobs: int) -> None:
    fails = """
import urllib.request

def test_an_order(pact):
    contract = pact("web", "orders")
    asked = contract.upon_receiving("an order").with_request("GET", "/orders/1")
    asked.with_header("X-Api-Key", "canary-8f3a11b2").will_respond_with(200)
    with contract.serve() as server:
        key = {"X-Api-Key": "canary-8f3a11b2"}
        urllib.request.urlopen(urllib.request.Request(f"{server.url}/orders/1", headers=key))
    raise ValueError("the caller canary-8f3a11b2 is not known")
"""
    result = run(tmp_path, fails, jobs=jobs)

    [failed] = [f for f in result.findings if f.rule == "consumer.test_failed"]
    assert "canary-8f3a11b2" not in failed.title + failed.detail
    assert "the caller [redacted] is not known" in failed.title


def test_interactions_that_are_kept_although_no_test_produced_them_are_told_with_the_reason(tmp_path: Path) -> None:
    write_pact(pact_from_json(pact(http("kept"))), tmp_path / "contracts/pacts")

    result = run(tmp_path, GOOD + "\nimport pytest\n@pytest.mark.skip\ndef test_later(pact): pass\n")

    [finding] = [f for f in result.findings if f.rule == "consumer.not_produced"]
    assert finding.severity is Severity.INFO
    assert finding.title == (
        "1 published interactions of web with orders were produced by no test of this run: 1 test was skipped"
    )


def test_a_client_that_asks_for_something_else_fails(tmp_path: Path) -> None:
    result = run(tmp_path, GOOD.replace('f"{server.url}{path}"', 'f"{server.url}/elsewhere"'))

    assert result.status is Status.FAIL
    assert rules(result) == {"consumer.test_failed"}
    assert "/elsewhere" in result.findings[0].title


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "pytest collected no tests in contracts/"),
        ("import pytest\n@pytest.mark.skip\ndef test_x(pact): pass\n", "all 1 tests in contracts/ were skipped"),
        ("def test_x(): pass\n", "1 tests ran, but none of them produced a pact (fixture `pact`)"),
    ],
)
def test_a_suite_that_proves_nothing_is_inconclusive(tmp_path: Path, text: str, reason: str) -> None:
    result = run(tmp_path, text)

    assert (result.status, result.reason) == (Status.INCONCLUSIVE, reason)


def test_an_empty_or_missing_folder_is_inconclusive(tmp_path: Path) -> None:
    made = project(tmp_path)
    result = anyio.run(ConsumerStage().run, make_context(made, ConsumerStage(), []))
    assert result.status is Status.INCONCLUSIVE
    assert "holds no consumer tests" in result.reason

    other = project(tmp_path / "b", TOML + '[suites]\ncontracts = "none"\n')
    result = anyio.run(ConsumerStage().run, make_context(other, ConsumerStage(), []))
    assert "there is no folder none/" in result.reason


@pytest.mark.parametrize(
    ("text", "rule", "said"),
    [
        ("import nothing_like_it\n", "consumer.not_collected", "No module named 'nothing_like_it'"),
        ("def test_x(:\n", "consumer.not_collected", "invalid syntax"),
    ],
)
def test_a_file_that_cannot_be_collected_is_one_finding(tmp_path: Path, text: str, rule: str, said: str) -> None:
    result = run(tmp_path, text)

    assert result.status is Status.FAIL
    assert rules(result) == {rule}
    assert said in result.findings[0].title


def test_a_conftest_that_does_not_import_is_one_finding(tmp_path: Path) -> None:
    project(tmp_path, files={"contracts/conftest.py": "import nothing_like_it\n"})

    result = run(tmp_path)

    assert result.status is Status.FAIL
    assert rules(result) == {"consumer.suite_broken"}
    assert "nothing_like_it" in result.findings[0].title


def test_two_tests_that_disagree_are_one_finding(tmp_path: Path) -> None:
    result = run(tmp_path, GOOD.replace('"another"', '"an order"'))

    assert result.status is Status.FAIL
    assert "consumer.conflict" in rules(result)


def test_a_test_that_hangs_ends_with_the_stage(tmp_path: Path) -> None:
    toml = TOML + '[stages.consumer]\ntime_limit = "9s"\n'

    result = run(tmp_path, "import time\ndef test_x(pact): time.sleep(60)\n", toml=toml)

    assert result.status is Status.FAIL
    assert rules(result) == {"consumer.timed_out"}


def test_a_stale_pact_is_told_and_not_verified(tmp_path: Path) -> None:
    write_pact(pact_from_json(pact(http("long gone"), provider="bank")), tmp_path / "contracts/pacts")

    result = run(tmp_path)

    [finding] = [f for f in result.findings if f.rule == "consumer.stale_pact"]
    assert finding.place.file == "contracts/pacts/web-bank.json"
    assert not (fresh(tmp_path).parent / "web-bank.json").exists()
    assert (tmp_path / "contracts/pacts/web-bank.json").exists()


def test_a_contract_that_another_tool_of_the_consumer_writes_is_verified_with_the_others(tmp_path: Path) -> None:
    publish(tmp_path, pact(http("a balance"), provider="bank"), "web-bank.json")

    result = run(tmp_path)

    assert "consumer.stale_pact" not in rules(result)
    assert (fresh(tmp_path).parent / "web-bank.json").exists()


def test_the_provider_stage_verifies_what_the_consumer_stage_has_just_produced(tmp_path: Path) -> None:
    publish(tmp_path, pact(http("an order", status=500)))
    run(tmp_path)
    made = project(tmp_path)

    result = anyio.run(ProviderStage().run, make_context(made, ProviderStage(), []))

    assert result.status is Status.PASS, result
    assert result.work["interactions"] == 2


def test_a_broken_contract_that_is_not_published_yet_is_reproduced_through_its_test(tmp_path: Path) -> None:
    run(tmp_path, GOOD.replace("will_respond_with(200)", "will_respond_with(201)").replace("== 200", "== 201"))
    made = project(tmp_path)

    result = anyio.run(ProviderStage().run, make_context(made, ProviderStage(), []))

    assert {f.reproduce for f in result.findings} == {
        f"harness run consumer provider --only edge=web:orders --only {one}"
        for one in ("interaction=another", "'interaction=an order'")
    }


INTOLERANT = """
import json, urllib.request

def read(url):
    body = json.load(urllib.request.urlopen(url))
    if set(body) - {"id"}:
        raise ValueError(f"what is {sorted(body)}?")
    return body["id"]

def check(pact, read):
    contract = pact("web", "orders")
    (contract.upon_receiving("an order").with_request("GET", "/orders/1")
        .will_respond_with(200).with_body({"id": "o-1"}, content_type="application/json"))
    with contract.serve() as server:
        assert read(f"{server.url}/orders/1") == "o-1"
"""


def intolerant(root: Path, toml: str = TOML) -> StageResult:
    (root / "reader.py").write_text(INTOLERANT.partition("def check")[0])
    check = INTOLERANT.partition("def check")[2]
    return run(
        root, f"from reader import read\n\ndef check{check}\ndef test_it(pact):\n    check(pact, read)\n", toml=toml
    )


def test_a_consumer_that_refuses_a_further_field_fails_with_the_field_and_a_way_to_repeat_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    result = intolerant(tmp_path)

    [finding] = [f for f in result.findings if f.rule == "consumer.not_tolerant"]
    assert result.status is Status.FAIL
    assert finding.title.startswith(
        "web cannot live with an answer of orders that its contract allows: ValueError: what"
    )
    assert '$ of the answer to GET /orders/1 has a further field "harness_extra"' in finding.detail
    assert finding.place.file == "reader.py"
    assert finding.place.edge == "web -> orders"
    assert finding.reproduce.startswith("pytest contracts/test_web.py::test_it --tolerant-reader=10 ")
    assert result.work["perturbations"] > 0


def test_replays_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    result = intolerant(tmp_path, TOML + "\n[stages.consumer]\ntolerance = 0\n")

    assert "consumer.not_tolerant" not in rules(result)
    assert "perturbations" not in result.work


def test_a_test_that_cannot_be_replayed_is_named(tmp_path: Path) -> None:
    once = (
        GOOD
        + "\nRUNS = []\n\ndef test_once(pact):\n    ask(pact, 'once')\n    RUNS.append(1)\n    assert len(RUNS) == 1\n"
    )

    result = run(tmp_path, once)

    [finding] = [f for f in result.findings if f.rule == "consumer.not_replayed"]
    assert "contracts/test_web.py::test_once: it fails when it is run a second time" in finding.detail
    assert finding.severity is Severity.INFO


def test_a_pinned_value_nobody_reads_is_a_warning_unless_another_test_needs_the_field(tmp_path: Path) -> None:
    text = """
import json, urllib.request

def ask(pact, description, field, path):
    contract = pact("web", "orders")
    (contract.upon_receiving(description).with_request("GET", path)
        .will_respond_with(200).with_body({"id": "o-1", "kind": "x", "note": "y"}, content_type="application/json"))
    with contract.serve() as server:
        assert json.load(urllib.request.urlopen(f"{server.url}{path}"))[field]
        assert json.load(urllib.request.urlopen(f"{server.url}{path}"))[field] in {"o-1", "x"}

def test_id(pact):
    ask(pact, "an id", "id", "/orders/1")

def test_kind(pact):
    ask(pact, "a kind", "kind", "/orders/2")
"""
    result = run(tmp_path, text)

    told = {f.title: f.severity for f in result.findings if f.rule == "consumer.pinned_value"}
    assert told == {
        "test_id pins $.note, although any other value would do": Severity.WARNING,
        "test_kind pins $.note, although any other value would do": Severity.WARNING,
    }
