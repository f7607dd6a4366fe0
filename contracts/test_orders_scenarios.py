"""What orders relies on beyond shapes: money is taken once, and what was put aside comes back."""

import pytest

from contracts.conftest import PATIENT
from harness.testing.provider import Provider
from target_system.orders.clients import CardDeclined, InventoryClient, PaymentsClient, ReservationRefused

pytestmark = pytest.mark.anyio


def available(inventory: Provider, record_id: str) -> int:
    return int(inventory.client.get(f"/stock/{record_id}").raise_for_status().json()["available"])


@pytest.mark.scenario(consumer="orders", provider="payments")
async def test_the_same_key_never_charges_twice(provider: Provider) -> None:
    provider.given("the card is accepted")

    async with PaymentsClient(provider.url, PATIENT) as payments:
        first = await payments.charge("order-once", 2499, "EUR", "tok_visa")
        again = await payments.charge("order-once", 2499, "EUR", "tok_visa")
        charges = await payments.charges_of("order-once")

    assert again.id == first.id, "a repetition has to get the first charge"
    assert [c.status for c in charges] == ["captured"], f"{len(charges)} charges for one order"


@pytest.mark.scenario(consumer="orders", provider="payments")
async def test_no_money_is_taken_from_a_declined_card(provider: Provider) -> None:
    provider.given("the card is declined")

    async with PaymentsClient(provider.url, PATIENT) as payments:
        with pytest.raises(CardDeclined):
            await payments.charge("order-declined", 2499, "EUR", "tok_declined")
        charges = await payments.charges_of("order-declined")

    assert "captured" not in [c.status for c in charges]


@pytest.mark.scenario(consumer="orders", provider="inventory")
async def test_after_a_cancellation_the_stock_is_back(provider: Provider) -> None:
    provider.given("a record is in stock", id="rec-1", n=10)
    provider.given("a reservation does not exist", id="res-back")

    async with InventoryClient(provider.url, PATIENT) as inventory:
        await inventory.reserve("res-back", {"rec-1": 2})
        held = available(provider, "rec-1")
        await inventory.commit("res-back")
        gone = available(provider, "rec-1")
        await inventory.release("res-back")

    assert (held, gone, available(provider, "rec-1")) == (8, 8, 10)


@pytest.mark.scenario(consumer="orders", provider="inventory")
async def test_a_repeated_release_gives_nothing_more_back(provider: Provider) -> None:
    provider.given("a record is in stock", id="rec-1", n=10)
    provider.given("a reservation does not exist", id="res-twice")

    async with InventoryClient(provider.url, PATIENT) as inventory:
        await inventory.reserve("res-twice", {"rec-1": 2})
        await inventory.release("res-twice")
        await inventory.release("res-twice")
        with pytest.raises(ReservationRefused):
            await inventory.reserve("res-twice", {"rec-1": 2})

    assert available(provider, "rec-1") == 10


@pytest.mark.scenario(consumer="orders", provider="notifications")
def test_an_event_that_comes_twice_is_told_once(provider: Provider) -> None:
    provider.given("nothing was said about an order", id="order-twice")
    event = {
        "specversion": "1.0",
        "id": "an-event-sent-twice",
        "source": "/orders",
        "type": "shop.order.confirmed",
        "data": {"order_id": "order-twice", "customer": "alice"},
    }
    headers = {"Content-Type": "application/cloudevents+json"}

    for _ in range(2):
        assert provider.client.post("/events", json=event, headers=headers).status_code == 202

    told = provider.client.get("/messages", params={"order_id": "order-twice"}).json()["items"]
    assert [message["kind"] for message in told] == ["confirmed"]
