"""Contracts that no answer could break, and ones that look like it and are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.contracts.pacts import pact_from_json, read_pact
from harness.contracts.provider.emptiness import any_status, any_values, is_readiness
from harness.contracts.provider.vacuity import vacuous
from harness.evidence import Severity
from harness.system.config import load_project
from tests.contracts.shop import TOML, http, pact
from tests.helpers import write_project

ROOT = Path(__file__).parents[3]


def told(root: Path, *interactions: dict[str, Any]) -> list[str]:
    system = write_project(root, TOML.replace('states = "/states"', 'states = "/states"\nready = "/there"')).system
    found = vacuous(system, [pact_from_json(pact(*interactions))])
    assert all(f.severity is Severity.WARNING for f in found)
    return [f.rule.removeprefix("provider.") for f in found]


def ruled(content: object = None, **rules: Any) -> dict[str, Any]:
    given = http("it", body=content)
    given["response"]["matchingRules"] = rules
    return given


def status(*matchers: dict[str, Any], combine: str = "OR") -> dict[str, Any]:
    return {"combine": combine, "matchers": list(matchers)}


def code(said: object) -> dict[str, Any]:
    return {"match": "statusCode", "status": said}


def text(pattern: str, place: str = "$.a") -> dict[str, Any]:
    return {place: {"combine": "AND", "matchers": [{"match": "regex", "regex": pattern}]}}


@pytest.mark.parametrize(
    "rule",
    [
        status(code([200, 201, 400, 404, 500])),
        status(code("success"), code("error")),
        status(code("nonError"), code("clientError"), code("serverError")),
        status({"match": "type"}),
        status({"match": "regex", "regex": "\\d+"}),
        status({"match": "integer"}),
    ],
)
def test_a_status_of_every_class_is_told(tmp_path: Path, rule: dict[str, Any]) -> None:
    assert told(tmp_path, ruled({"a": "x"}, status=rule)) == ["any_status"]
    assert told(tmp_path, ruled(status=rule)) == ["checks_nothing"]


@pytest.mark.parametrize(
    "rule",
    [
        status(code("success")),
        status(code("nonError")),
        status(code([200, 404])),
        status(code("success"), code("error"), combine="AND"),
        status({"match": "regex", "regex": "2\\d\\d"}),
    ],
)
def test_a_status_of_some_classes_is_an_expectation(tmp_path: Path, rule: dict[str, Any]) -> None:
    assert told(tmp_path, ruled(status=rule)) == []


@pytest.mark.parametrize(
    "pattern",
    [
        ".*",
        "^.*$",
        "(.*)",
        "[\\s\\S]*",
        "[\\S\\s]*",
        "(?s).*",
        "(.|\\n)*",
        ".*?",
        ".{0,}",
        "a|.*",
        "(?:.*)",
        "[^\\0]*",
        "\\A.*\\Z",
    ],
)
def test_a_pattern_that_accepts_every_text_is_told_with_its_place(tmp_path: Path, pattern: str) -> None:
    given = ruled({"a": "x"}, body=text(pattern), header=text(pattern, "X-A"))

    assert told(tmp_path, given) == ["any_value"]
    assert any_values(given["response"]) == ["body $.a", "header X-A"]


@pytest.mark.parametrize(
    "pattern", [".+", "^[A-Z]{3}$", ".*/card-declined$", "\\d*", "^$", "[", "(a+)+$", ".*x.*", "\\S*", "[a-z ]*"]
)
def test_a_pattern_that_refuses_some_text_is_an_expectation(tmp_path: Path, pattern: str) -> None:
    assert told(tmp_path, ruled({"a": "x"}, body=text(pattern))) == []


def test_a_body_of_any_text_with_any_status_checks_nothing(tmp_path: Path) -> None:
    loose = ruled("x", status=status({"match": "type"}), body=text(".*", "$"))

    assert told(tmp_path, loose) == ["checks_nothing", "any_value"]
    assert not any_status({"status": 200})


def test_matchers_of_version_2_are_read_as_well() -> None:
    rules = {"$.body.a": {"match": "regex", "regex": ".*"}, "$.headers.X-A": {"match": "regex", "regex": ".*"}}

    assert any_values({"matchingRules": rules}) == ["body $.a", "header X-A"]


@pytest.mark.parametrize(
    "path", ["/health", "/healthz", "/health/ready", "/api/v1/ping", "/_health", "/READY/", "/there"]
)
def test_a_contract_that_asks_only_for_readiness_is_told(tmp_path: Path, path: str) -> None:
    assert told(tmp_path, http("one", path), http("two", "/health")) == ["only_readiness"]
    assert told(tmp_path, http("one", path), http("two", "/orders/1")) == []


@pytest.mark.parametrize("path", ["/orders/1", "/", "/health/records", "/pings", "/already", "/groups/up/members"])
def test_a_path_of_work_is_no_readiness(path: str) -> None:
    assert not is_readiness(path)


def test_the_contracts_of_the_record_shop_are_worth_something() -> None:
    system = load_project(ROOT / "harness.toml").system
    pacts = [read_pact(file) for file in sorted((ROOT / "contracts/pacts").glob("*.json"))]

    assert pacts
    assert vacuous(system, pacts) == []
