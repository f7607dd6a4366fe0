"""Scenarios in the provider stage: what a consumer relies on beyond shapes is run, counted and told; emptiness is not a pass."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import anyio
import pytest

from harness.contracts.stage import ProviderStage
from harness.evidence import Finding, Severity, StageResult, Status
from harness.system import channel
from tests.contracts.shop import TOML, http, pact, project
from tests.helpers import make_context

SCENARIO = """
import pytest

@pytest.mark.scenario(consumer="web", provider="orders")
def test_an_order_keeps_its_total(provider):
    provider.given("an order", id="1")
    first = provider.client.get("/orders/1").json()
    assert provider.client.get("/orders/1").json()["total"] == first["total"]
"""
#: The shape is the same, the meaning is not.
FORGETFUL = (
    '{"id": "1", "total": 100}',
    '{"id": "1", "total": len(os.urandom(1)) and __import__("time").time_ns() % 10**9}',
)
#: Every request is in the provider's log, with its trace.
TALKATIVE = (
    "    def log_message(self, *_):\n        pass",
    '    def log_message(self, *_):\n        print("asked by", self.headers.get("traceparent"), flush=True)',
)
#: The client of a scenario is let in.
AUTHORISED = TOML.replace(
    "[services.orders.uses.bank]", '[services.orders.auth]\nvalue = "Bearer right"\n[services.orders.uses.bank]'
)


pytestmark = pytest.mark.usefixtures("fast_children")


def verify(
    root: Path,
    text: str | Mapping[str, str] = SCENARIO,
    *,
    changes: Sequence[tuple[str, str]] = (),
    only: dict[str, str] | None = None,
    toml: str = TOML,
    pacts: bool = True,
) -> StageResult:
    """The provider stage over scenarios of one file, or of several by name, and a provider with these replacements."""
    files = {"contracts/test_web.py": text} if isinstance(text, str) else text
    published = [pact(http("an order", body={"id": "1"}))] if pacts else []
    made = project(root, toml, published, {**files, "pytest.ini": "[pytest]\n"})
    server = root / "orders.py"
    for old, new in changes:
        assert old in server.read_text()
        server.write_text(server.read_text().replace(old, new))
    context = make_context(made, ProviderStage(), [], only=only)

    async def run() -> StageResult:
        with anyio.fail_after(90):
            return await ProviderStage().run(context)

    return anyio.run(run)


def only_finding(result: StageResult, about: str = "") -> Finding:
    """The one finding there is; with a word for the one whose scenario, as pytest calls it, has it."""
    found = [f for f in result.findings if about in f.reproduce]
    assert len(found) == 1, result.findings
    return found[0]


def scenario(name: str, steps: str) -> str:
    """A further scenario for the same file."""
    head = SCENARIO.replace("import pytest\n", "").partition("    provider.given")[0]
    return head.replace("test_an_order_keeps_its_total", f"test_{name}") + steps


CLAIMS = {
    "status": '    provider.client.get("/orders/1").raise_for_status()\n',
    "emptiness": '    assert provider.client.get("/nowhere").json() == {}\n',
    "refusal": '    assert provider.client.post("/orders/1", json={}).status_code >= 400\n',
    "message": ('    assert provider.published("an order")["type"] == "order"\n    provider.client.get("/orders/1")\n'),
}


def test_each_scenario_that_claims_anything_and_holds_is_counted(tmp_path: Path) -> None:
    result = verify(tmp_path, SCENARIO + "".join(scenario(name, claim) for name, claim in CLAIMS.items()))

    assert result.status is Status.PASS, result
    assert result.work == {"providers": 1, "interactions": 1, "messages": 0, "scenarios": 1 + len(CLAIMS)}


def test_a_provider_without_a_pact_is_still_started_for_its_scenarios(tmp_path: Path) -> None:
    result = verify(tmp_path, pacts=False)

    assert result.status is Status.PASS, result
    assert result.work["scenarios"] == 1


# --- scenarios that fail, in one run -------------------------------------------------------------------------------


#: The result, the project, and what was said to be confidential.
Broken = tuple[StageResult, Path, list[tuple[str, str]]]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Broken:
    """A provider that breaks what scenarios rely on."""
    root = tmp_path_factory.mktemp("broken")
    refused = '    provider.given("on the moon", id="1")\n    assert provider.client.get("/orders/1").json()["total"]\n'
    let_in = (
        '    provider.client.get("/orders/1", headers={"X-Api-Key": "key-of-a-scenario"})\n'
        '    assert provider.client.get("/private").status_code == 401, dict(provider.client.headers)\n'
    )
    text = SCENARIO + scenario("a_state_that_is_refused", refused) + scenario("a_client_that_is_let_in", let_in)
    known: list[tuple[str, str]] = []
    remember = channel.remember_said

    def noted(said: Iterable[tuple[str, str]]) -> None:
        known.extend(told := list(said))
        remember(told)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(channel, "remember_said", noted)
        result = verify(root, text, changes=[FORGETFUL, TALKATIVE], toml=AUTHORISED)
    assert len(result.findings) == 3, result.findings
    return result, root, known


def test_a_break_of_meaning_is_told_where_every_pact_holds(broken: Broken) -> None:
    result, _, _ = broken

    assert result.status is Status.FAIL
    assert result.work["interactions"] == 1
    finding = only_finding(result, "test_an_order_keeps_its_total")
    assert finding.rule == "provider.scenario_failed"
    assert finding.title.startswith('orders breaks web: scenario "an order keeps its total": ')
    assert "assert" in finding.title
    assert (finding.place.consumer, finding.place.edge) == ("web", "web -> orders")
    assert (finding.place.file, finding.place.line) == ("contracts/test_web.py", 8)
    assert finding.reproduce == "pytest contracts/test_web.py::test_an_order_keeps_its_total"
    assert finding.exchange is not None
    assert finding.exchange.request.startswith("GET /orders/1")
    assert finding.exchange.response.startswith("HTTP 200")
    assert finding.trace_id in finding.exchange.request
    assert "2. GET /orders/1 -> HTTP 200" in finding.detail


def test_lines_of_the_providers_log_with_the_scenarios_trace_are_shown(broken: Broken) -> None:
    finding = only_finding(broken[0], "test_an_order_keeps_its_total")

    assert finding.trace_id
    assert f"asked by 00-{finding.trace_id}" in finding.detail


def test_a_state_that_is_refused_is_told_with_the_handlers_answer(broken: Broken) -> None:
    finding = only_finding(broken[0], "test_a_state_that_is_refused")

    assert finding.rule == "provider.scenario_failed"
    assert 'orders cannot be put into the state "on the moon": 400' in finding.title


def test_credentials_are_given_to_the_client_and_stored_nowhere(broken: Broken) -> None:
    result, root, _ = broken

    finding = only_finding(result, "test_a_client_that_is_let_in")
    assert finding.rule == "provider.scenario_failed"

    kept = [f for f in (root / ".harness").rglob("*") if f.is_file()]
    assert kept
    assert not [f for f in kept if b"Bearer right" in f.read_bytes()]
    assert "Bearer right" not in str(finding)


def test_what_a_scenario_sends_in_confidence_is_known_by_value(broken: Broken) -> None:
    assert "key-of-a-scenario" in dict(broken[2]).values()


# --- scenarios that prove nothing, in one run ----------------------------------------------------------------------


#: What is wrong -> the file, and what has to be said of it: the rule, and words of its title.
WORTHLESS = {
    "silent": (
        SCENARIO[: SCENARIO.index("    provider.given")] + "    assert True\n",
        "provider.scenario_silent",
        "made no call to orders",
    ),
    "no_fixture": (
        SCENARIO.replace("(provider)", "()"),
        "provider.scenario_unusable",
        "does not ask for the fixture `provider`",
    ),
    "no_consumer": (SCENARIO.replace('consumer="web", ', ""), "provider.scenario_unusable", "consumer missing"),
    "unknown_word": (SCENARIO.replace("consumer=", "by="), "provider.scenario_unusable", "'by' not understood"),
    "unknown_provider": (
        SCENARIO.replace('"orders")', '"order")'),
        "provider.scenario_unusable",
        'Did you mean "orders"?',
    ),
    "unknown_consumer": (SCENARIO.replace('"web"', '"wep"'), "provider.scenario_unusable", 'Did you mean "web"?'),
}
#: A consumer -> the mark by which its only scenario is skipped.
SKIPPED = {"mail": "skip", "bank": "xfail(reason='later', run=False)"}


@pytest.fixture(scope="module")
def worthless(tmp_path_factory: pytest.TempPathFactory) -> StageResult:
    """A suite in which no scenario proves anything."""
    files = {f"contracts/test_{what}.py": text for what, (text, _, _) in WORTHLESS.items()}
    for consumer, mark in SKIPPED.items():
        skipped = SCENARIO.replace("@pytest", f"@pytest.mark.{mark}\n@pytest").replace('"web"', f'"{consumer}"')
        files[f"contracts/test_{consumer}.py"] = skipped
    return verify(tmp_path_factory.mktemp("worthless"), files)


@pytest.mark.parametrize("what", WORTHLESS)
def test_a_scenario_that_proves_nothing_is_an_error(worthless: StageResult, what: str) -> None:
    _, rule, said = WORTHLESS[what]

    assert worthless.status is Status.FAIL
    finding = only_finding(worthless, f"contracts/test_{what}.py")
    assert (finding.rule, finding.severity) == (rule, Severity.ERROR)
    assert said in finding.title
    assert not worthless.work.get("scenarios")


@pytest.mark.parametrize("consumer", SKIPPED)
def test_where_every_scenario_of_a_consumer_is_skipped_nothing_was_shown(worthless: StageResult, consumer: str) -> None:
    found = {f.rule: f.severity for f in worthless.findings if f.place.consumer == consumer}

    assert found == {
        "provider.scenario_skipped": Severity.WARNING,
        "provider.scenarios_skipped": Severity.ERROR,
    }


def test_a_file_of_scenarios_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    result = verify(tmp_path, "import nowhere\n" + SCENARIO)

    assert result.status is Status.FAIL
    finding = only_finding(result)
    assert finding.rule == "provider.scenarios_unknown"
    assert "No module named 'nowhere'" in finding.title
    assert not result.work.get("scenarios")


def test_one_skipped_scenario_beside_one_that_holds_is_a_remark(tmp_path: Path) -> None:
    other = SCENARIO.replace("import pytest", "").replace("@pytest", "@pytest.mark.skip('not yet')\n@pytest")

    result = verify(tmp_path, SCENARIO + other.replace("test_an", "test_another"))

    assert result.status is Status.WARN
    assert only_finding(result).severity is Severity.WARNING
    assert "not yet" in only_finding(result).title


def test_a_scenario_that_is_collected_and_does_not_run_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", os.environ["PYTEST_ADDOPTS"] + " -k nothing")

    finding = only_finding(verify(tmp_path))

    assert finding.rule == "provider.scenario_not_run"


def test_a_process_that_ends_within_a_scenario_is_an_error(tmp_path: Path) -> None:
    result = verify(tmp_path, SCENARIO + '    __import__("os")._exit(0)\n')

    assert result.status is Status.FAIL
    assert only_finding(result).rule == "provider.scenario_not_run"


def test_a_provider_that_dies_within_a_scenario_is_told(tmp_path: Path) -> None:
    result = verify(tmp_path, SCENARIO + '    assert provider.client.get("/die").status_code == 200\n')

    assert {f.rule for f in result.findings} == {"provider.scenario_failed", "provider.died"}


def test_only_narrows_scenarios_too(tmp_path: Path) -> None:
    of_mail = SCENARIO.replace('"web"', '"mail"')
    both = {"contracts/test_web.py": SCENARIO, "contracts/test_mail.py": of_mail}

    assert verify(tmp_path / "a", both, only={"edge": "web:orders", "service": "orders"}).work["scenarios"] == 1
    assert "scenarios" not in verify(tmp_path / "b", only={"edge": "mail:orders"}).work
