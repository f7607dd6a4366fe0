"""Composes what customers see from what the neighbours know, and says what is missing. HTTP is in app.py."""

import anyio

from target_system.gateway.clients import (
    BadCursor,
    CatalogClient,
    InventoryClient,
    OrderRefused,
    OrdersClient,
    OrderSeen,
)
from target_system.gateway.models import Order, OrderPage, OrderRequest, RecordDetail, RecordPage, TitledLine
from target_system.kit.client import NeighbourError, NeighbourRefused
from target_system.kit.edge import log
from target_system.kit.problems import Problem
from target_system.kit.tracing import current_trace

__all__ = ["FrontDesk"]

# The problems of orders that customers may see, in our words: an internal body is never passed on.
_KNOWN_REFUSALS = {
    "card-declined": (402, "The card was declined."),
    "out-of-stock": (409, "There is not enough left of what was ordered."),
    "record-not-found": (409, "A record of the order is not on sale."),
    "order-not-payable": (409, "The records differ in currency, or cost too much for one payment."),
    "idempotency-key-reused": (409, "This Idempotency-Key was used with another request."),
    "order-in-progress": (409, "The order is being worked on; ask again."),
    "order-not-cancellable": (409, "The order cannot be cancelled."),
    "order-not-found": (404, "There is no such order."),
}
_NOT_UNDERSTOOD = "A service behind the shop gave an answer we do not understand."


class FrontDesk:
    """The shop as its customers see it."""

    def __init__(self, catalog: CatalogClient, inventory: InventoryClient, orders: OrdersClient) -> None:
        self._catalog = catalog
        self._inventory = inventory
        self._orders = orders

    async def records(self, limit: int, cursor: str | None) -> RecordPage:
        """Return a page of records.

        Raises:
            Problem: 400 `bad-cursor`; 503 when the catalog does not answer.
        """
        try:
            page = await self._catalog.page(limit, cursor)
        except BadCursor:
            raise Problem(400, "bad-cursor", "Use the next_cursor of an earlier page.") from None
        except NeighbourError as error:
            raise _unavailable(error) from error
        return RecordPage.model_validate(page.model_dump())

    async def record(self, record_id: str) -> RecordDetail:
        """Return a record and whether it can be had, as far as the inventory can say.

        Raises:
            Problem: 404; 503 when the catalog does not answer.
        """
        available: list[int] = []

        async def look() -> None:
            try:
                available.append(await self._inventory.available(record_id))
            except NeighbourError as error:
                _note(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)
            try:
                seen, failure = await self._catalog.record(record_id), None
            except NeighbourError as error:  # raised below: inside, the group would wrap it
                seen, failure = None, error
        if failure is not None:
            raise _unavailable(failure) from failure
        if seen is None:
            raise Problem(404, "record-not-found", f"There is no record {record_id}.")
        return RecordDetail(
            **seen.model_dump(),
            availability="unknown" if not available else "in_stock" if available[0] > 0 else "sold_out",
            degraded=[] if available else ["inventory"],
        )

    async def place(self, customer: str, key: str, wanted: OrderRequest) -> Order:
        """Place an order for a customer.

        Raises:
            Problem: what orders has against it; 503 when orders does not answer.
        """
        try:
            return _public(await self._orders.place(customer, key, wanted))
        except OrderRefused as refusal:
            raise _refused(refusal) from refusal
        except NeighbourError as error:
            raise _unavailable(error) from error

    async def order(self, customer: str, order_id: str) -> OrderPage:
        """Return an order of the customer with the titles of its records, as far as the catalog can say.

        Raises:
            Problem: 404, also when it is somebody else's; 503 when orders does not answer.
        """
        order = await self._own_order(customer, order_id)
        titles, complete = await self._titles({line.record_id for line in order.lines})
        return OrderPage(
            **_public(order).model_dump(exclude={"lines"}),
            lines=[TitledLine(**line.model_dump(), title=titles.get(line.record_id)) for line in order.lines],
            degraded=[] if complete else ["catalog"],
        )

    async def cancel(self, customer: str, order_id: str) -> Order:
        """Cancel an order of the customer.

        Raises:
            Problem: 404, also when it is somebody else's; 409 when it cannot be; 503 when orders does not answer.
        """
        await self._own_order(customer, order_id)
        try:
            return _public(await self._orders.cancel(order_id))
        except OrderRefused as refusal:
            raise _refused(refusal) from refusal
        except NeighbourError as error:
            raise _unavailable(error) from error

    async def _own_order(self, customer: str, order_id: str) -> OrderSeen:
        try:
            order = await self._orders.order(order_id)
        except NeighbourError as error:
            raise _unavailable(error) from error
        if order is None or order.customer != customer:  # one answer for both: ids of others are not to be guessed
            raise Problem(404, "order-not-found", f"There is no order {order_id}.")
        return order

    async def _titles(self, record_ids: set[str]) -> tuple[dict[str, str], bool]:
        """Return the titles that could be had, and whether the catalog answered for every record."""
        titles: dict[str, str] = {}
        failures: list[NeighbourError] = []

        async def look_up(record_id: str) -> None:
            try:
                record = await self._catalog.record(record_id)
            except NeighbourError as error:
                failures.append(error)
            else:
                titles.update({record_id: record.title} if record else {})

        async with anyio.create_task_group() as tasks:
            for record_id in record_ids:
                tasks.start_soon(look_up, record_id)
        for error in failures[:1]:
            _note(error)
        return titles, not failures


def _public(order: OrderSeen) -> Order:
    return Order.model_validate(order.model_dump())


def _refused(refusal: OrderRefused) -> Problem:
    if refusal.slug in _KNOWN_REFUSALS:
        status, detail = _KNOWN_REFUSALS[refusal.slug]
        return Problem(status, refusal.slug, detail)
    log.warning("unknown refusal", slug=refusal.slug, status=refusal.status, trace_id=current_trace().trace_id)
    if refusal.status == 409:
        return Problem(409, "order-refused", "The order could not be carried out.")
    return Problem(502, "bad-gateway", _NOT_UNDERSTOOD)


def _unavailable(error: NeighbourError) -> Problem:
    _note(error)
    if isinstance(error, NeighbourRefused):
        return Problem(502, "bad-gateway", _NOT_UNDERSTOOD)
    return Problem(503, f"{error.neighbour}-unavailable", f"{error.neighbour} does not answer.", {"Retry-After": "1"})


def _note(error: NeighbourError) -> None:
    log.warning("neighbour failed", neighbour=error.neighbour, error=str(error), trace_id=current_trace().trace_id)
