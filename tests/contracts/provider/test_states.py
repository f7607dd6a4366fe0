"""Provider states by a function of the project's, in the stage."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from harness.contracts.provider.states import StateChange, StateFunction
from harness.contracts.stage import ProviderStage
from harness.errors import ConfigError
from harness.evidence import StageResult, Status
from tests.contracts.shop import TOML, http, pact, project
from tests.helpers import make_context

BY_FUNCTION = TOML.replace('states = "/states"', 'states = "python:support.states:change"')
FUNCTION = """
import urllib.request
from harness.testing import StateChange

def change(change: StateChange) -> None:
    assert isinstance(change, StateChange)
    with open("changes", "a") as log:
        print(change.action, change.name, dict(change.parameters), change.base_url.startswith("http://127"), file=log)
    {body}
"""
KNOWN = 'if change.name != "an order":\n        raise LookupError(f"no such state: {change.name}")'


def verify(root: Path, body: str = KNOWN, *, state: str = "an order", toml: str = BY_FUNCTION) -> StageResult:
    one = http("an order", states=[state])
    one["providerStates"][0]["params"] = {"id": 1}
    files = {"support/states.py": FUNCTION.replace("{body}", body), "support/__init__.py": ""}
    context = make_context(project(root, toml, [pact(one)], files), ProviderStage(), [])

    async def run() -> StageResult:
        with anyio.fail_after(60):
            return await ProviderStage().run(context)

    return anyio.run(run)


def test_the_function_sets_up_and_tears_down_with_the_parameters_of_the_contract(tmp_path: Path) -> None:
    result = verify(tmp_path)

    assert result.status is Status.PASS, result
    first, second = (tmp_path / "changes").read_text().splitlines()[:2]
    assert first == "setup an order {'id': 1} True"
    assert second == "teardown an order {'id': 1} True"


def test_a_state_the_function_refuses_is_an_error_with_its_reason(tmp_path: Path) -> None:
    [finding] = verify(tmp_path, state="on the moon").findings

    assert finding.rule == "provider.state_unhandled"
    assert "LookupError: no such state: on the moon" in finding.detail


def test_a_function_that_accepts_any_state_does_not_pass(tmp_path: Path) -> None:
    result = verify(tmp_path, "pass")

    assert result.status is Status.FAIL
    assert {f.rule for f in result.findings} == {"provider.states_unchecked"}


def test_a_function_that_hangs_is_an_error_within_the_time_limit(tmp_path: Path) -> None:
    toml = BY_FUNCTION + '[stages.provider]\nrequest_timeout = "500ms"\n'

    [finding] = verify(tmp_path, "import threading; threading.Event().wait(60)", toml=toml).findings

    assert finding.rule == "provider.state_unhandled"
    assert "no end after 0.45 s" in finding.detail


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ("python:support.states:chnge", "support.states has no function chnge"),
        ("python:support.nothing:change", "support.nothing does not import: ModuleNotFoundError"),
    ],
)
def test_a_function_that_cannot_be_had_is_one_clear_finding(tmp_path: Path, states: str, said: str) -> None:
    result = verify(tmp_path, toml=TOML.replace('states = "/states"', f'states = "{states}"'))

    assert result.status is Status.INCONCLUSIVE
    [finding] = result.findings
    assert finding.rule == "provider.not_started"
    assert said in finding.title


def test_a_name_that_is_neither_a_path_nor_a_function_is_a_mistake_in_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="states"):
        verify(tmp_path, toml=TOML.replace('states = "/states"', 'states = "python:support.states"'))


def test_a_change_says_why_it_was_refused() -> None:
    def refuse(change: StateChange) -> None:
        raise ValueError(change.name)

    assert StateFunction(refuse, 5).change(StateChange("x", "setup", "")) == "ValueError: x"
    assert StateFunction(repr, 5).change(StateChange("x", "setup", "")) == ""


def test_what_the_function_sends_in_confidence_is_known_by_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[tuple[str, str]] = []
    monkeypatch.setattr("harness.system.channel.remember_said", known.extend)
    ask = 'urllib.request.urlopen(urllib.request.Request(change.base_url + "/ready", headers={"X-Api-Key": "key-of-a-state"}))'

    verify(tmp_path, f"{KNOWN}\n    {ask}")

    assert "key-of-a-state" in dict(known).values()
