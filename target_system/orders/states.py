"""The provider states of orders, for contract verification."""

from pydantic import JsonValue

from target_system.kit.test_profile import StateHandlers
from target_system.orders.book import OrderBook
from target_system.orders.models import Order, OrderCancelled, OrderConfirmed, OrderRejected

__all__ = ["provider_states"]

_EXAMPLE: dict[str, JsonValue] = {
    "id": "order-1",
    "customer": "alice",
    "status": "confirmed",
    "reason": None,
    "lines": [{"record_id": "rec-1", "quantity": 1, "unit_price": 2499}],
    "total": 2499,
    "currency": "EUR",
    "charge_id": "charge-1",
    "created_at": "2026-01-01T12:00:00Z",
}


def provider_states(book: OrderBook) -> StateHandlers:
    """Return the states by name; parameters are fields of the order. Each state about an order publishes its event."""

    async def put(params: dict[str, JsonValue], **fixed: JsonValue) -> Order:
        given = {name: params[name] for name in _EXAMPLE if name in params}
        order = Order.model_validate(_EXAMPLE | fixed | given)
        await book.put(order)
        return order

    async def confirmed(params: dict[str, JsonValue]) -> None:
        order = await put(params)
        told = order.model_dump(include={"customer", "total", "currency", "lines"})
        data = OrderConfirmed.model_validate({"order_id": order.id, **told})
        await book.publish("shop.order.confirmed", order.id, data)

    async def rejected(params: dict[str, JsonValue]) -> None:
        order = await put(params, status="rejected", reason="card-declined", charge_id=None)
        data = OrderRejected(order_id=order.id, customer=order.customer, reason=order.reason or "")
        await book.publish("shop.order.rejected", order.id, data)

    async def cancelled(params: dict[str, JsonValue]) -> None:
        order = await put(params, status="cancelled", reason="cancelled")
        told = order.model_dump(include={"customer", "total", "currency"})
        await book.publish(
            "shop.order.cancelled", order.id, OrderCancelled.model_validate({"order_id": order.id, **told})
        )

    async def nothing_needed(_params: dict[str, JsonValue]) -> None:
        """Some states are how orders is anyway, or a matter of its neighbours."""

    return {
        "an order exists": confirmed,
        "an order was confirmed": confirmed,
        "an order was rejected": rejected,
        "an order was cancelled": cancelled,
        "no order exists": nothing_needed,
        "the order can be placed": nothing_needed,
        "the card is declined": nothing_needed,
        "the record is out of stock": nothing_needed,
    }
