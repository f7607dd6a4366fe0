"""Which message of a document a contract means, and whom a change of it hits, whoever sends and whoever reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.contracts.compat import Change, Direction, Level, Part, PartKind
from harness.contracts.pacts import pact_from_json
from harness.contracts.sources import FolderSource
from harness.contracts.usage import Usage, Use, usage_of
from tests.contracts.shop import message, pact

ROOT = Path(__file__).parents[3]


def payload(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields}


PAID = payload(type={"const": "paid"}, id={"type": "string"}, total={"type": "integer"})
GONE = payload(type={"const": "gone"}, id={"type": "string"}, reason={"enum": ["late", "lost"]})
HEADERS = payload(trace={"type": "string"})


def document(action: str = "send", version: int = 3) -> dict[str, Any]:
    kinds = {
        "OrderPaid": {"name": "OrderPaid", "payload": PAID, "headers": HEADERS},
        "OrderGone": {"name": "OrderGone", "payload": GONE},
    }
    refs = [{"$ref": f"#/components/messages/{name}"} for name in kinds]
    if version == 2:
        word = "subscribe" if action == "send" else "publish"
        channels = {"orders": {word: {"message": {"oneOf": refs}}}}
        return {"asyncapi": "2.6.0", "channels": channels, "components": {"messages": kinds}}
    return {
        "asyncapi": "3.0.0",
        "channels": {"o": {"address": "orders", "messages": dict(zip(kinds, refs, strict=True))}},
        "operations": {"tell": {"action": action, "channel": {"$ref": "#/channels/o"}}},
        "components": {"messages": kinds},
    }


def laid(*interactions: dict[str, Any], doc: dict[str, Any] | None = None) -> Usage:
    return usage_of([pact_from_json(pact(*interactions, consumer="mail"))], doc or document(), "orders")


def change(rule: str, *path: str, name: str = "OrderPaid", operation: str = "SEND orders") -> Change:
    return Change(
        rule=rule,
        direction=Direction.RESPONSE,
        level=Level.BREAKING,
        text="",
        operation=operation,
        pointer="",
        part=Part(PartKind.MESSAGE_PAYLOAD, name),
        path=path,
    )


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    "contract",
    [
        message("an event", {"id": "1", "type": "paid"}),
        message("an event", {"id": "1", "total": 3}),
        message("an event", {"id": "1"}) | {"metadata": {"kind": "OrderPaid"}},
        message("OrderPaid, as it comes", {"id": "1"}),
    ],
    ids=["constant", "fields", "metadata", "description"],
)
def test_a_contract_means_the_message_it_names_or_fits(contract: dict[str, Any], version: int) -> None:
    found = laid(contract, doc=document(version=version))

    assert [(u.message, u.operation) for u in found.used] == [("OrderPaid", "SEND orders")]
    assert found.affected(change("field_removed", "id"))
    assert found.affected(change("field_removed", "id", name="OrderGone")) == ()


def test_a_field_of_a_message_nobody_reads_hits_nobody() -> None:
    found = laid(message("an event", {"type": "paid", "id": "1"}))

    [hit] = found.affected(change("field_removed", "id"))
    assert hit.places == ("mail-orders.json:/interactions/0/contents/content/id",)
    assert found.affected(change("field_removed", "total")) == ()
    unused = {
        f.path for f in found.fields() if f.part == Part(PartKind.MESSAGE_PAYLOAD, "OrderPaid") and not f.consumers
    }
    assert unused == {("total",)}


def test_headers_are_read_where_the_contract_has_them() -> None:
    found = laid(
        message("an event", {"type": "paid"}) | {"metadata": {"trace": "1", "contentType": "application/json"}}
    )

    headers = {f.path: set(f.consumers) for f in found.fields() if f.part.kind is PartKind.MESSAGE_HEADERS}
    assert headers == {(): set(), ("trace",): {"mail"}}


@pytest.mark.parametrize("content", [{"type": "other"}, {"reason": "stolen", "id": "1", "total": "3"}, {"colour": 1}])
def test_what_fits_no_message_is_kept_with_the_reason(content: dict[str, Any]) -> None:
    found = laid(message("an event", content))

    assert found.used == ()
    assert "has no message its service sends" in found.unmatched[0].reason


def test_in_doubt_every_message_is_meant() -> None:
    either, unknown = laid(message("an event", {"id": "1"})), laid(message("an event"))

    assert {u.message for u in either.used} == {u.message for u in unknown.used} == {"OrderPaid", "OrderGone"}
    assert unknown.affected(change("field_removed", "total"))


def test_of_a_document_that_receives_whoever_sends_is_hit_as_a_whole() -> None:
    contract = pact(message("an event", {"type": "paid", "id": "1"}), consumer="mail", provider="orders")

    found = usage_of([pact_from_json(contract)], document("receive"), "mail")

    assert [(u.consumer, u.message, u.blind) for u in found.used] == [("orders", "OrderPaid", True)]
    assert [h.consumer for h in found.affected(change("field_removed", "total", operation="RECEIVE orders"))] == [
        "orders"
    ]
    assert found.affected(change("field_removed", name="OrderGone", operation="RECEIVE orders")) == ()
    uses = [f.consumers for f in found.fields() if f.path == ("total",)]
    assert uses == [{"orders": frozenset({Use.MAYBE})}]


def test_a_message_that_is_answered_is_sent_to_who_receives_it() -> None:
    contract = {
        "type": "Synchronous/Messages",
        "description": "pay",
        "request": {"contents": {"content": {"type": "paid", "id": "1"}, "contentType": "application/json"}},
        "response": [],
    }

    [used] = laid(contract, doc=document("receive")).used

    assert (used.consumer, used.operation, {t.use for t in used.touches}) == ("mail", "RECEIVE orders", {Use.SENDS})


def test_every_message_of_the_record_shop_fits_one_message_of_both_documents() -> None:
    pacts = FolderSource(ROOT / "contracts/pacts", ROOT).contracts().pacts
    for service in ("orders", "payments", "notifications"):
        document = json.loads((ROOT / f"contracts/baselines/{service}.asyncapi.json").read_text())
        found = usage_of(pacts, document, service)
        assert found.used
        assert found.unmatched == ()
        assert len({u.place for u in found.used}) == len(found.used)
