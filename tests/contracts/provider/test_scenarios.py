"""Scenarios in the provider stage: what a consumer relies on beyond shapes is run, counted and told; emptiness is not a pass."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from harness.contracts.stage import ProviderStage
from harness.evidence import Finding, Severity, StageResult, Status
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


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other packages' pytest plugins take seconds to load in every child, and have no part in this."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p harness.testing.plugin -p xdist.plugin")


def verify(
    root: Path,
    text: str | dict[str, str] = SCENARIO,
    *,
    change: tuple[str, str] = ("", ""),
    only: dict[str, str] | None = None,
    toml: str = TOML,
    pacts: bool = True,
) -> StageResult:
    published = [pact(http("an order", body={"id": "1"}))] if pacts else []
    files = {"test_web.py": text} if isinstance(text, str) else text
    files = {f"contracts/{name}": content for name, content in files.items()}
    made = project(root, toml, published, files | {"pytest.ini": "[pytest]\n"})
    server = root / "orders.py"
    server.write_text(server.read_text().replace(*change) if change[0] else server.read_text())
    context = make_context(made, ProviderStage(), [], only=only)

    async def run() -> StageResult:
        with anyio.fail_after(90):
            return await ProviderStage().run(context)

    return anyio.run(run)


def only_finding(result: StageResult) -> Finding:
    assert len(result.findings) == 1, result.findings
    return result.findings[0]


def test_a_scenario_that_holds_is_counted(tmp_path: Path) -> None:
    result = verify(tmp_path)

    assert result.status is Status.PASS, result
    assert result.work == {"providers": 1, "interactions": 1, "messages": 0, "scenarios": 1}


def test_a_provider_without_a_pact_is_still_started_for_its_scenarios(tmp_path: Path) -> None:
    result = verify(tmp_path, pacts=False)

    assert result.status is Status.PASS, result
    assert result.work["scenarios"] == 1


def test_a_break_of_meaning_is_told_where_every_pact_holds(tmp_path: Path) -> None:
    result = verify(tmp_path, change=FORGETFUL)

    assert result.status is Status.FAIL
    assert result.work["interactions"] == 1
    finding = only_finding(result)
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


def test_lines_of_the_providers_log_with_the_scenarios_trace_are_shown(tmp_path: Path) -> None:
    logs = (
        "    def log_message(self, *_):\n        pass",
        ('    def log_message(self, *_):\n        print("asked by", self.headers.get("traceparent"), flush=True)'),
    )
    text = SCENARIO.replace('== first["total"]', '!= first["total"]')

    finding = only_finding(verify(tmp_path, text, change=logs))

    assert f"asked by 00-{finding.trace_id}" in finding.detail


def test_a_state_that_is_refused_is_told_with_the_handlers_answer(tmp_path: Path) -> None:
    finding = only_finding(verify(tmp_path, SCENARIO.replace('"an order"', '"on the moon"')))

    assert finding.rule == "provider.scenario_failed"
    assert 'orders cannot be put into the state "on the moon": 400' in finding.title


def test_scenarios_that_prove_nothing_are_errors_each(tmp_path: Path) -> None:
    unusable, silent = "provider.scenario_unusable", "provider.scenario_silent"
    wrong = {
        "silent": (
            SCENARIO[: SCENARIO.index("    provider.given")] + "    assert True\n",
            silent,
            "made no call to orders",
        ),
        "no_fixture": (SCENARIO.replace("(provider)", "()"), unusable, "does not ask for the fixture `provider`"),
        "no_consumer": (SCENARIO.replace('consumer="web", ', ""), unusable, "consumer missing"),
        "unknown_word": (SCENARIO.replace("consumer=", "by="), unusable, "'by' not understood"),
        "unknown_provider": (SCENARIO.replace('"orders")', '"order")'), unusable, 'Did you mean "orders"?'),
        "unknown_consumer": (SCENARIO.replace('"web"', '"wep"'), unusable, 'Did you mean "web"?'),
    }
    result = verify(tmp_path, {f"test_{name}.py": text for name, (text, _, _) in wrong.items()})

    assert result.status is Status.FAIL
    found = {f.place.file: f for f in result.findings}
    assert len(found) == len(result.findings) == len(wrong), result.findings
    for name, (_, rule, said) in wrong.items():
        finding = found[f"contracts/test_{name}.py"]
        assert (finding.rule, finding.severity) == (rule, Severity.ERROR)
        assert said in finding.title
    assert not result.work.get("scenarios")


def test_a_file_of_scenarios_that_cannot_be_loaded_is_an_error(tmp_path: Path) -> None:
    result = verify(tmp_path, "import nowhere\n" + SCENARIO)

    assert result.status is Status.FAIL
    finding = only_finding(result)
    assert finding.rule == "provider.scenarios_unknown"
    assert "No module named 'nowhere'" in finding.title
    assert not result.work.get("scenarios")


@pytest.mark.parametrize("mark", ["skip", "xfail(reason='later', run=False)"])
def test_where_every_scenario_of_a_consumer_is_skipped_nothing_was_shown(tmp_path: Path, mark: str) -> None:
    result = verify(tmp_path, SCENARIO.replace("@pytest", f"@pytest.mark.{mark}\n@pytest"))

    assert result.status is Status.FAIL
    assert {f.rule for f in result.findings} == {"provider.scenario_skipped", "provider.scenarios_skipped"}


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


@pytest.mark.parametrize(
    ("only", "count"),
    [({"edge": "web:orders", "service": "orders"}, 1), ({"edge": "mail:orders"}, None)],
)
def test_only_narrows_scenarios_too(tmp_path: Path, only: dict[str, str], count: int | None) -> None:
    assert verify(tmp_path, only=only).work.get("scenarios") == count


def test_credentials_are_given_to_the_client_and_stored_nowhere(tmp_path: Path) -> None:
    toml = TOML.replace(
        "[services.orders.uses.bank]", '[services.orders.auth]\nvalue = "Bearer right"\n[services.orders.uses.bank]'
    )
    text = SCENARIO + '    assert provider.client.get("/private").status_code == 401, dict(provider.client.headers)\n'

    finding = only_finding(verify(tmp_path, text, toml=toml))
    assert finding.rule == "provider.scenario_failed"

    kept = [f for f in (tmp_path / ".harness").rglob("*") if f.is_file()]
    assert kept
    assert not [f for f in kept if b"Bearer right" in f.read_bytes()]
    assert "Bearer right" not in str(finding)


def test_scenarios_that_claim_anything_are_told_from_those_that_claim_nothing(tmp_path: Path) -> None:
    claims = {
        "status": '    provider.client.get("/orders/1").raise_for_status()\n',
        "emptiness": '    assert provider.client.get("/nowhere").json() == {}\n',
        "refusal": '    assert provider.client.post("/orders/1", json={}).status_code >= 400\n',
        "message": '    assert provider.published("an order")["type"] == "order"\n    provider.client.get("/orders/1")\n',
    }
    head = SCENARIO.partition("    provider.given")[0]
    result = verify(tmp_path, {f"test_{name}.py": head + claim for name, claim in claims.items()})

    assert result.status is Status.PASS, result
    assert result.work["scenarios"] == len(claims)


def test_what_a_scenario_sends_in_confidence_is_known_by_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[tuple[str, str]] = []
    monkeypatch.setattr("harness.system.channel.remember_said", known.extend)

    verify(
        tmp_path, SCENARIO.replace('get("/orders/1")', 'get("/orders/1", headers={"X-Api-Key": "key-of-a-scenario"})')
    )

    assert "key-of-a-scenario" in dict(known).values()
