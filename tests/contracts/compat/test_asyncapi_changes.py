"""Changes of AsyncAPI documents: every rule fires, from both sides, and what only looks different is silent."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from harness.contracts.compat import Level, compare_asyncapi
from harness.contracts.compat.catalogue import messages as catalogue
from harness.contracts.compat.changes import PartKind

Document = dict[str, Any]

PAYLOAD: Document = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
HEADERS: Document = {"type": "object", "properties": {"trace": {"type": "string"}}}
AVRO = {"schemaFormat": "application/vnd.apache.avro;version=1.9.0", "schema": {"type": "record", "fields": []}}


def message() -> Document:
    return copy.deepcopy({"name": "Paid", "payload": PAYLOAD, "headers": HEADERS})


def version_3(action: str = "send") -> Document:
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "shop", "version": "1"},
        "servers": {
            "main": {"host": "broker:5672", "pathname": "/shop", "protocol": "amqp", "security": [{"type": "userPassword"}]}
        },
        "channels": {
            "paid": {"address": "shop/{id}/paid", "messages": {"Paid": message()}},
            "shipped": {"address": "shop/shipped", "messages": {"Shipped": {"payload": {"type": "string"}}}},
        },
        "operations": {
            "tellPaid": {"action": action, "channel": {"$ref": "#/channels/paid"}},
            "tellShipped": {"action": action, "channel": {"$ref": "#/channels/shipped"}},
        },
    }  # fmt: skip


def version_2(word: str = "subscribe") -> Document:
    return {
        "asyncapi": "2.6.0",
        "info": {"title": "shop", "version": "1"},
        "servers": {"main": {"url": "amqp://broker:5672/shop", "protocol": "amqp", "security": [{"password": []}]}},
        "channels": {
            "shop/{key}/paid": {word: {"message": message()}},
            "shop/shipped": {word: {"message": {"payload": {"type": "string"}}}},
        },
        "components": {"securitySchemes": {"password": {"type": "userPassword"}}},
    }


def paid(document: Document) -> Document:
    found: Document = document["channels"]["paid"]["messages"]["Paid"]
    return found


def rules(old: Document, new: Document) -> dict[str, Level]:
    return {c.rule: c.level for c in compare_asyncapi(old, new).changes}


B, W, C = Level.BREAKING, Level.WARNING, Level.COMPATIBLE
Mutate = Callable[[Document], object]

FIRED: list[tuple[str, Mutate, Level, Level]] = [
    ("channel_removed", lambda d: d["operations"].pop("tellPaid"), B, B),
    ("channel_address_changed", lambda d: d["channels"]["paid"].update(address="shop/payments"), B, B),
    ("message_removed", lambda d: paid(d).update(name="Payed"), B, B),
    ("message_added", lambda d: d["channels"]["paid"]["messages"].update(More={"payload": {}}), C, C),
    ("message_deprecated", lambda d: paid(d).update(deprecated=True), C, C),
    ("content_type_changed", lambda d: paid(d).update(contentType="text/xml"), B, B),
    ("content_type_changed", lambda d: d.update(defaultContentType="text/xml"), B, B),
    ("schema_language_changed", lambda d: paid(d).update(payload=AVRO), W, W),
    ("correlation_id_changed", lambda d: paid(d).update(correlationId={"location": "$message.header#/trace"}), W, W),
    ("message_bindings_changed", lambda d: paid(d).update(bindings={"kafka": {"key": {"type": "string"}}}), W, W),
    ("broker_removed", lambda d: d["servers"].pop("main"), B, B),
    ("broker_added", lambda d: d["servers"].update(more={"host": "other", "protocol": "amqp"}), C, C),
    ("broker_address_changed", lambda d: d["servers"]["main"].update(host="elsewhere"), W, W),
    ("broker_protocol_changed", lambda d: d["servers"]["main"].update(protocol="amqps"), B, B),
    ("broker_security_changed", lambda d: d["servers"]["main"].update(security=[{"type": "X509"}]), B, B),
    ("enum_introduced", lambda d: paid(d)["payload"]["properties"]["id"].update(enum=["a"]), C, B),
    ("field_required", lambda d: paid(d)["headers"].update(required=["trace"]), C, B),
    ("field_removed", lambda d: paid(d)["payload"]["properties"].pop("id"), B, W),
    ("optional_field_removed", lambda d: paid(d)["headers"]["properties"].pop("trace"), W, W),
    ("type_changed", lambda d: paid(d)["payload"]["properties"]["id"].update(type="integer"), B, B),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "mutate", "sent", "received"), FIRED, ids=[f[0] for f in FIRED])
def test_a_change_is_told_and_judged_by_who_sends_the_message(
    rule: str, mutate: Mutate, sent: Level, received: Level
) -> None:
    found = []
    for action in ("send", "receive"):
        old, new = version_3(action), version_3(action)
        mutate(new)
        found.append(rules(old, new).get(rule))

    assert found == [sent, received]


def test_every_rule_of_the_catalogue_of_messages_is_seen_to_fire() -> None:
    elsewhere = {"payload_not_understood"}

    assert {r.id for r in catalogue.RULES} - {f[0] for f in FIRED} == elsewhere


def test_a_payload_in_another_language_that_changed_is_a_warning() -> None:
    old, new = version_3(), version_3()
    paid(old)["payload"] = AVRO
    paid(new)["payload"] = {**AVRO, "schema": {"type": "record", "fields": [{"name": "id", "type": "string"}]}}

    assert rules(old, new) == {"payload_not_understood": W}
    assert rules(old, old) == {}


def renamed(document: Document) -> None:
    document["channels"]["paid"]["address"] = "shop/{number}/paid"


def moved_to_components(document: Document) -> None:
    document["components"] = {"messages": {"Paid": paid(document)}, "schemas": {"P": PAYLOAD}}
    document["channels"]["paid"]["messages"]["Paid"] = {"$ref": "#/components/messages/Paid"}
    document["components"]["messages"]["Paid"]["payload"] = {"$ref": "#/components/schemas/P"}


def as_trait(document: Document) -> None:
    paid(document)["traits"] = [{"headers": paid(document).pop("headers"), "contentType": "text/never"}]
    paid(document)["contentType"] = "application/json"


def wrapped(document: Document) -> None:
    paid(document)["payload"] = {"schemaFormat": "application/vnd.aai.asyncapi;version=3.0.0", "schema": PAYLOAD}


def listed(document: Document) -> None:
    document["operations"]["tellPaid"]["messages"] = [{"$ref": "#/channels/paid/messages/Paid"}]


def less_asked(document: Document) -> None:
    document["servers"]["main"].pop("security")


def server_renamed(document: Document) -> None:
    document["servers"]["other"] = document["servers"].pop("main")


@pytest.mark.parametrize(
    "rewrite", [renamed, moved_to_components, as_trait, wrapped, listed, less_asked, server_renamed], ids=lambda f: f.__name__
)  # fmt: skip
def test_an_equivalent_rewrite_is_silent(rewrite: Mutate) -> None:
    new = version_3()
    rewrite(new)

    assert rules(version_3(), new) == {}


@pytest.mark.parametrize(("word", "action"), [("subscribe", "send"), ("publish", "receive")])
def test_the_same_messages_in_the_next_version_of_asyncapi_are_no_change(word: str, action: str) -> None:
    assert rules(version_2(word), version_3(action)) == {}


def test_in_2_6_a_trait_overrides_the_message() -> None:
    old, new = version_2(), version_2()
    new["channels"]["shop/shipped"]["subscribe"]["message"] |= {
        "contentType": "application/json",
        "traits": [{"contentType": "text/plain"}],
    }

    assert rules(old, new) == {"content_type_changed": B}  # fmt: skip


def test_a_reply_is_read_by_who_asked() -> None:
    old = version_3("receive")
    old["operations"]["tellPaid"]["reply"] = {"channel": {"$ref": "#/channels/shipped"}}
    old["operations"].pop("tellShipped")
    new = copy.deepcopy(old)
    new["operations"]["tellPaid"].pop("reply")
    typed = copy.deepcopy(old)
    typed["channels"]["shipped"]["messages"]["Shipped"]["payload"] = {"type": "integer"}

    lost, changed = compare_asyncapi(old, new).changes, compare_asyncapi(old, typed).changes

    assert [(c.rule, c.operation) for c in lost] == [("channel_removed", "SEND shop/shipped")]
    assert [(c.rule, c.level, c.direction.value) for c in changed] == [("type_changed", B, "response")]


def test_a_change_says_its_part_its_field_and_its_places_in_both_documents() -> None:
    old, new = version_3(), version_3()
    paid(new)["payload"]["properties"]["id"]["type"] = "integer"
    paid(new)["headers"]["properties"].pop("trace")

    found = {c.part.kind: c for c in compare_asyncapi(old, new).changes}

    payload, headers = found[PartKind.MESSAGE_PAYLOAD], found[PartKind.MESSAGE_HEADERS]
    assert (payload.path, payload.part.name, payload.operation) == (("id",), "Paid", "SEND shop/{id}/paid")
    assert payload.pointer == payload.new_pointer == "/channels/paid/messages/Paid/payload/properties/id"
    assert headers.path == ("trace",)
