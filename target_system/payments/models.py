"""What payments takes, gives and publishes."""

from typing import Annotated, Literal

from pydantic import Field

from target_system.kit.models import Amount, Currency, Identifier, Reply, Strict

__all__ = ["Charge", "ChargeList", "ChargeRequest", "KeptCharge", "PaymentRefunded"]

OrderId = Annotated[Identifier, Field(examples=["order-7d0c"])]


class ChargeRequest(Strict):
    """Take this much for this order from this card."""

    order_id: OrderId
    amount: Annotated[Amount, Field(examples=[2499])]
    currency: Currency
    card_token: Annotated[str, Field(pattern="^tok_[a-z0-9]{1,32}$", examples=["tok_visa"])]


class Charge(Reply):
    """Money taken for an order. `pending`: the psp has not said yet; repeating the request finds out."""

    id: Annotated[Identifier, Field(examples=["charge-51b2"])]
    order_id: OrderId
    amount: Amount
    currency: Currency
    status: Literal["pending", "captured", "declined", "refunded"]
    livemode: bool


class KeptCharge(Charge):
    """A charge as payments keeps it: what the psp calls it is nobody else's business."""

    psp_reference: str | None


class ChargeList(Reply):
    """The charges of one order, oldest first."""

    items: list[Charge]


class PaymentRefunded(Reply):
    """The money of an order went back."""

    charge_id: Identifier
    order_id: OrderId
    amount: Amount
    currency: Currency
