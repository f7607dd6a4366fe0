"""What a pact sends in confidence is known by value, in every version of the specification."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from harness.contracts.pacts import PactError, pact_from_json
from harness.evidence.credentials import Bounded

REQUEST = {"method": "POST", "path": "/token/tok-in-path-1", "headers": {"X-Api-Key": "key-of-header"}}
ENCODED = base64.b64encode(b"password=form-encoded").decode()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was remembered, in this order."""
    found: list[str] = []
    monkeypatch.setattr(
        "harness.contracts.confidential.remember_said", Bounded(lambda _name, value: found.append(value)).take
    )
    return found


def read(interaction: dict[str, Any], kind: str = "interactions") -> None:
    pact_from_json({"consumer": {"name": "a"}, "provider": {"name": "b"}, kind: [{"description": "d", **interaction}]})


@pytest.mark.parametrize(
    ("interaction", "wanted"),
    [
        ({"request": REQUEST}, {"tok-in-path-1", "key-of-header"}),
        ({"request": {"query": "token=in-query-2&page=1", "body": {"user": {"password": "in-body-2"}}}},
         {"in-query-2", "in-body-2"}),
        ({"request": {"query": {"token": ["in-query-3"]}, "headers": {"Cookie": ["sid=in-cookie-3"]}}},
         {"in-query-3", "in-cookie-3"}),
        ({"request": {"body": {"content": {"password": "in-body-4"}, "encoded": False}}}, {"in-body-4"}),
        ({"request": {"body": {"content": ENCODED, "encoded": "base64"}}}, {"form-encoded"}),
        ({"providerStates": [{"name": "a user", "params": {"password": "in-state-5"}}]}, {"in-state-5"}),
        ({"metadata": {"authToken": "in-metadata"}, "contents": {"content": {"secret": "in-contents"}}},
         {"in-metadata", "in-contents"}),
        ({"request": {"path": 5, "headers": [1], "query": 7, "body": {"content": 1, "encoded": True}, "x": "token"}}, set()),
    ],
)  # fmt: skip
def test_credentials_of_an_interaction_are_known(
    told: list[str], interaction: dict[str, Any], wanted: set[str]
) -> None:
    read(interaction)

    assert set(told) == wanted


def test_a_message_of_an_old_pact_is_looked_through(told: list[str]) -> None:
    read({"metaData": {"authToken": "in-metadata"}, "contents": json.dumps({"secret": "in-contents"})}, "messages")

    assert set(told) == {"in-metadata", "in-contents"}


def test_what_is_no_interaction_is_still_told_so(told: list[str]) -> None:
    with pytest.raises(PactError, match="description"):
        read({"description": None, "request": REQUEST})
    assert told == []
