"""What the gateway expects of catalog, inventory and orders."""

import pytest
from pact import match

from contracts.conftest import PATIENT, problem
from harness.testing import PactFactory
from target_system.gateway.clients import BadCursor, CatalogClient, InventoryClient, OrderRefused, OrdersClient
from target_system.gateway.models import OrderRequest, Wanted

pytestmark = pytest.mark.anyio

RECORD = {
    "id": match.str("rec-1"),
    "title": match.str("Blue Train"),
    "artist": match.str("John Coltrane"),
    "price": match.int(2499),
    "currency": match.regex("EUR", regex="^[A-Z]{3}$"),
    "format": match.regex("lp", regex="^(lp|ep|single|cd)$"),
}
ORDER = {
    "id": match.str("order-1"),
    "customer": match.str("alice"),
    "status": match.regex("confirmed", regex="^(pending|confirmed|rejected|cancelled)$"),
    "reason": None,
    "lines": match.each_like(
        {"record_id": match.str("rec-1"), "quantity": match.int(1), "unit_price": match.int(2499)}, min=1
    ),
    "total": match.int(2499),
    "currency": match.regex("EUR", regex="^[A-Z]{3}$"),
    "created_at": match.regex(
        "2026-01-01T12:00:00Z", regex=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"
    ),
}


def wanted(record_id: str = "rec-1", card_token: str = "tok_visa") -> OrderRequest:
    return OrderRequest(lines=[Wanted(record_id=record_id, quantity=1)], card_token=card_token)


async def test_a_record_on_sale(pact: PactFactory) -> None:
    contract = pact("gateway", "catalog")
    (
        contract.upon_receiving("a request for a record")
        .given("a record exists", id="rec-1")
        .with_request("GET", match.regex("/records/rec-1", regex=r"^/records/rec-\d+$"))
        .will_respond_with(200)
        .with_body(RECORD, content_type="application/json")
    )
    with contract.serve() as server:
        async with CatalogClient(str(server.url), PATIENT) as catalog:
            record = await catalog.record("rec-1")
    assert record is not None
    assert (record.id, record.price) == ("rec-1", 2499)


async def test_a_record_that_is_not_on_sale(pact: PactFactory) -> None:
    contract = pact("gateway", "catalog")
    (
        contract.upon_receiving("a request for a record that is not on sale")
        .given("a record does not exist", id="rec-unknown")
        .with_request("GET", "/records/rec-unknown")
        .will_respond_with(404)
    )
    with contract.serve() as server:
        async with CatalogClient(str(server.url), PATIENT) as catalog:
            assert await catalog.record("rec-unknown") is None


async def test_a_page_of_records(pact: PactFactory) -> None:
    contract = pact("gateway", "catalog")
    (
        contract.upon_receiving("a request for a page of records that is not the last")
        .given("there are records", n=3)
        .with_request("GET", "/records")
        .with_query_parameter("limit", "2")
        .will_respond_with(200)
        .with_body(
            {"items": match.each_like(RECORD, min=1), "next_cursor": match.str("c0123456789abcdef")},
            content_type="application/json",
        )
    )
    with contract.serve() as server:
        async with CatalogClient(str(server.url), PATIENT) as catalog:
            page = await catalog.page(2)
    assert page.items[0].title == "Blue Train"
    assert page.next_cursor == "c0123456789abcdef"


async def test_a_cursor_nobody_gave_out(pact: PactFactory) -> None:
    contract = pact("gateway", "catalog")
    (
        contract.upon_receiving("a request for a page at a cursor nobody gave out")
        .with_request("GET", "/records")
        .with_query_parameters({"limit": "2", "cursor": "nonsense"})
        .will_respond_with(400)
    )
    with contract.serve() as server:
        async with CatalogClient(str(server.url), PATIENT) as catalog:
            with pytest.raises(BadCursor):
                await catalog.page(2, "nonsense")


async def test_stock_of_a_record(pact: PactFactory) -> None:
    contract = pact("gateway", "inventory")
    (
        contract.upon_receiving("a request for the stock of a record")
        .given("a record is in stock", id="rec-1", n=3)
        .with_request("GET", "/stock/rec-1")
        .will_respond_with(200)
        .with_body({"available": match.int(3)}, content_type="application/json")
    )
    with contract.serve() as server:
        async with InventoryClient(str(server.url), PATIENT) as inventory:
            assert await inventory.available("rec-1") == 3


