"""The HTTP interface of payments and its assembly; the work is in `till.py`."""

from typing import Annotated, cast

from fastapi import Depends, FastAPI, Header, Query, Request

from target_system.kit.app import create_app
from target_system.kit.asyncapi import EventType
from target_system.kit.http import Router
from target_system.kit.models import IdempotencyKey, Identifier
from target_system.kit.outbox import relay
from target_system.kit.problems import problems
from target_system.kit.settings import Settings
from target_system.kit.store import Store
from target_system.payments.clients import PSP_POLICY, PspClient
from target_system.payments.models import Charge, ChargeList, ChargeRequest, PaymentRefunded
from target_system.payments.states import provider_states
from target_system.payments.till import Till, metadata, outbox

__all__ = ["EVENTS", "build"]

EVENTS = (EventType("shop.payment.refunded", PaymentRefunded, "The money of an order went back."),)
_UNAVAILABLE = "The psp does not answer, or the service is too busy."

router = Router()


def _till(request: Request) -> Till:
    return cast(Till, request.app.state.domain)


TheTill = Annotated[Till, Depends(_till)]


@router.post(
    "/charges",
    status_code=201,
    responses=problems(
        _402="The card was declined.",
        _409="The Idempotency-Key was used with another request before.",
        _503=_UNAVAILABLE,
    ),
)
async def charge(
    body: ChargeRequest, key: Annotated[IdempotencyKey, Header(alias="Idempotency-Key")], till: TheTill
) -> Charge:
    """Charge a card for an order; a repetition with the same key gets the first answer."""
    return await till.charge(key, body)


@router.get("/charges")
async def charges_of_order(order_id: Annotated[Identifier, Query()], till: TheTill) -> ChargeList:
    """Return the charges of an order: where to look after a crash."""
    return ChargeList(items=list(await till.of_order(order_id)))


@router.get("/charges/{charge_id}", responses=problems(_404="There is no such charge."))
async def read_charge(charge_id: Identifier, till: TheTill) -> Charge:
    """Return a charge."""
    return await till.find(charge_id)


@router.post(
    "/charges/{charge_id}/refund",
    responses=problems(_404="There is no such charge.", _409="No money was taken.", _503=_UNAVAILABLE),
)
async def refund(charge_id: Identifier, till: TheTill) -> Charge:
    """Give the money back; asked again, nothing more happens."""
    return await till.refund(charge_id)


def build(settings: Settings) -> FastAPI:
    """Assemble the service."""
    store = Store(settings.database_url, metadata)
    psp = PspClient(settings.neighbour_url("psp"), settings.policy("psp", PSP_POLICY))
    till = Till(store, psp)
    return create_app(
        settings,
        title="Payments",
        description="Charges cards for orders and gives money back, through the psp.",
        router=router,
        domain=till,
        store=store,
        resources=[psp, relay(outbox, store, settings.event_sinks)],
        events=EVENTS,
        outbox=outbox,
        states=provider_states(till),
    )
