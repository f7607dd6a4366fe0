"""The consumer stage: a project's consumer tests are run as they would be by hand, and never pass without proof."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest

from harness.contracts.pacts import pact_from_json, write_pact
from harness.contracts.stage import ConsumerStage, ProviderStage
from harness.evidence import Finding, Severity, StageResult, Status
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


pytestmark = pytest.mark.usefixtures("fast_children")


class Run(NamedTuple):
    """A run of the stage that several tests look at, and where its project is."""

    root: Path
    result: StageResult


def run(root: Path, text: str | Mapping[str, str] = GOOD, *, toml: str = TOML, jobs: int = 1) -> StageResult:
    """The consumer stage over one test file, or over several by name."""
    files = {"test_web": text} if isinstance(text, str) else text
    named = {f"contracts/{name}.py": text for name, text in files.items()}
    made = project(root, toml, files={**named, "pytest.ini": "[pytest]\n"})
    context = make_context(made, ConsumerStage(), [], jobs=jobs)
    return anyio.run(ConsumerStage().run, context)


def publish(root: Path, raw: dict[str, object], name: str = "web-orders.json") -> Path:
    file = root / "contracts/pacts" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(raw))
    return file


def rules(result: StageResult) -> set[str]:
    return {f.rule for f in result.findings} - {"consumer.no_contract"}


def about(result: StageResult, file: str) -> list[Finding]:
    return [f for f in result.findings if f.place.file == f"contracts/{file}.py"]


def fresh(root: Path) -> Path:
    return root / ".harness/runs/test/consumer/pacts/web-orders.json"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Tests with which nothing is wrong, and of which nothing is published yet."""
    root = tmp_path_factory.mktemp("good")
    return Run(root, run(root, jobs=2))


def test_tests_interactions_and_uncovered_edges_are_told(good: Run) -> None:
    result = good.result

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


def test_published_pacts_that_agree_pass(tmp_path: Path, good: Run) -> None:
    publish(tmp_path, json.loads(fresh(good.root).read_bytes()))

    result = run(tmp_path)

    assert result.status is Status.PASS, result
    assert rules(result) == set()


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


def test_a_file_that_cannot_be_collected_is_one_finding(tmp_path: Path) -> None:
    said = {
        "test_import": ("import nothing_like_it\n", "No module named 'nothing_like_it'"),
        "test_syntax": ("def test_x(:\n", "invalid syntax"),
    }

    result = run(tmp_path, {file: text for file, (text, _) in said.items()})

    assert result.status is Status.FAIL
    assert rules(result) == {"consumer.not_collected"}
    for file, (_, words) in said.items():
        [finding] = about(result, file)
        assert finding.severity is Severity.ERROR
        assert words in finding.title


def test_a_conftest_that_does_not_import_is_one_finding(tmp_path: Path) -> None:
    project(tmp_path, files={"contracts/conftest.py": "import nothing_like_it\n"})

    result = run(tmp_path)

    assert result.status is Status.FAIL
    assert rules(result) == {"consumer.suite_broken"}
    assert "nothing_like_it" in result.findings[0].title


def test_a_test_that_hangs_ends_with_the_stage(tmp_path: Path) -> None:
    toml = TOML + '[stages.consumer]\ntime_limit = "9s"\n'

    result = run(tmp_path, "import time\ndef test_x(pact): time.sleep(60)\n", toml=toml)

    assert result.status is Status.FAIL
    assert rules(result) == {"consumer.timed_out"}


def test_a_broken_contract_that_is_not_published_yet_is_reproduced_through_its_test(tmp_path: Path) -> None:
    run(tmp_path, GOOD.replace("will_respond_with(200)", "will_respond_with(201)").replace("== 200", "== 201"))
    made = project(tmp_path)

    result = anyio.run(ProviderStage().run, make_context(made, ProviderStage(), []))

    assert {f.reproduce for f in result.findings} == {
        f"harness run consumer provider --only edge=web:orders --only {one}"
        for one in ("interaction=another", "'interaction=an order'")
    }


# --- beside pacts that were published before -----------------------------------------------------------------------

