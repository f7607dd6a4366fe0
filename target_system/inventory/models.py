"""What the inventory says and hears on the wire; the rules of stock are in stockroom.py."""

from typing import Annotated, Literal

from pydantic import Field

from target_system.kit.models import Identifier, Quantity, Reply, Strict

__all__ = ["Line", "Reservation", "ReservationRequest", "ReservedLine", "ShelfCount", "Stock"]

Count = Annotated[int, Field(ge=0, le=1_000_000_000)]


class ShelfCount(Strict):
    """How many pieces somebody counted."""

    on_hand: Count


class Stock(Reply):
    """What is there of one record; `available` is what can still be reserved."""

    record_id: Identifier
    on_hand: Annotated[int, Field(ge=0)]
    reserved: Annotated[int, Field(ge=0)]
    available: Annotated[int, Field(ge=0)]


class Line(Strict):
    """A record and how many of it."""

    record_id: Annotated[Identifier, Field(examples=["rec-1"])]
    quantity: Annotated[Quantity, Field(examples=[1])]


class ReservationRequest(Strict):
    """What to put aside; lines for the same record are added up."""

    lines: Annotated[list[Line], Field(min_length=1, max_length=50)]


class ReservedLine(Reply):
    """How many of a record are reserved, all lines for it together."""

    record_id: Identifier
    quantity: Annotated[int, Field(ge=1, le=50_000)]


class Reservation(Reply):
    """Pieces put aside (`held`), or gone out of the house (`committed`)."""

    id: Identifier
    status: Literal["held", "committed"]
    lines: list[ReservedLine]
