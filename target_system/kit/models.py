"""Bases and field types of everything that crosses a wire. The messages themselves belong to the services."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = [
    "Amount",
    "Currency",
    "IdempotencyKey",
    "Identifier",
    "PlainDigits",
    "Quantity",
    "Reply",
    "Strict",
    "Tolerant",
]


class Strict(BaseModel):
    """What a service accepts: no coercion, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Reply(BaseModel):
    """What a service answers: exactly the declared fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Tolerant(BaseModel):
    """What a client reads of somebody else's answer: the fields it needs, whatever else there is."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def _ascii_integer(value: object) -> object:
    # int() also takes "１", "1_0", " 1" and "+1"; the schema says integer, so only plain digits are one.
    if isinstance(value, str) and not (value.isascii() and value.removeprefix("-").isdigit() and len(value) < 20):
        raise ValueError("not an integer")
    return value


PlainDigits = BeforeValidator(_ascii_integer)
"""Put last on an integer of a query string: `Annotated[int, Query(ge=1, le=100), PlainDigits]`."""

Identifier = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""An identifier in a body or path: plain ASCII, so no store, log or URL stumbles over it."""

IdempotencyKey = Annotated[str, Field(pattern="^[A-Za-z0-9._:-]{8,128}$")]
"""What `Idempotency-Key` may be; clients should send a UUID."""

Currency = Literal["EUR", "USD", "GBP", "CHF", "SEK", "JPY"]
"""ISO 4217 codes the shop trades in."""

Amount = Annotated[int, Field(ge=1, le=100_000_000_000, description="in minor units of the currency")]
Quantity = Annotated[int, Field(ge=1, le=1000)]
