"""What the psp takes and gives over the wire."""

from typing import Annotated, Literal

from pydantic import Field

from target_system.kit.models import Amount, Currency, Identifier, Reply, Strict

__all__ = ["Authorization", "AuthorizationRequest", "CardToken"]

CardToken = Annotated[str, Field(pattern="^tok_[a-z0-9]{1,32}$", examples=["tok_visa"])]


class AuthorizationRequest(Strict):
    """Take this much from this card. `tok_declined` is always declined."""

    amount: Annotated[Amount, Field(examples=[2499])]
    currency: Currency
    source: CardToken


class Authorization(Reply):
    """Money taken from a card. Without `livemode` the card was not charged for real."""

    id: Annotated[Identifier, Field(examples=["auth-2f6c9a7e"])]
    status: Literal["approved", "refunded"]
    amount: Amount
    currency: Currency
    livemode: bool
