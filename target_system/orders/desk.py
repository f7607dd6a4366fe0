"""The order desk: what customers may ask of orders, in the time they wait. Seeing an order through is the saga's."""

import uuid
from datetime import UTC, datetime

import anyio

from target_system.kit.client import NeighbourError
from target_system.kit.edge import log
from target_system.kit.idempotency import fingerprint
from target_system.kit.problems import Problem
from target_system.orders.book import InFlight, OrderBook, OutOfOurHands
from target_system.orders.clients import CatalogClient
from target_system.orders.models import Order, OrderLine, OrderRequest
from target_system.orders.saga import Saga
from target_system.orders.tables import Way

__all__ = ["OrderDesk"]

_DEAREST = 100_000_000_000  # minor units; payments takes no more at once
_RETRY_SOON = {"Retry-After": "1"}
_REFUSALS = {
    "card-declined": (402, "The card was declined."),
    "out-of-stock": (409, "There is not enough left of what was ordered."),
}


class OrderDesk:
    """Takes, shows and cancels orders.

    Args:
        book: the order book.
        saga: who sees orders through.
        catalog: where prices come from.
        patience: seconds in which every request is answered; must be less than the book's lease.
    """

    def __init__(self, book: OrderBook, saga: Saga, catalog: CatalogClient, patience: float) -> None:
        self._book = book
        self._saga = saga
        self._catalog = catalog
        self._patience = patience

    async def place(self, customer: str, key: str, request: OrderRequest) -> Order:
        """Carry an order out, once per customer and key.

        Raises:
            Problem: 402, 409 or 503, as `_REFUSALS` and the saga have it; after a 503 no money stays taken.
        """
        deadline = anyio.current_time() + self._patience
        digest = fingerprint(request)
        if known := await self._book.answered(customer, key, digest):
            return _answer(known)
        order = await self._priced(customer, request)
        work = await self._book.open(key, digest, order, request.card_token)
        if work is None:  # the same request came twice at once, and the other one was first
            return _answer(await self._book.answered(customer, key, digest) or order)
        await self._carry_out(work, deadline)
        return _answer(work.order)

    async def find(self, order_id: str) -> Order:
        """Return an order, or raise Problem 404."""
        return (await self._find(order_id)).order

    async def of_customer(self, customer: str, limit: int) -> list[Order]:
        """Return the customer's newest orders."""
        return await self._book.of_customer(customer, limit)

    async def cancel(self, order_id: str) -> Order:
        """Call a confirmed order off; money and stock go back at once, or as soon as that can be.

        Raises:
            Problem: 404; 409 `order-not-cancellable`.
        """
        deadline = anyio.current_time() + self._patience
        work = await self._find(order_id)
        if work.order.status == "confirmed":
            try:
                await self._book.cancel(work)
            except OutOfOurHands:
                work = await self._find(order_id)
        if work.order.status != "cancelled":
            detail = f"The order is {work.order.status}."
            raise Problem(409, "order-not-cancellable", detail, _RETRY_SOON if work.order.status == "pending" else None)
        with anyio.move_on_at(deadline):
            await self._saga.resume(work)
        return work.order

    async def _find(self, order_id: str) -> InFlight:
        work = await self._book.find(order_id)
        if work is None:
            raise Problem(404, "order-not-found", f"There is no order {order_id}.")
        return work

    async def _carry_out(self, work: InFlight, deadline: float) -> None:
        try:
            with anyio.CancelScope(deadline=deadline):
                await self._saga.resume(work)
            if work.way is Way.FORWARD:  # out of time; the sweeper undoes it
                await self._book.reject(work, "out-of-time", refused=None, try_again=True)
        except OutOfOurHands:
            work.order = await self.find(work.order.id)

    async def _priced(self, customer: str, request: OrderRequest) -> Order:
        lines, currencies = [], set()
        for record_id, quantity in request.quantities().items():
            try:
                record = await self._catalog.record(record_id)
            except NeighbourError as error:
                log.warning("no prices", detail=str(error))
                raise _refusal("catalog-unavailable") from error
            if record is None:
                raise Problem(409, "record-not-found", f"There is no record {record_id}.")
            lines.append(OrderLine(record_id=record_id, quantity=quantity, unit_price=record.price))
            currencies.add(record.currency)
        total = sum(line.quantity * line.unit_price for line in lines)
        if len(currencies) > 1 or total > _DEAREST:
            raise Problem(409, "order-not-payable", "The records differ in currency, or cost too much for one payment.")
        return Order.model_validate(
            {
                "id": f"order-{uuid.uuid4().hex}",
                "customer": customer,
                "status": "pending",
                "reason": None,
                "lines": lines,
                "total": total,
                "currency": currencies.pop(),
                "charge_id": None,
                "created_at": datetime.now(UTC),
            }
        )


def _answer(order: Order) -> Order:
    if order.status == "pending":
        raise Problem(409, "order-in-progress", "This order is being worked on; ask again.", _RETRY_SOON)
    if order.status == "rejected":
        raise _refusal(order.reason or "rejected")
    return order


def _refusal(reason: str) -> Problem:
    if reason in _REFUSALS:
        return Problem(_REFUSALS[reason][0], reason, _REFUSALS[reason][1])
    if reason.endswith("-unavailable") or reason == "out-of-time":
        detail = "The order could not be carried out now, and nothing stays charged; try again."
        return Problem(503, reason, detail, _RETRY_SOON)
    return Problem(409, reason, "The order could not be carried out.")
