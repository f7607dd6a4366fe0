"""AsyncAPI documents: structural checks, and changes seen from the side of those who read or write the events."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from harness.contracts.compat import Level, compare_asyncapi
from harness.contracts.schema.checks import problems_of_asyncapi

Document = dict[str, Any]


def version_3(action: str = "send") -> Document:
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "orders", "version": "1"},
        "channels": {"paid": {"address": "shop.paid", "messages": {"m": {"$ref": "#/components/messages/Paid"}}}},
        "operations": {
            "tell": {
                "action": action,
                "channel": {"$ref": "#/channels/paid"},
                "messages": [{"$ref": "#/channels/paid/messages/m"}],
            }
        },
        "components": {"messages": {"Paid": message()}},
    }


def version_2(word: str = "subscribe") -> Document:
    return {
        "asyncapi": "2.6.0",
        "info": {"title": "orders", "version": "1"},
        "channels": {"shop.paid": {word: {"message": {"$ref": "#/components/messages/Paid"}}}},
        "components": {"messages": {"Paid": message()}},
    }


def message() -> Document:
    payload = {
        "type": "object",
        "required": ["id", "total"],
        "properties": {"id": {"type": "string"}, "total": {"type": "integer"}},
    }
    headers = {"type": "object", "required": ["trace"], "properties": {"trace": {"type": "string"}}}
    return {"name": "Paid", "payload": payload, "headers": headers, "contentType": "application/json"}


def paid(d: Document) -> Document:
    found: Document = d["components"]["messages"]["Paid"]
    return found


CHANGES: list[tuple[str, Callable[[Document], object], str, Level, Level]] = [
    (
        "a field goes",
        lambda d: paid(d)["payload"]["properties"].pop("total"),
        "field_removed",
        Level.BREAKING,
        Level.WARNING,
    ),
    (
        "a field becomes optional",
        lambda d: paid(d)["payload"]["required"].remove("total"),
        "field_optional",
        Level.BREAKING,
        Level.COMPATIBLE,
    ),
    (
        "a header becomes optional",
        lambda d: paid(d)["headers"].pop("required"),
        "field_optional",
        Level.BREAKING,
        Level.COMPATIBLE,
    ),
    ("another format", lambda d: paid(d).update(contentType="text/xml"), "content_type_changed", Level.BREAKING, Level.BREAKING),
    ("another name", lambda d: paid(d).update(name="Payed"), "message_removed", Level.BREAKING, Level.BREAKING),
]  # fmt: skip


@pytest.mark.parametrize(("mutate", "rule", "sent", "received"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES])
@pytest.mark.parametrize("version", [3, 2])
def test_a_change_of_an_event_is_judged_by_who_reads_it(
    version: int, mutate: Callable[[Document], object], rule: str, sent: Level, received: Level
) -> None:
    sides = (
        (version_3("send"), version_3("receive")) if version == 3 else (version_2("subscribe"), version_2("publish"))
    )
    levels = []
    for old in sides:
        new = copy.deepcopy(old)
        mutate(new)
        levels.append({c.rule: c.level for c in compare_asyncapi(old, new).changes}[rule])

    assert levels == [sent, received]


def test_a_message_that_is_new_and_a_title_that_reads_well() -> None:
    new = version_3()
    paid(new)["payload"]["properties"].pop("total")
    new["channels"]["sent"] = {"address": "shop.sent", "messages": {"Sent": {"payload": {}}}}
    new["operations"]["more"] = {"action": "send", "channel": {"$ref": "#/channels/sent"}}

    texts = [c.text for c in compare_asyncapi(version_3(), new).changes]

    assert texts == ["no longer returns `total` in Paid on shop.paid", "sends Sent on shop.sent, which is new"]


@pytest.mark.parametrize("document", [version_3(), version_2()])
def test_a_sound_document_has_no_problems(document: Document) -> None:
    assert problems_of_asyncapi(document) == []


PROBLEMS: list[tuple[Callable[[Document], object], str]] = [
    (lambda d: d["info"].pop("title"), "info.title is missing"),
    (lambda d: d.update(channels=[]), "channels is a list"),
    (lambda d: d["operations"]["tell"].update(action="shout"), "action is 'shout'; send or receive was expected"),
    (lambda d: d["operations"]["tell"].pop("channel"), "channel is missing"),
    (lambda d: d["operations"]["tell"]["channel"].update({"$ref": "#/channels/x"}), "points at nothing"),
    (
        lambda d: (
            d["operations"]["tell"].update(messages=[{"$ref": "#/components/messages/Other"}])
            or d["components"]["messages"].update(Other={"payload": {}})
        ),
        "none of the messages of its channel",
    ),
    (lambda d: paid(d)["payload"].update(type="strng"), "not a JSON Schema"),
    (lambda d: paid(d)["payload"]["properties"].update(x={"minLength": "a"}), "not a JSON Schema"),
]


@pytest.mark.parametrize(("mutate", "said"), PROBLEMS)
def test_each_structural_check_fires(mutate: Callable[[Document], object], said: str) -> None:
    document = version_3()
    mutate(document)

    assert any(said in p.text for p in problems_of_asyncapi(document))
