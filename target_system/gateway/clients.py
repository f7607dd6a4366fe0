"""How the gateway talks to its neighbours: what it asks and the few fields it reads. Composing answers is not done here.

Each client needs nothing but an address, so that contract tests can drive the very code that runs in the gateway.
"""

from datetime import datetime
from typing import Self
from urllib.parse import quote

import httpx

from target_system.gateway.models import OrderRequest
from target_system.kit.client import Neighbour
from target_system.kit.models import Tolerant
from target_system.kit.policy import Policy
from target_system.kit.problems import problem_slug

__all__ = [
    "CATALOG_POLICY",
    "INVENTORY_POLICY",
    "ORDERS_POLICY",
    "BadCursor",
    "CatalogClient",
    "InventoryClient",
    "OrderRefused",
    "OrderSeen",
    "OrdersClient",
    "PageSeen",
    "RecordSeen",
]

CATALOG_POLICY = Policy(budget=0.6, attempts=2, concurrency=64)
INVENTORY_POLICY = Policy(budget=0.4, attempts=1, concurrency=64)
ORDERS_POLICY = Policy(budget=3.0, attempts=2, concurrency=64)


class BadCursor(Exception):  # noqa: N818 - an answer, not a failure
    """The catalog does not know this cursor."""


class OrderRefused(Exception):  # noqa: N818 - an answer, not a failure
    """Orders said no, with an HTTP status and the name of its problem; empty when it gave none."""

    def __init__(self, status: int, slug: str) -> None:
        super().__init__(f"{status} {slug}")
        self.status = status
        self.slug = slug


class RecordSeen(Tolerant):
    """What the gateway needs to know of a record."""

    id: str
    title: str
    artist: str
    price: int
    currency: str
    format: str


class PageSeen(Tolerant):
    """A page of records."""

    items: list[RecordSeen]
    next_cursor: str | None


class LineSeen(Tolerant):
    """What the gateway needs to know of a line of an order."""

    record_id: str
    quantity: int
    unit_price: int


class OrderSeen(Tolerant):
    """What the gateway needs to know of an order."""

    id: str
    customer: str
    status: str
    reason: str | None
    lines: list[LineSeen]
    total: int
    currency: str
    created_at: datetime


class _StockSeen(Tolerant):
    available: int


class _Client:
    """A neighbour as the gateway sees it; an async context manager.

    Args:
        base_url: Where the neighbour is.
        policy: Budget, attempts, bulkhead and breaker of the edge; each client has its default.
    """

    def __init__(self, name: str, base_url: str, policy: Policy) -> None:
        self.neighbour = Neighbour(name, base_url, policy)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.neighbour.aclose()


class CatalogClient(_Client):
    """The catalog; every method raises `NeighbourError` when it gives no usable answer."""

    def __init__(self, base_url: str, policy: Policy = CATALOG_POLICY) -> None:
        super().__init__("catalog", base_url, policy)

    async def record(self, record_id: str) -> RecordSeen | None:
        """Return a record, or None when it is not on sale."""
        response = await self.neighbour.call("GET", f"/records/{_part(record_id)}")
        return None if response.status_code == 404 else self.neighbour.parse(response, RecordSeen, 200)

    async def page(self, limit: int, cursor: str | None = None) -> PageSeen:
        """Return up to `limit` records, from the beginning or from a cursor.

        Raises:
            BadCursor: The catalog does not know the cursor.
        """
        params: dict[str, str | int] = {"limit": limit} | ({"cursor": cursor} if cursor is not None else {})
        response = await self.neighbour.call("GET", "/records", params=params)
        if response.status_code == 400 and cursor is not None:
            raise BadCursor
        return self.neighbour.parse(response, PageSeen, 200)


class InventoryClient(_Client):
    """The inventory; every method raises `NeighbourError` when it gives no usable answer."""

    def __init__(self, base_url: str, policy: Policy = INVENTORY_POLICY) -> None:
        super().__init__("inventory", base_url, policy)

    async def available(self, record_id: str) -> int:
        """Return how many pieces can be had; none of a record that was never counted."""
        response = await self.neighbour.call("GET", f"/stock/{_part(record_id)}")
        return 0 if response.status_code == 404 else self.neighbour.parse(response, _StockSeen, 200).available


class OrdersClient(_Client):
    """Orders; every method raises `NeighbourError` when it gives no usable answer."""

    def __init__(self, base_url: str, policy: Policy = ORDERS_POLICY) -> None:
        super().__init__("orders", base_url, policy)

    async def place(self, customer: str, key: str, wanted: OrderRequest) -> OrderSeen:
        """Place an order, once per customer and key; the request is not repeated here, the customer may do so.

        Raises:
            OrderRefused: Orders said no.
        """
        headers = {"X-Customer": customer, "Idempotency-Key": key}
        body = wanted.model_dump(mode="json")
        return self._order(await self.neighbour.call("POST", "/orders", json=body, headers=headers, once=True), 201)

    async def order(self, order_id: str) -> OrderSeen | None:
        """Return an order, or None when there is none."""
        response = await self.neighbour.call("GET", f"/orders/{_part(order_id)}")
        return None if response.status_code == 404 else self.neighbour.parse(response, OrderSeen, 200)

    async def cancel(self, order_id: str) -> OrderSeen:
        """Cancel an order; may be repeated by the customer.

        Raises:
            OrderRefused: Orders said no.
        """
        return self._order(await self.neighbour.call("POST", f"/orders/{_part(order_id)}/cancel", once=True), 200)

    def _order(self, response: httpx.Response, expected: int) -> OrderSeen:
        if 400 <= response.status_code < 500:
            raise OrderRefused(response.status_code, _slug(response))
        return self.neighbour.parse(response, OrderSeen, expected)


def _part(text: str) -> str:
    return quote(text, safe="")


def _slug(response: httpx.Response) -> str:
    try:
        return problem_slug(response.json())
    except (ValueError, RecursionError):
        return ""
