"""The HTTP interface of orders and its assembly; the work is in `desk.py` and `saga.py`."""

from typing import Annotated, cast

from fastapi import Depends, FastAPI, Header, Query, Request

from target_system.kit.app import create_app
from target_system.kit.asyncapi import EventType
from target_system.kit.http import Router
from target_system.kit.models import IdempotencyKey, Identifier, PlainDigits
from target_system.kit.outbox import relay
from target_system.kit.problems import problems
from target_system.kit.settings import Settings
from target_system.kit.store import Store
from target_system.orders.admin import BreakerPanel, breaker_routes
from target_system.orders.book import OrderBook
from target_system.orders.clients import (
    CATALOG_POLICY,
    INVENTORY_POLICY,
    PAYMENTS_POLICY,
    CatalogClient,
    InventoryClient,
    PaymentsClient,
)
from target_system.orders.desk import OrderDesk
from target_system.orders.models import (
    Customer,
    Order,
    OrderCancelled,
    OrderConfirmed,
    OrderList,
    OrderRejected,
    OrderRequest,
)
from target_system.orders.saga import Saga, sweeper
from target_system.orders.states import provider_states
from target_system.orders.tables import metadata, outbox

__all__ = ["EVENTS", "build"]

EVENTS = (
    EventType("shop.order.confirmed", OrderConfirmed, "The order is paid for and on its way."),
    EventType("shop.order.rejected", OrderRejected, "The order came to nothing."),
    EventType("shop.order.cancelled", OrderCancelled, "The customer called the order off."),
)

router = Router()


def _desk(request: Request) -> OrderDesk:
    return cast(OrderDesk, request.app.state.domain)


Desk = Annotated[OrderDesk, Depends(_desk)]


@router.post(
    "/orders",
    tags=["orders"],
    status_code=201,
    responses=problems(
        _402="The card was declined.",
        _409="Out of stock, or no such record; or the Idempotency-Key was used before, or is being worked on.",
        _503="A neighbour is down or the service is too busy; nothing stays charged.",
    ),
)
async def place_order(
    body: OrderRequest,
    key: Annotated[IdempotencyKey, Header(alias="Idempotency-Key")],
    customer: Annotated[Customer, Header(alias="X-Customer")],
    desk: Desk,
) -> Order:
    """Order records and pay for them; a repetition with the same key gets the first answer."""
    return await desk.place(customer, key, body)


@router.get("/orders", tags=["orders"])
async def list_orders(
    customer: Annotated[Customer, Query()],
    desk: Desk,
    limit: Annotated[int, Query(ge=1, le=100), PlainDigits] = 20,
) -> OrderList:
    """Return a customer's newest orders."""
    return OrderList(items=await desk.of_customer(customer, limit))


@router.get("/orders/{order_id}", tags=["orders"], responses=problems(_404="There is no such order."))
async def read_order(order_id: Identifier, desk: Desk) -> Order:
    """Return an order."""
    return await desk.find(order_id)


@router.post(
    "/orders/{order_id}/cancel",
    tags=["orders"],
    responses=problems(_404="There is no such order.", _409="The order is not confirmed."),
)
async def cancel_order(order_id: Identifier, desk: Desk) -> Order:
    """Call a confirmed order off; asked again, nothing more happens."""
    return await desk.cancel(order_id)


router.routes.extend(breaker_routes().routes)


def build(settings: Settings) -> FastAPI:
    """Assemble the service."""
    store = Store(settings.database_url, metadata)
    catalog = CatalogClient(settings.neighbour_url("catalog"), settings.policy("catalog", CATALOG_POLICY))
    inventory = InventoryClient(settings.neighbour_url("inventory"), settings.policy("inventory", INVENTORY_POLICY))
    payments = PaymentsClient(settings.neighbour_url("payments"), settings.policy("payments", PAYMENTS_POLICY))
    book = OrderBook(store)
    saga = Saga(book, inventory, payments)
    desk = OrderDesk(book, saga, catalog, patience=settings.integer("PATIENCE_MS", 2300) / 1000)
    app = create_app(
        settings,
        title="Orders",
        description="Takes orders for records and sees them through.",
        router=router,
        domain=desk,
        store=store,
        resources=[catalog, inventory, payments, relay(outbox, store, settings.event_sinks), sweeper(saga, book)],
        events=EVENTS,
        outbox=outbox,
        states=provider_states(book),
    )
    breakers = [client.neighbour.breaker for client in (catalog, inventory, payments)]
    app.state.breakers = BreakerPanel(breakers, settings.admin_token)
    return app
