"""What the gateway says and hears on the wire; the fields it hides from customers are simply not here."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from target_system.kit.models import Amount, Identifier, Reply, Strict

__all__ = ["Line", "Order", "OrderPage", "OrderRequest", "Record", "RecordDetail", "RecordPage", "TitledLine", "Wanted"]

Neighbours = Annotated[list[Literal["catalog", "inventory"]], Field(description="what is missing from this answer")]


class Record(Reply):
    """A record on sale."""

    id: Identifier
    title: str
    artist: str
    price: Amount
    currency: str
    format: str


class RecordPage(Reply):
    """Some records; `next_cursor` leads to more."""

    items: list[Record]
    next_cursor: str | None


class RecordDetail(Record):
    """A record and whether it can be had; `unknown` when nobody can say right now."""

    availability: Literal["in_stock", "sold_out", "unknown"]
    degraded: Neighbours


class Wanted(Strict):
    """A record and how many of it."""

    record_id: Annotated[Identifier, Field(examples=["rec-1"])]
    quantity: Annotated[int, Field(ge=1, le=20, examples=[1])]


class OrderRequest(Strict):
    """What a customer wants, and the card to pay with."""

    lines: Annotated[list[Wanted], Field(min_length=1, max_length=10)]
    card_token: Annotated[str, Field(pattern="^tok_[a-z0-9]{1,32}$", examples=["tok_visa"])]


class Line(Reply):
    """A record, how many of it, and the price of one when it was ordered."""

    record_id: Identifier
    quantity: Annotated[int, Field(ge=1)]
    unit_price: Amount


class Order(Reply):
    """An order of the customer who asks."""

    id: Identifier
    customer: str
    status: str
    reason: str | None
    lines: list[Line]
    total: int
    currency: str
    created_at: datetime


class TitledLine(Line):
    """A line as a human reads it; without a title when the catalog does not answer or the record is gone."""

    title: str | None


class OrderPage(Reply):
    """An order with the titles of its records."""

    id: Identifier
    customer: str
    status: str
    reason: str | None
    lines: list[TitledLine]
    total: int
    currency: str
    created_at: datetime
    degraded: Neighbours
