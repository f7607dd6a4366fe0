"""What the gateway relies on beyond shapes: confirmed means paid, cancelled is announced, another price is another tag."""

import pytest

from contracts.conftest import PATIENT
from harness.testing.provider import Provider
from target_system.gateway.clients import OrderRefused, OrdersClient
from target_system.gateway.models import OrderRequest, Wanted

pytestmark = pytest.mark.anyio


def wanted(card_token: str) -> OrderRequest:
    return OrderRequest(lines=[Wanted(record_id="rec-1", quantity=1)], card_token=card_token)


@pytest.mark.scenario(consumer="gateway", provider="orders")
async def test_an_order_is_confirmed_only_after_its_card_was_charged(provider: Provider) -> None:
    async with OrdersClient(provider.url, PATIENT) as orders:
        paid = await orders.place("scenario-paid", "scenario-paid", wanted("tok_visa"))
        told = [provider.published("the event shop.order.confirmed")]
        with pytest.raises(OrderRefused):
            await orders.place("scenario-unpaid", "scenario-unpaid", wanted("tok_declined"))
        told.append(provider.published("the event shop.order.rejected"))

    assert paid.status == "confirmed"
    assert provider.client.get(f"/orders/{paid.id}").json()["charge_id"], "confirmed without a charge"
    unpaid = provider.client.get("/orders", params={"customer": "scenario-unpaid"}).json()["items"]
    assert [(order["status"], order["charge_id"]) for order in unpaid] == [("rejected", None)]
    assert [(event["type"], event["data"]["order_id"]) for event in told] == [
        ("shop.order.confirmed", paid.id),
        ("shop.order.rejected", unpaid[0]["id"]),
    ]


@pytest.mark.scenario(consumer="gateway", provider="orders")
async def test_a_cancellation_is_announced_and_stays(provider: Provider) -> None:
    provider.given("an order exists", id="order-called-off")

    async with OrdersClient(provider.url, PATIENT) as orders:
        first = await orders.cancel("order-called-off")
        announced = provider.published("the event shop.order.cancelled")
        again = await orders.cancel("order-called-off")

    assert (first.status, again.status) == ("cancelled", "cancelled")
    assert (announced["type"], announced["data"]["order_id"]) == ("shop.order.cancelled", "order-called-off")
    assert provider.published("the event shop.order.cancelled")["id"] == announced["id"], "announced twice"


@pytest.mark.scenario(consumer="gateway", provider="catalog")
def test_another_price_is_another_version(provider: Provider) -> None:
    provider.given("a record exists", id="rec-1", price=2499)
    draft = {"title": "Blue Train", "artist": "John Coltrane", "price": 1999, "currency": "EUR", "format": "lp"}

    old = provider.client.get("/records/rec-1").headers["ETag"]
    still = provider.client.get("/records/rec-1", headers={"If-None-Match": old})
    provider.client.put("/records/rec-1", json=draft, headers={"If-Match": old}).raise_for_status()
    seen = provider.client.get("/records/rec-1", headers={"If-None-Match": old})

    assert still.status_code == 304
    assert (seen.status_code, seen.json()["price"]) == (200, 1999)
    assert seen.headers["ETag"] != old
