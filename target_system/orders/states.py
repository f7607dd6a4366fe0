"""The provider states of orders, for contract verification."""

from pydantic import JsonValue

from target_system.kit.test_profile import StateHandlers
from target_system.orders.book import InFlight, OrderBook
from target_system.orders.models import Order
from target_system.orders.tables import Step, Way

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

    # The book decides, as for any order, so that what it publishes is what it always publishes.
    async def put(params: dict[str, JsonValue], way: Way, **fixed: JsonValue) -> InFlight:
        given = {name: params[name] for name in _EXAMPLE if name in params}
        return await book.put(Order.model_validate(_EXAMPLE | given | fixed), way)

    async def confirmed(params: dict[str, JsonValue]) -> None:
        await book.confirm(await put(params, Way.FORWARD, status="pending"))

    async def rejected(params: dict[str, JsonValue]) -> None:
        work = await put(params, Way.FORWARD, status="pending", charge_id=None)
        reason = str(params.get("reason") or "card-declined")
        await book.reject(work, reason, refused=Step.CHARGE, try_again=False)
        await book.close(work)

    async def cancelled(params: dict[str, JsonValue]) -> None:
        work = await put(params, Way.DONE, status="confirmed")
        await book.cancel(work)
        await book.close(work)

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
