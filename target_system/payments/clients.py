"""How payments talks to the psp: what it asks and the few fields it reads."""

from typing import Self
from urllib.parse import quote

from target_system.kit.client import Neighbour
from target_system.kit.models import Tolerant
from target_system.kit.policy import Policy

__all__ = ["PSP_POLICY", "Authorization", "CardDeclined", "PspClient"]

PSP_POLICY = Policy(budget=0.6, attempts=2)


class CardDeclined(Exception):  # noqa: N818 - an outcome, not a failure
    """The psp said no."""


class Authorization(Tolerant):
    """What payments needs to know of an authorization."""

    id: str
    livemode: bool


class PspClient:
    """The psp, as payments sees it; an async context manager.

    Args:
        base_url: where the psp is.
        policy: budget, attempts, bulkhead and breaker of the edge.
    """

    def __init__(self, base_url: str, policy: Policy = PSP_POLICY) -> None:
        self.neighbour = Neighbour("psp", base_url, policy)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.neighbour.aclose()

    async def authorize(self, key: str, amount: int, currency: str, source: str) -> Authorization:
        """Take `amount` minor units from the card `source`, once per `key`.

        Raises:
            CardDeclined: the card was declined.
            NeighbourError: the psp gave no usable answer; whether money moved is unknown until `key` is repeated.
        """
        body = {"amount": amount, "currency": currency, "source": source}
        response = await self.neighbour.call("POST", "/v1/authorizations", json=body, headers={"Idempotency-Key": key})
        if response.status_code == 402:
            raise CardDeclined
        return self.neighbour.parse(response, Authorization, 201)

    async def refund(self, authorization_id: str) -> None:
        """Give the money of an authorization back.

        Raises:
            NeighbourError: the psp gave no usable answer.
        """
        path = f"/v1/authorizations/{quote(authorization_id, safe='')}/refunds"
        # A refund is repeatable at the psp by its path; the key says so to everything on the way.
        response = await self.neighbour.call("POST", path, headers={"Idempotency-Key": f"refund-{authorization_id}"})
        self.neighbour.parse(response, Authorization, 200)
