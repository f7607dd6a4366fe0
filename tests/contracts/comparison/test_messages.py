"""Contracts of messages against AsyncAPI documents: which message is meant, its payload and its headers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.comparison.pairs import Document, codes, compared

PAYLOAD = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "total": {"type": "integer"}}}
HEADERS = {"type": "object", "properties": {"trace": {"type": "string", "minLength": 3}, "try": {"type": "integer"}}}


def version_3(*, reply: bool = False, **more: Any) -> Document:
    paid = {"payload": PAYLOAD, "headers": HEADERS, **more}
    shipped = {"payload": {"type": "object", "properties": {"parcel": {"type": "string"}}}}
    channels: Document = {
        "paid": {"address": "shop.paid", "messages": {"Paid": paid}},
        "shipped": {"address": "shop.shipped", "messages": {"Shipped": shipped}},
    }
    operations: Document = {
        "tellPaid": {"action": "send", "channel": {"$ref": "#/channels/paid"}},
        "tellShipped": {"action": "send", "channel": {"$ref": "#/channels/shipped"}},
    }
    if reply:
        operations = {"ask": {"action": "receive", "channel": {"$ref": "#/channels/paid"}}}
        operations["ask"]["reply"] = {"channel": {"$ref": "#/channels/shipped"}}
    info = {"title": "shop", "version": "1"}
    return {"asyncapi": "3.0.0", "info": info, "channels": channels, "operations": operations}


def version_2() -> Document:
    old = version_3()
    channels = {
        c["address"]: {"subscribe": {"message": m}} for c in old["channels"].values() for m in c["messages"].values()
    }
    for name, channel in zip(("Paid", "Shipped"), channels.values(), strict=True):
        channel["subscribe"]["message"]["name"] = name
    return {"asyncapi": "2.6.0", "info": old["info"], "channels": channels}


def message(
    content: Any, *, metadata: Document | None = None, media: str = "application/json", **more: Any
) -> Document:
    wrapped = {"content": content, "contentType": media, "encoded": False}
    one = {"type": "Asynchronous/Messages", "description": "an event", "contents": wrapped, "metadata": metadata or {}}
    return whole({**one, **more})


def whole(interaction: Document) -> Document:
    return {
        "consumer": {"name": "mail"},
        "provider": {"name": "shop"},
        "interactions": [interaction],
        "metadata": {"pactSpecification": {"version": "4.0"}},
    }


def naming(operation: str, message_id: str = "") -> Document:
    return {"references": {"AsyncAPI": {"operationId": operation, "messageId": message_id}}}


BAD, NONE = "message.payload.incompatible", "message.no.match"


@pytest.mark.parametrize("document", [version_3(), version_2()], ids=["3.0", "2.6"])
@pytest.mark.parametrize(
    ("contract", "said"),
    [
        (message({"id": "1"}), []),
        (message({"total": 1}), []),
        (message({"parcel": "p"}), []),
        (message({"parcel": "p", "id": "1"}), [NONE]),
        (message({"id": 1}), [NONE]),
        (message({"id": 1}, description="Paid"), [BAD]),
        (message({"id": 1}, metadata={"channel": "shop.paid"}), [BAD]),
        (message({"total": "1"}, metadata={"type": "Paid"}), [BAD]),
        (message({"more": 1}, metadata={"type": "Paid"}), [BAD]),
        (message({"id": "1"}, metadata={"type": "Paid", "trace": "abc"}), []),
        (message({"id": "1"}, metadata={"type": "Paid", "trase": "abc"}), ["message.headers.incompatible"]),
        (message({"id": "1"}, metadata={"trace": "abc", "try": "3"}), []),
        (message({"id": "1"}, metadata={"trace": "a"}, description="Paid"), ["message.headers.incompatible"]),
        (message("<paid/>", media="text/xml", description="Paid"), ["message.content-type.incompatible"]),
    ],
)
def test_a_message_is_one_of_the_document(document: Document, contract: Document, said: list[str]) -> None:
    assert codes(contract, document) == said


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (naming("tellPaid", "Paid"), []),
        (naming("tellPaid"), []),
        (naming("tellNobody"), ["message.operation.unknown"]),
        (naming("tellPaid", "Shipped"), ["message.id.unknown"]),
        (naming("tellShipped"), [BAD]),
    ],
)
def test_a_contract_can_name_operation_and_message(reference: Document, said: list[str]) -> None:
    assert codes(message({"id": "1"}, comments=reference), version_3()) == said


def test_a_payload_in_another_schema_language_is_told_to_be_left_out() -> None:
    avro = {"schemaFormat": "application/vnd.apache.avro;version=1.9.0", "schema": {"type": "record", "fields": []}}

    assert codes(message({"id": 1}, description="Paid"), version_3(payload=avro)) == ["message.payload.unvalidatable"]


def test_the_traits_of_a_message_count() -> None:
    trait = {"headers": {"type": "object", "properties": {"tenant": {"type": "string", "minLength": 2}}}}
    contract = message({"id": "1"}, metadata={"tenant": "x"}, description="Paid")

    assert codes(contract, version_3(traits=[trait])) == ["message.headers.incompatible"]


def asked(answer: Any, request: Any = None) -> Document:
    sent = {"contents": {"content": request or {"id": "1"}, "contentType": "application/json"}}
    answers = [] if answer is None else [{"contents": {"content": answer, "contentType": "application/json"}}]
    return whole({"type": "Synchronous/Messages", "description": "asked", "request": sent, "response": answers})


@pytest.mark.parametrize(
    ("contract", "document", "said"),
    [
        (asked({"parcel": "p"}), version_3(reply=True), []),
        (asked({"parcel": 1}), version_3(reply=True), [BAD]),
        (asked({"parcel": "p"}, {"total": 1}), version_3(reply=True), [BAD]),
        (asked(None), version_3(reply=True), ["message.response.missing"]),
        (asked({"parcel": "p"}), version_3(), ["message.reply.missing"]),
    ],
)
def test_a_message_that_is_answered_is_sent_whole_and_answered_in_part(
    contract: Document, document: Document, said: list[str]
) -> None:
    assert codes(contract, document) == said


def test_interactions_the_document_is_not_about_are_left_out_and_not_counted() -> None:
    events = compared(message({}), {"openapi": "3.0.0", "paths": {}})

    assert events.found == ()
    assert (events.interactions, events.skipped) == (0, 1)


def test_the_messages_of_a_v3_contract_have_their_own_list() -> None:
    contract = message({"id": 1})
    contract["messages"] = [{"description": "Paid", "contents": {"id": 1}}]
    del contract["interactions"]
    contract["metadata"]["pactSpecification"]["version"] = "3.0.0"

    assert [(f.code, f.pact_pointer) for f in compared(contract, version_3()).found] == [
        (BAD, "/messages/0/contents/id")
    ]
