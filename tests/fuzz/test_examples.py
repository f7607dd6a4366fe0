"""Credentials that a document or a configuration shows are known by value, and so are the names they are sent under."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.evidence.credentials import Bounded
from harness.fuzz.configuration import check_configuration
from harness.fuzz.examples import remember_examples
from harness.system.model import RuntimeSettings


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was remembered, in this order."""
    found: list[str] = []
    monkeypatch.setattr("harness.fuzz.examples.remember_said", Bounded(lambda _name, value: found.append(value)).take)
    return found


@pytest.mark.parametrize(
    ("node", "wanted"),
    [
        ({"name": "X-Api-Key", "in": "header", "example": "tok-shown-1"}, {"tok-shown-1"}),
        ({"name": "X-Api-Key", "in": "header", "schema": {"default": "tok-shown-2"}}, {"tok-shown-2"}),
        ({"name": "token", "in": "query", "examples": {"a": {"value": "tok-shown-3"}}}, {"tok-shown-3"}),
        ({"name": "session", "in": "cookie", "example": "tok-shown-4"}, {"tok-shown-4"}),
        ({"properties": {"password": {"type": "string", "examples": ["tok-shown-5"]}}}, {"tok-shown-5"}),
        ({"example": {"user": "bob-smith", "password": "tok-shown-6"}}, {"tok-shown-6"}),
        ({"examples": {"a": {"value": {"password": "tok-shown-7"}}}}, {"tok-shown-7"}),
        ({"name": "page", "in": "query", "example": "tok-shown-8"}, set()),
        ({"name": 5, "in": 6, "properties": [], "example": None, "examples": 7}, set()),
    ],
)  # fmt: skip
def test_credentials_of_examples_are_known(told: list[str], node: dict[str, Any], wanted: set[str]) -> None:
    remember_examples([node])

    assert set(told) == wanted


@pytest.mark.parametrize(("place", "wanted"), [("header", ["X-Shop"]), ("query", [])])
def test_the_header_of_a_security_scheme_is_a_secret_name(
    monkeypatch: pytest.MonkeyPatch, place: str, wanted: list[str]
) -> None:
    names: list[str] = []
    monkeypatch.setattr("harness.fuzz.examples.remember_names", names.extend)

    remember_examples([{"type": "apiKey", "in": place, "name": "X-Shop"}])

    assert names == wanted


def test_credentials_of_a_configuration_are_known_with_the_variables_it_names(
    told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "schemathesis.toml"
    file.write_text(
        '[headers]\nX-Api-Key = "${SHOWN}"\n[auth.openapi.Basic]\nusername = "bob"\npassword = "tok-in-file"\n'
    )
    monkeypatch.setenv("SHOWN", "tok-in-variable")

    check_configuration(file, RuntimeSettings())

    assert set(told) == {"tok-in-variable", "tok-in-file"}
