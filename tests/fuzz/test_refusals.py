"""What the fuzz stage refuses, what it says when it cannot work, and what happens beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.evidence import Status
from tests.fuzz.conftest import fuzz, service

HEAD = '[system]\nname = "s"\n[stages.fuzz]\nmax_time = "1s"\n'


def test_a_target_beyond_loopback_is_refused_by_name(tmp_path: Path) -> None:
    toml = HEAD + '[services.far]\nurl = "https://shop.example.com"\nopenapi = "/openapi.json"\n'
    with pytest.raises(UsageError, match=r"https://shop\.example\.com.*not on loopback.*allow_targets"):
        fuzz(tmp_path, toml)


def test_production_is_refused(tmp_path: Path) -> None:
    toml = HEAD + "[runtime]\nproduction = true\n" + service("s")
    with pytest.raises(UsageError, match="production"):
        fuzz(tmp_path, toml)


def test_a_service_nobody_has_is_named_with_the_one_meant(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r'no service "ordres".*Did you mean "orders"'):
        fuzz(tmp_path, HEAD + service("orders"), only={"service": "ordres"})


def test_no_document_anywhere_is_inconclusive_and_says_which_services(tmp_path: Path) -> None:
    fuzzed = fuzz(tmp_path, HEAD + service("plain").replace('openapi = "/openapi.json"', ""))
    assert fuzzed.result.status is Status.INCONCLUSIVE
    assert "plain has no OpenAPI document" in fuzzed.result.reason


def test_a_broken_schemathesis_toml_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text("max-examples = 3\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"schemathesis\.toml"):
        fuzz(tmp_path, HEAD + service("s"))


def test_the_projects_schemathesis_toml_is_obeyed(tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text("[checks]\nnot_a_server_error.enabled = false\n"
                                                "status_code_conformance.enabled = false\n", encoding="utf-8")  # fmt: skip
    fuzzed = fuzz(tmp_path, HEAD + service("s", "server_error"))
    assert fuzzed.result.work["cases"] > 0
    assert not [f for f in fuzzed.result.findings if f.rule == "fuzz.not_a_server_error"]


def test_a_document_that_is_not_there_is_a_finding_not_a_pass(tmp_path: Path) -> None:
    fuzzed = fuzz(tmp_path, HEAD + service("s", "document_missing"))
    assert fuzzed.result.status is Status.FAIL
    assert "was answered 404" in fuzzed.result.findings[0].title


def test_a_neighbour_that_dies_of_what_is_passed_on_is_an_error(tmp_path: Path) -> None:
    caller = service("caller", "poison_neighbour", more='[services.caller.uses.victim]\nenv = "NEIGHBOUR"\n')
    silent = service("victim", "mortal").replace('openapi = "/openapi.json"', "")
    fuzzed = fuzz(tmp_path, HEAD + caller + silent)
    (found,) = [f for f in fuzzed.result.findings if f.severity == "error"]
    assert (found.rule, found.place.service) == ("fuzz.crash", "victim")
    assert found.title == "victim died while its neighbours were fuzzed (caller)"
