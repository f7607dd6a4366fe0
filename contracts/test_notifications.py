"""What notifications reads of the events of orders and payments; its own reader is what is run."""

from collections.abc import Mapping

import pytest
from pact import match

from harness.testing import PactFactory
from target_system.notifications.events import Kind, Notice, notice_of, read_event

EVENTS = [
    ("orders", "an order was confirmed", "shop.order.confirmed", {"customer": match.str("alice")}, Kind.CONFIRMED),
    (
        "orders",
        "an order was rejected",
        "shop.order.rejected",
        {"customer": match.str("alice"), "reason": match.str("card-declined")},
        Kind.REJECTED,
    ),
    ("orders", "an order was cancelled", "shop.order.cancelled", {"customer": match.str("alice")}, Kind.CANCELLED),
    (
        "payments",
        "a charge was refunded",
        "shop.payment.refunded",
        {"amount": match.int(2499), "currency": match.regex("EUR", regex="^[A-Z]{3}$")},
        Kind.REFUNDED,
    ),
]


@pytest.mark.parametrize(("provider", "state", "type_", "data", "kind"), EVENTS, ids=[e[2] for e in EVENTS])
def test_an_event_becomes_a_message_to_the_customer(
    pact: PactFactory, provider: str, state: str, type_: str, data: Mapping[str, object], kind: Kind
) -> None:
    contract = pact("notifications", provider)
    event = {
        "specversion": "1.0",
        "id": match.str("8f14e45f"),
        "source": match.str(f"/{provider}"),
        "type": type_,
        "data": {"order_id": match.regex("order-1", regex=r"^[A-Za-z0-9_-]{1,64}$"), **data},
    }
    (
        contract.upon_receiving(f"the event {type_}", "Async")
        .given(state)
        .with_body(event, content_type="application/cloudevents+json")
    )
    notices: list[Notice | None] = []

    def handle(body: str | bytes | None, _metadata: dict[str, object]) -> None:
        notices.append(notice_of(read_event(body or "")))

    contract.verify(handle, "Async")

    [notice] = notices
    assert notice is not None
    assert (notice.order_id, notice.kind) == ("order-1", kind)
