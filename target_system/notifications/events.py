"""How events are read and what customers are told about them: plain functions, no HTTP and no store.

A tolerant reader: only the fields that a message needs are looked at, unknown fields and unknown types of events are
let pass. What cannot be read is either no CloudEvent at all (``NotACloudEvent``: the sender did something wrong) or a
poison message (``PoisonMessage``: a CloudEvent of a type we know whose data makes no sense).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from target_system.kit.asyncapi import EventType
from target_system.kit.models import Identifier, Tolerant

__all__ = ["EVENTS", "CloudEvent", "Kind", "NotACloudEvent", "Notice", "PoisonMessage", "notice_of", "read_event"]

Attribute = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]*$")]
Customer = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]


class NotACloudEvent(ValueError):  # noqa: N818 - reads as what it says
    """The text is not a CloudEvent 1.0 in structured JSON."""


class PoisonMessage(ValueError):  # noqa: N818 - the field's own word
    """The event is of a type we know, but its data cannot be read; trying again will not help."""


class Kind(StrEnum):
    """What a message to a customer is about."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


class CloudEvent(BaseModel):
    """The attributes of a CloudEvent 1.0 that we use; whatever else it carries is let pass."""

    model_config = ConfigDict(extra="allow", frozen=True)

    specversion: Literal["1.0"]
    id: Attribute
    source: Attribute
    type: Attribute
    data: JsonValue = None


@dataclass(frozen=True, slots=True)
class Notice:
    """What a customer should be told because of an event."""

    order_id: str
    customer: str | None
    kind: Kind
    text: str


class OrderHeard(Tolerant):
    """What we need to hear of an order."""

    order_id: Identifier
    customer: Customer

    def notice(self, kind: Kind, text: str) -> Notice:
        """Return what to tell the customer of this order."""
        return Notice(self.order_id, self.customer, kind, text)


class RejectionHeard(OrderHeard):
    """What we need to hear of an order that came to nothing."""

    reason: str | None = None


class RefundHeard(Tolerant):
    """What we need to hear of money returned."""

    order_id: Identifier
    amount: Annotated[int, Field(ge=0, description="in minor units of the currency")]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]


_REASONS = {
    "out-of-stock": "a record is sold out",
    "card-declined": "the card was declined",
    "record-not-found": "a record is no longer on sale",
}


def _confirmed(data: JsonValue) -> Notice:
    order = OrderHeard.model_validate(data)
    return order.notice(Kind.CONFIRMED, f"Your order {order.order_id} is confirmed.")


def _rejected(data: JsonValue) -> Notice:
    order = RejectionHeard.model_validate(data)
    reason = _REASONS.get(order.reason or "", "something went wrong on our side")
    return order.notice(Kind.REJECTED, f"We could not accept your order {order.order_id}: {reason}.")


def _cancelled(data: JsonValue) -> Notice:
    order = OrderHeard.model_validate(data)
    return order.notice(Kind.CANCELLED, f"Your order {order.order_id} is cancelled.")


def _refunded(data: JsonValue) -> Notice:
    refund = RefundHeard.model_validate(data)
    text = f"We returned {refund.amount} {refund.currency} (in minor units) for your order {refund.order_id}."
    return Notice(refund.order_id, None, Kind.REFUNDED, text)


_READERS = {
    "shop.order.confirmed": _confirmed,
    "shop.order.rejected": _rejected,
    "shop.order.cancelled": _cancelled,
    "shop.payment.refunded": _refunded,
}

EVENTS = (
    EventType("shop.order.confirmed", OrderHeard, "The customer is told that the order is confirmed.", "receive"),
    EventType("shop.order.rejected", RejectionHeard, "The customer is told why there will be no order.", "receive"),
    EventType("shop.order.cancelled", OrderHeard, "The customer is told that the order is cancelled.", "receive"),
    EventType("shop.payment.refunded", RefundHeard, "The customer is told what was returned.", "receive"),
)


def read_event(text: bytes | str) -> CloudEvent:
    """Read a CloudEvent in structured JSON.

    Raises:
        NotACloudEvent: It is not one; the message says which attributes are wrong.
    """
    try:
        return CloudEvent.model_validate_json(text)
    except ValidationError as error:
        wrong = [".".join(map(str, item["loc"])) or "the body" for item in error.errors(include_url=False)]
        raise NotACloudEvent(f"Not a CloudEvent 1.0 in JSON; look at: {', '.join(dict.fromkeys(wrong))}.") from None


def notice_of(event: CloudEvent) -> Notice | None:
    """Say what a customer should be told because of an event; None when its type is none of ours.

    Raises:
        PoisonMessage: The type is ours, the data makes no sense.
    """
    reader = _READERS.get(event.type)
    if reader is None:
        return None
    try:
        return reader(event.data)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, item['loc'])) or 'data'}: {item['msg']}" for item in error.errors()]
        raise PoisonMessage(f"{event.type}: {'; '.join(wrong)}") from None
