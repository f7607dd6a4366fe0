"""What orders expects of catalog, inventory and payments.

Paths with an id are matched by pattern: when orders itself is verified, stubs made from these contracts stand in for
its neighbours, and ids are then ones that orders made up.
"""

import pytest
from pact import match

from contracts.conftest import PATIENT, problem
from harness.testing import PactFactory
from target_system.orders.clients import (
    CardDeclined,
    CatalogClient,
    InventoryClient,
    PaymentsClient,
    ReservationRefused,
)

pytestmark = pytest.mark.anyio

RESERVATION = r"^/reservations/[A-Za-z0-9_-]+"


def charge(status: str = "captured") -> dict[str, object]:
    return {"id": match.str("charge-1"), "status": status}


async def test_the_price_of_a_record(pact: PactFactory) -> None:
    contract = pact("orders", "catalog")
    (
        contract.upon_receiving("a request for the price of a record")
        .given("a record exists", id="rec-1")
        .with_request("GET", match.regex("/records/rec-1", regex=r"^/records/rec-\d+$"))
        .will_respond_with(200)
        .with_body(
            {"id": match.str("rec-1"), "price": match.int(2499), "currency": match.regex("EUR", regex="^[A-Z]{3}$")},
            content_type="application/json",
        )
    )
    with contract.serve() as server:
        async with CatalogClient(str(server.url), PATIENT) as catalog:
            record = await catalog.record("rec-1")
    assert record is not None
    assert (record.price, record.currency) == (2499, "EUR")


async def test_a_record_that_is_not_on_sale(pact: PactFactory) -> None:
    contract = pact("orders", "catalog")
    (
        contract.upon_receiving("a request for the price of a record that is not on sale")
        .given("a record does not exist", id="rec-unknown")
        .with_request("GET", "/records/rec-unknown")
        .will_respond_with(404)
    )
    with contract.serve() as server:
        async with CatalogClient(str(server.url), PATIENT) as catalog:
            assert await catalog.record("rec-unknown") is None


async def test_reserving_records(pact: PactFactory) -> None:
    contract = pact("orders", "inventory")
    (
        contract.upon_receiving("a reservation of records in stock")
        .given("a record is in stock", id="rec-1", n=10)
        .given("a reservation does not exist", id="res-1")
        .with_request("PUT", match.regex("/reservations/res-1", regex=RESERVATION + "$"))
        .with_body({"lines": [{"record_id": "rec-1", "quantity": match.int(2)}]}, content_type="application/json")
        .will_respond_with(201)
    )
    with contract.serve() as server:
        async with InventoryClient(str(server.url), PATIENT) as inventory:
            await inventory.reserve("res-1", {"rec-1": 2})


async def test_reserving_what_is_sold_out(pact: PactFactory) -> None:
    contract = pact("orders", "inventory")
    body, kind = problem("out-of-stock")
    (
        contract.upon_receiving("a reservation of records that are sold out")
        .given("a record is sold out", id="rec-5")
        .given("a reservation does not exist", id="res-2")
        .with_request("PUT", match.regex("/reservations/res-2", regex=RESERVATION + "$"))
        .with_body({"lines": [{"record_id": "rec-5", "quantity": match.int(1)}]}, content_type="application/json")
        .will_respond_with(409)
        .with_body(body, content_type=kind)
    )
    with contract.serve() as server:
        async with InventoryClient(str(server.url), PATIENT) as inventory:
            with pytest.raises(ReservationRefused) as refused:
                await inventory.reserve("res-2", {"rec-5": 1})
    assert refused.value.reason == "out-of-stock"


async def test_letting_reserved_records_go_out(pact: PactFactory) -> None:
    contract = pact("orders", "inventory")
    (
        contract.upon_receiving("the commitment of a reservation")
        .given("a reservation exists", id="res-3")
        .with_request("POST", match.regex("/reservations/res-3/commit", regex=RESERVATION + "/commit$"))
        .will_respond_with(200)
    )
    with contract.serve() as server:
        async with InventoryClient(str(server.url), PATIENT) as inventory:
            await inventory.commit("res-3")


async def test_putting_records_back(pact: PactFactory) -> None:
    contract = pact("orders", "inventory")
    (
        contract.upon_receiving("the release of a reservation")
        .given("a reservation exists", id="res-4")
        .with_request("DELETE", match.regex("/reservations/res-4", regex=RESERVATION + "$"))
        .will_respond_with(204)
    )
    with contract.serve() as server:
        async with InventoryClient(str(server.url), PATIENT) as inventory:
            await inventory.release("res-4")


@pytest.mark.parametrize(
    ("state", "token", "order_id", "status"),
    [("the card is accepted", "tok_visa", "order-1", 201), ("the card is declined", "tok_declined", "order-2", 402)],
    ids=["accepted", "declined"],
)
async def test_charging_a_card(pact: PactFactory, state: str, token: str, order_id: str, status: int) -> None:
    contract = pact("orders", "payments")
    amounts = {"amount": match.int(2499), "currency": match.regex("EUR", regex="^[A-Z]{3}$")}
    asked = (
        contract.upon_receiving(f"a charge where {state}")
        .given(state)
        .with_request("POST", "/charges")
        .with_header("Idempotency-Key", match.regex(f"charge-{order_id}", regex="^charge-.+$"))
        .with_body({"order_id": match.str(order_id), "card_token": token, **amounts}, content_type="application/json")
        .will_respond_with(status)
    )
    if status == 201:
        asked.with_body(charge(), content_type="application/json")
    with contract.serve() as server:
        async with PaymentsClient(str(server.url), PATIENT) as payments:
            if status == 201:
                assert (await payments.charge(order_id, 2499, "EUR", token)).status == "captured"
            else:
                with pytest.raises(CardDeclined):
                    await payments.charge(order_id, 2499, "EUR", token)


async def test_finding_the_charges_of_an_order_after_a_crash(pact: PactFactory) -> None:
    contract = pact("orders", "payments")
    (
        contract.upon_receiving("a request for the charges of an order")
        .given("a charge exists", id="charge-3", order_id="order-3")
        .with_request("GET", "/charges")
        .with_query_parameter("order_id", match.regex("order-3", regex=r"^[A-Za-z0-9_-]+$"))
        .will_respond_with(200)
        .with_body({"items": match.each_like(charge(), min=1)}, content_type="application/json")
    )
    with contract.serve() as server:
        async with PaymentsClient(str(server.url), PATIENT) as payments:
            [found] = await payments.charges_of("order-3")
    assert found.status == "captured"


async def test_refunding_a_charge(pact: PactFactory) -> None:
    contract = pact("orders", "payments")
    (
        contract.upon_receiving("a refund")
        .given("a charge exists", id="charge-4", order_id="order-4")
        .with_request("POST", match.regex("/charges/charge-4/refund", regex=r"^/charges/[A-Za-z0-9_-]+/refund$"))
        .will_respond_with(200)
        .with_body(charge("refunded"), content_type="application/json")
    )
    with contract.serve() as server:
        async with PaymentsClient(str(server.url), PATIENT) as payments:
            assert (await payments.refund("charge-4")).status == "refunded"