PUBLISHED = pact(http("an order", status=500), http("forgotten"))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same tests beside an older pact, one that no test produces any more, and one that another tool writes."""
    root = tmp_path_factory.mktemp("published")
    for raw in (PUBLISHED, pact(http("long gone"), provider="bank")):
        write_pact(pact_from_json(raw), root / "contracts/pacts")
    publish(root, pact(http("a balance"), consumer="orders", provider="bank"), "orders-bank.json")
    return Run(root, run(root))


def test_the_published_pacts_are_left_alone_and_a_difference_is_a_warning(published: Run, tmp_path: Path) -> None:
    root, result = published

    assert result.status is Status.WARN
    [finding] = [f for f in result.findings if f.rule == "consumer.pact_changed"]
    assert finding.severity is Severity.WARNING
    assert finding.title == "the contract of web with orders has changed since it was published"
    assert finding.detail.splitlines()[:3] == ["changed: an order", "gone: forgotten", "new: another"]
    assert finding.reproduce == "pytest contracts"
    before = write_pact(pact_from_json(PUBLISHED), tmp_path).read_bytes()
    assert (root / "contracts/pacts/web-orders.json").read_bytes() == before
    assert [i["description"] for i in json.loads(fresh(root).read_bytes())["interactions"]] == ["an order", "another"]


def test_a_stale_pact_is_told_and_not_verified(published: Run) -> None:
    root, result = published

    [finding] = [f for f in result.findings if f.rule == "consumer.stale_pact"]
    assert finding.place.file == "contracts/pacts/web-bank.json"
    assert not (fresh(root).parent / "web-bank.json").exists()
    assert (root / "contracts/pacts/web-bank.json").exists()


def test_a_contract_that_another_tool_of_the_consumer_writes_is_verified_with_the_others(published: Run) -> None:
    assert not [f for f in published.result.findings if "orders-bank" in f.title + f.place.file]
    assert (fresh(published.root).parent / "orders-bank.json").exists()


def test_the_provider_stage_verifies_what_the_consumer_stage_has_just_produced(published: Run) -> None:
    context = make_context(project(published.root), ProviderStage(), [], only={"service": "orders"})

    result = anyio.run(ProviderStage().run, context)

    assert result.status is Status.PASS, result
    assert result.work["interactions"] == 2


# --- tests that fail, in one run -----------------------------------------------------------------------------------

SECRET = """
import urllib.request

def test_a_secret(pact):
    contract = pact("web", "orders")
    asked = contract.upon_receiving("a secret").with_request("GET", "/orders/1")
    asked.with_header("X-Api-Key", "canary-8f3a11b2").will_respond_with(200)
    with contract.serve() as server:
        key = {"X-Api-Key": "canary-8f3a11b2"}
        urllib.request.urlopen(urllib.request.Request(f"{server.url}/orders/1", headers=key))
    raise ValueError("the caller canary-8f3a11b2 is not known")
"""


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A suite of which each file has something wrong with it, beside a pact that is kept."""
    root = tmp_path_factory.mktemp("failing")
    write_pact(pact_from_json(pact(http("kept"))), root / "contracts/pacts")
    files = {
        "test_web": GOOD + "\ndef test_wrong(pact):\n    total = 1\n    assert total == 2\n",
        "test_elsewhere": GOOD.replace('f"{server.url}{path}"', 'f"{server.url}/elsewhere"'),
        "test_secret": SECRET,
        "test_twice": GOOD.replace('"another"', '"an order"').replace('"web"', '"mail"'),
    }
    return Run(root, run(root, files))


def test_a_failed_test_names_assertion_place_and_command(failing: Run) -> None:
    root, result = failing

    assert result.status is Status.FAIL
    [finding] = about(result, "test_web")
    assert (finding.rule, finding.severity) == ("consumer.test_failed", Severity.ERROR)
    assert finding.title == "consumer test test_wrong failed: assert 1 == 2"
    assert finding.place.line == GOOD.count("\n") + 4
    assert finding.reproduce == "pytest contracts/test_web.py::test_wrong"
    assert "kept" in fresh(root).read_text()


def test_a_client_that_asks_for_something_else_fails(failing: Run) -> None:
    told = about(failing.result, "test_elsewhere")

    assert [(f.rule, f.severity) for f in told] == [("consumer.test_failed", Severity.ERROR)] * 2
    assert all("/elsewhere" in f.title for f in told)


def test_what_a_failed_test_would_have_sent_is_known_although_it_has_no_pact(failing: Run) -> None:
    [failed] = about(failing.result, "test_secret")

    assert failed.rule == "consumer.test_failed"
    assert "canary-8f3a11b2" not in failed.title + failed.detail
    assert "the caller [redacted] is not known" in failed.title