async def test_stock_of_a_record_never_counted(pact: PactFactory) -> None:
    contract = pact("gateway", "inventory")
    (
        contract.upon_receiving("a request for the stock of a record never counted")
        .given("a record was never counted", id="rec-unknown")
        .with_request("GET", "/stock/rec-unknown")
        .will_respond_with(404)
    )
    with contract.serve() as server:
        async with InventoryClient(str(server.url), PATIENT) as inventory:
            assert await inventory.available("rec-unknown") == 0


async def test_an_order_that_is_placed(pact: PactFactory) -> None:
    contract = pact("gateway", "orders")
    (
        contract.upon_receiving("an order that can be carried out")
        .given("the order can be placed")
        .with_request("POST", "/orders")
        .with_headers({"Idempotency-Key": "contract-placed", "X-Customer": "alice"})
        .with_body(wanted().model_dump(mode="json"), content_type="application/json")
        .will_respond_with(201)
        .with_body(ORDER | {"status": "confirmed"}, content_type="application/json")
    )
    with contract.serve() as server:
        async with OrdersClient(str(server.url), PATIENT) as orders:
            order = await orders.place("alice", "contract-placed", wanted())
    assert order.status == "confirmed"
    assert order.lines[0].unit_price == 2499


@pytest.mark.parametrize(
    ("state", "status", "slug", "request_"),
    [
        ("the card is declined", 402, "card-declined", wanted(card_token="tok_declined")),
        ("the record is out of stock", 409, "out-of-stock", wanted("rec-5")),
        ("the order can be placed", 409, "record-not-found", wanted("rec-unknown")),
    ],
    ids=["declined", "sold-out", "unknown"],
)
async def test_an_order_that_is_refused(
    pact: PactFactory, state: str, status: int, slug: str, request_: OrderRequest
) -> None:
    contract = pact("gateway", "orders")
    body, kind = problem(slug)
    (
        contract.upon_receiving(f"an order that ends with {slug}")
        .given(state)
        .with_request("POST", "/orders")
        .with_headers({"Idempotency-Key": f"contract-{slug}", "X-Customer": "alice"})
        .with_body(request_.model_dump(mode="json"), content_type="application/json")
        .will_respond_with(status)
        .with_body(body, content_type=kind)
    )
    with contract.serve() as server:
        async with OrdersClient(str(server.url), PATIENT) as orders:
            with pytest.raises(OrderRefused) as refused:
                await orders.place("alice", f"contract-{slug}", request_)
    assert (refused.value.status, refused.value.slug) == (status, slug)


async def test_reading_an_order(pact: PactFactory) -> None:
    contract = pact("gateway", "orders")
    (
        contract.upon_receiving("a request for an order")
        .given("an order exists", id="order-1")
        .with_request("GET", "/orders/order-1")
        .will_respond_with(200)
        .with_body(ORDER, content_type="application/json")
    )
    with contract.serve() as server:
        async with OrdersClient(str(server.url), PATIENT) as orders:
            order = await orders.order("order-1")
    assert order is not None
    assert (order.customer, order.total) == ("alice", 2499)


async def test_an_order_nobody_placed(pact: PactFactory) -> None:
    contract = pact("gateway", "orders")
    (
        contract.upon_receiving("a request for an order nobody placed")
        .given("no order exists")
        .with_request("GET", "/orders/order-unknown")
        .will_respond_with(404)
    )
    with contract.serve() as server:
        async with OrdersClient(str(server.url), PATIENT) as orders:
            assert await orders.order("order-unknown") is None


async def test_cancelling_an_order(pact: PactFactory) -> None:
    contract = pact("gateway", "orders")
    (
        contract.upon_receiving("the cancellation of an order")
        .given("an order exists", id="order-2")
        .with_request("POST", "/orders/order-2/cancel")
        .will_respond_with(200)
        .with_body(ORDER | {"status": "cancelled", "reason": match.str("cancelled")}, content_type="application/json")
    )
    with contract.serve() as server:
        async with OrdersClient(str(server.url), PATIENT) as orders:
            assert (await orders.cancel("order-2")).status == "cancelled"
