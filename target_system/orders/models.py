"""What orders takes, gives and publishes."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from target_system.kit.models import Amount, Currency, Identifier, Reply, Strict

__all__ = [
    "Customer", "Order", "OrderCancelled", "OrderConfirmed", "OrderLine", "OrderList", "OrderRejected", "OrderRequest",
    "RequestedLine",
]  # fmt: skip

Customer = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9._@|:+-]{0,63}$", examples=["alice"])]
RecordId = Annotated[Identifier, Field(examples=["rec-1"])]


class RequestedLine(Strict):
    """A record and how many of it."""

    record_id: RecordId
    quantity: Annotated[int, Field(ge=1, le=20, examples=[1])]


class OrderRequest(Strict):
    """What somebody wants, and the card it is paid with. Lines for the same record are added up."""

    lines: Annotated[list[RequestedLine], Field(min_length=1, max_length=10)]
    card_token: Annotated[str, Field(pattern="^tok_[a-z0-9]{1,32}$", examples=["tok_visa"])]

    def quantities(self) -> dict[str, int]:
        """Return how many of each record, in the order they were asked for."""
        wanted: dict[str, int] = {}
        for line in self.lines:
            wanted[line.record_id] = wanted.get(line.record_id, 0) + line.quantity
        return wanted


class OrderLine(Reply):
    """A record as it was ordered."""

    record_id: RecordId
    quantity: Annotated[int, Field(ge=1, le=200)]
    unit_price: Amount


class Order(Reply):
    """An order. `pending`: being worked on; `rejected` says why in `reason`."""

    id: Annotated[Identifier, Field(examples=["order-7d0c"])]
    customer: Customer
    status: Literal["pending", "confirmed", "rejected", "cancelled"]
    reason: str | None
    lines: list[OrderLine]
    total: Amount
    currency: Currency
    charge_id: str | None
    created_at: datetime


class OrderList(Reply):
    """Orders of one customer, newest first."""

    items: list[Order]


class OrderConfirmed(Reply):
    """The order is paid for and on its way."""

    order_id: Identifier
    customer: Customer
    total: Amount
    currency: Currency
    lines: list[OrderLine]


class OrderRejected(Reply):
    """The order came to nothing, and why; money taken for it goes back."""

    order_id: Identifier
    customer: Customer
    reason: str


class OrderCancelled(Reply):
    """The customer called the order off; the money goes back."""

    order_id: Identifier
    customer: Customer
    total: Amount
    currency: Currency