def test_two_tests_that_disagree_are_one_finding(failing: Run) -> None:
    [finding] = about(failing.result, "test_twice")

    assert (finding.rule, finding.severity) == ("consumer.conflict", Severity.ERROR)


def test_of_tests_that_fail_nothing_is_told_but_that_and_what_is_kept_of_the_pact(failing: Run) -> None:
    assert rules(failing.result) == {
        "consumer.test_failed",
        "consumer.conflict",
        "consumer.pact_changed",
        "consumer.not_produced",
    }


# --- tests that are run again with other answers -------------------------------------------------------------------

READER = """
import json, urllib.request

def read(url):
    body = json.load(urllib.request.urlopen(url))
    if set(body) - {"id"}:
        raise ValueError(f"what is {sorted(body)}?")
    return body["id"]
"""
INTOLERANT = """
from reader import read

def test_it(pact):
    contract = pact("web", "orders")
    (contract.upon_receiving("an order").with_request("GET", "/orders/1")
        .will_respond_with(200).with_body({"id": "o-1"}, content_type="application/json"))
    with contract.serve() as server:
        assert read(f"{server.url}/orders/1") == "o-1"
"""
ONCE = """
RUNS = []

def test_once(pact):
    ask(pact, "once")
    RUNS.append(1)
    assert len(RUNS) == 1
"""
PINS = """
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


def replayed(root: Path, files: Mapping[str, str], toml: str = TOML) -> StageResult:
    """The consumer stage over these tests and the reader of one of them."""
    (root / "reader.py").write_text(READER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(root))
        return run(root, files, toml=toml)


@pytest.fixture(scope="module")
def remarkable(tmp_path_factory: pytest.TempPathFactory) -> StageResult:
    """A suite in which nothing fails, and of which much is to be said."""
    root = tmp_path_factory.mktemp("remarkable")
    write_pact(pact_from_json(pact(http("kept"))), root / "contracts/pacts")
    files = {
        "test_web": INTOLERANT,
        "test_once": GOOD.partition("def test_")[0] + ONCE,
        "test_pins": PINS,
        "test_later": "import pytest\n\ndef test_now(): pass\n\n@pytest.mark.skip\ndef test_later(pact): pass\n",
    }
    return replayed(root, files)


def test_a_consumer_that_refuses_a_further_field_fails_with_the_field_and_a_way_to_repeat_it(
    remarkable: StageResult,
) -> None:
    [finding] = [f for f in remarkable.findings if f.rule == "consumer.not_tolerant"]
    assert remarkable.status is Status.FAIL
    assert finding.title.startswith(
        "web cannot live with an answer of orders that its contract allows: ValueError: what"
    )
    assert '$ of the answer to GET /orders/1 has a further field "harness_extra"' in finding.detail
    assert finding.place.file == "reader.py"
    assert finding.place.edge == "web -> orders"
    assert finding.reproduce.startswith("pytest contracts/test_web.py::test_it --tolerant-reader=10 ")
    assert remarkable.work["perturbations"] > 0


def test_replays_can_be_switched_off(tmp_path: Path) -> None:
    result = replayed(tmp_path, {"test_web": INTOLERANT}, TOML + "\n[stages.consumer]\ntolerance = 0\n")

    assert "consumer.not_tolerant" not in rules(result)
    assert "perturbations" not in result.work


def test_a_test_that_cannot_be_replayed_is_named(remarkable: StageResult) -> None:
    [finding] = [f for f in remarkable.findings if f.rule == "consumer.not_replayed"]
    assert "contracts/test_once.py::test_once: it fails when it is run a second time" in finding.detail
    assert finding.severity is Severity.INFO


def test_a_pinned_value_nobody_reads_is_a_warning_unless_another_test_needs_the_field(remarkable: StageResult) -> None:
    told = {f.title: f.severity for f in remarkable.findings if f.rule == "consumer.pinned_value"}
    assert told == {
        "test_id pins $.note, although any other value would do": Severity.WARNING,
        "test_kind pins $.note, although any other value would do": Severity.WARNING,
    }


def test_interactions_that_are_kept_although_no_test_produced_them_are_told_with_the_reason(
    remarkable: StageResult,
) -> None:
    [finding] = [f for f in remarkable.findings if f.rule == "consumer.not_produced"]
    assert finding.severity is Severity.INFO
    assert finding.title == (
        "1 published interactions of web with orders were produced by no test of this run: 1 test was skipped"
    )
