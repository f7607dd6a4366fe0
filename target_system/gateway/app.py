"""The gateway over HTTP: routes and putting together. Who calls is guard.py, composing answers is frontdesk.py."""

from pathlib import Path
from typing import Annotated, Any, cast

from fastapi import Depends, FastAPI, Header, Query, Request, Response, Security
from starlette.middleware import Middleware

from target_system.gateway.clients import (
    CATALOG_POLICY,
    INVENTORY_POLICY,
    ORDERS_POLICY,
    CatalogClient,
    InventoryClient,
    OrdersClient,
)
from target_system.gateway.frontdesk import FrontDesk
from target_system.gateway.guard import Guard, caller
from target_system.gateway.identity import KeySet, Principal
from target_system.gateway.limits import RateLimiter
from target_system.gateway.models import Order, OrderPage, OrderRequest, RecordDetail, RecordPage
from target_system.kit.app import create_app
from target_system.kit.http import Router
from target_system.kit.models import IdempotencyKey, Identifier, PlainDigits
from target_system.kit.problems import problems
from target_system.kit.settings import Settings

__all__ = ["build"]

router = Router()

_BAD_GATEWAY = "A service behind the shop gave an answer we do not understand."
_CURSOR_PATTERN = "^c[0-7][0-9a-f]{15}$"  # as the catalog writes them; whether one is good is for the catalog to say
_LOCATION = {"description": "The new order.", "required": True, "schema": {"type": "string"}}
_LINKS = {
    operation: {"operationId": operation, "parameters": {"order_id": "$response.body#/id"}}
    for operation in ("read_order", "cancel_order")
}


def _public(**by_status: str) -> dict[int | str, dict[str, Any]]:
    return problems(_429="You call too often.", _502=_BAD_GATEWAY, **by_status)


def _protected(**by_status: str) -> dict[int | str, dict[str, Any]]:
    responses = _public(_401="There is no good token.", _403="The token lacks a scope.", **by_status)
    for status in (401, 403):
        challenge = {"description": "What is needed (RFC 6750).", "required": True, "schema": {"type": "string"}}
        responses[status]["headers"] = {"WWW-Authenticate": challenge}
    return responses


def the_desk(request: Request) -> FrontDesk:
    """Return the front desk of the running application."""
    return cast("FrontDesk", request.app.state.domain)


TheDesk = Annotated[FrontDesk, Depends(the_desk)]
Reader = Annotated[Principal, Security(caller, scopes=["orders:read"])]
Writer = Annotated[Principal, Security(caller, scopes=["orders:write"])]


@router.get("/records", tags=["records"], responses=_public(_400="The cursor is none of ours."))
async def list_records(
    desk: TheDesk,
    limit: Annotated[int, Query(ge=1, le=100), PlainDigits] = 20,
    cursor: Annotated[
        str | None,
        Query(max_length=100, json_schema_extra={"pattern": _CURSOR_PATTERN}, description="`next_cursor` of a page"),
    ] = None,
) -> RecordPage:
    """Return a page of records on sale."""
    return await desk.records(limit, cursor)


@router.get("/records/{record_id}", tags=["records"], responses=_public(_404="There is no such record."))
async def read_record(record_id: Identifier, desk: TheDesk) -> RecordDetail:
    """Return a record and whether it can be had."""
    return await desk.record(record_id)


@router.post(
    "/orders",
    operation_id="place_order",
    tags=["orders"],
    status_code=201,
    responses={
        201: {"description": "The order is confirmed.", "headers": {"Location": _LOCATION}, "links": _LINKS},
        **_protected(
            _402="The card was declined.",
            _409="Out of stock, or the Idempotency-Key stands for another request.",
        ),
    },
)
async def place_order(
    wanted: OrderRequest,
    customer: Writer,
    desk: TheDesk,
    response: Response,
    idempotency_key: Annotated[IdempotencyKey, Header(description="One per order; repeat it to ask again.")],
) -> Order:
    """Place an order for the customer the token speaks for."""
    order = await desk.place(customer.subject, idempotency_key, wanted)
    response.headers["Location"] = f"/orders/{order.id}"
    return order


@router.get(
    "/orders/{order_id}",
    operation_id="read_order",
    tags=["orders"],
    responses=_protected(_404="There is no such order of yours."),
)
async def read_order(order_id: Identifier, customer: Reader, desk: TheDesk) -> OrderPage:
    """Return an order of the customer, with the titles of its records."""
    return await desk.order(customer.subject, order_id)


@router.post(
    "/orders/{order_id}/cancel",
    operation_id="cancel_order",
    tags=["orders"],
    responses=_protected(_404="There is no such order of yours.", _409="It cannot be cancelled."),
)
async def cancel_order(order_id: Identifier, customer: Writer, desk: TheDesk) -> Order:
    """Cancel an order of the customer; may be repeated."""
    return await desk.cancel(customer.subject, order_id)


def build(settings: Settings) -> FastAPI:
    """Put the service together."""
    catalog = CatalogClient(settings.neighbour_url("catalog"), settings.policy("catalog", CATALOG_POLICY))
    inventory = InventoryClient(settings.neighbour_url("inventory"), settings.policy("inventory", INVENTORY_POLICY))
    orders = OrdersClient(settings.neighbour_url("orders"), settings.policy("orders", ORDERS_POLICY))
    app = create_app(
        settings,
        title="Gateway",
        description="The record shop's public entry.",
        router=router,
        domain=FrontDesk(catalog, inventory, orders),
        resources=[catalog, inventory, orders],
    )
    rate = settings.integer("RATE_LIMIT", 500)
    guard = Middleware(
        Guard,
        keys=KeySet(settings.text("JWKS_URL") or Path(__file__).with_name("jwks.json").as_uri()),
        limiter=RateLimiter(rate, settings.integer("RATE_LIMIT_BURST", 2 * rate)),
        audience=settings.text("JWT_AUDIENCE", "record-shop"),
    )
    app.user_middleware.append(guard)  # innermost: behind the trace, the log line and the shedding of load
    return app
