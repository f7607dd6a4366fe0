"""How orders talks to its neighbours: what it asks and the few fields it reads of their answers."""

from collections.abc import Mapping
from typing import Literal, Self
from urllib.parse import quote

from target_system.kit.client import Neighbour
from target_system.kit.models import Tolerant
from target_system.kit.policy import Policy
from target_system.kit.problems import problem_slug

__all__ = [
    "CATALOG_POLICY", "INVENTORY_POLICY", "PAYMENTS_POLICY", "CardDeclined", "CatalogClient", "Charge", "Declined",
    "InventoryClient", "PaymentsClient", "PricedRecord", "ReservationRefused",
]  # fmt: skip

CATALOG_POLICY = Policy(budget=0.4, attempts=2)
INVENTORY_POLICY = Policy(budget=0.5, attempts=2)
# Once: payments repeats its own calls, and repeating here as well would multiply them.
PAYMENTS_POLICY = Policy(budget=0.8, attempts=1)


class Declined(Exception):  # noqa: N818 - an outcome, not a failure
    """A neighbour understood and said no; `reason` is the slug of its problem."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CardDeclined(Declined):
    """Payments could not charge the card."""


class ReservationRefused(Declined):
    """Inventory does not hold the records: out of stock, or the reservation was released."""


class PricedRecord(Tolerant):
    """What orders needs to know of a record."""

    id: str
    price: int
    currency: str


class Charge(Tolerant):
    """What orders needs to know of a charge."""

    id: str
    status: Literal["pending", "captured", "declined", "refunded"]


class _Charges(Tolerant):
    items: list[Charge]


class _Client:
    """A neighbour behind a base URL; an async context manager."""

    def __init__(self, name: str, base_url: str, policy: Policy) -> None:
        self.neighbour = Neighbour(name, base_url, policy)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.neighbour.aclose()


class CatalogClient(_Client):
    """The catalog, as orders sees it. Every method raises NeighbourError when there is no usable answer."""

    def __init__(self, base_url: str, policy: Policy = CATALOG_POLICY) -> None:
        super().__init__("catalog", base_url, policy)

    async def record(self, record_id: str) -> PricedRecord | None:
        """Return the record with its price, or None when the catalog does not have it."""
        response = await self.neighbour.call("GET", f"/records/{_segment(record_id)}")
        return None if response.status_code == 404 else self.neighbour.parse(response, PricedRecord, 200)


class InventoryClient(_Client):
    """The inventory, as orders sees it. Every method raises NeighbourError when there is no usable answer."""

    def __init__(self, base_url: str, policy: Policy = INVENTORY_POLICY) -> None:
        super().__init__("inventory", base_url, policy)

    async def reserve(self, reservation_id: str, quantities: Mapping[str, int]) -> None:
        """Put records aside, once per `reservation_id`; raise ReservationRefused when that cannot be."""
        lines = [{"record_id": record_id, "quantity": quantity} for record_id, quantity in quantities.items()]
        path = f"/reservations/{_segment(reservation_id)}"
        response = await self.neighbour.call("PUT", path, json={"lines": lines})
        if response.status_code in (404, 409):
            raise ReservationRefused(problem_slug(response.json()) or "reservation-refused")
        if response.status_code not in (200, 201):
            raise self.neighbour.unexpected(response)

    async def commit(self, reservation_id: str) -> None:
        """Let the reserved records go out of the house; raise ReservationRefused when they are no longer reserved."""
        path = f"/reservations/{_segment(reservation_id)}/commit"
        response = await self.neighbour.call("POST", path, headers={"Idempotency-Key": f"commit-{reservation_id}"})
        if response.status_code in (404, 409):
            raise ReservationRefused(problem_slug(response.json()) or "reservation-refused")
        if response.status_code != 200:
            raise self.neighbour.unexpected(response)

    async def release(self, reservation_id: str) -> None:
        """Put the records back, whether or not they were reserved; no later `reserve` succeeds."""
        response = await self.neighbour.call("DELETE", f"/reservations/{_segment(reservation_id)}")
        if response.status_code != 204:
            raise self.neighbour.unexpected(response)


class PaymentsClient(_Client):
    """Payments, as orders sees it. Every method raises NeighbourError when there is no usable answer."""

    def __init__(self, base_url: str, policy: Policy = PAYMENTS_POLICY) -> None:
        super().__init__("payments", base_url, policy)

    async def charge(self, order_id: str, amount: int, currency: str, card_token: str) -> Charge:
        """Charge the order's card, once per order; raise CardDeclined when the card is refused."""
        body = {"order_id": order_id, "amount": amount, "currency": currency, "card_token": card_token}
        headers = {"Idempotency-Key": f"charge-{order_id}"}
        response = await self.neighbour.call("POST", "/charges", json=body, headers=headers)
        if response.status_code == 402:
            raise CardDeclined("card-declined")
        return self.neighbour.parse(response, Charge, 201)

    async def charges_of(self, order_id: str) -> list[Charge]:
        """Return the charges made for an order."""
        response = await self.neighbour.call("GET", "/charges", params={"order_id": order_id})
        return self.neighbour.parse(response, _Charges, 200).items

    async def refund(self, charge_id: str) -> Charge:
        """Give the money of a charge back; repeatable."""
        path = f"/charges/{_segment(charge_id)}/refund"
        response = await self.neighbour.call("POST", path, headers={"Idempotency-Key": f"refund-{charge_id}"})
        return self.neighbour.parse(response, Charge, 200)


def _segment(text: str) -> str:
    return quote(text, safe="")
