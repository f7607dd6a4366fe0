"""Notifications over HTTP: routes, provider states, putting together. Reading events is events.py, the rest mailbox.py."""

import secrets
from typing import Annotated, cast

from fastapi import Body, Depends, FastAPI, Query, Request
from pydantic import JsonValue

from target_system.kit.app import create_app
from target_system.kit.asyncapi import CLOUDEVENTS_JSON
from target_system.kit.http import Router
from target_system.kit.models import Identifier, Reply
from target_system.kit.settings import Settings
from target_system.kit.store import Store
from target_system.kit.test_profile import StateHandlers
from target_system.notifications.events import EVENTS, CloudEvent
from target_system.notifications.mailbox import DeadLetter, Mailbox, Message, metadata

__all__ = ["build"]

router = Router()


class Accepted(Reply):
    """The event is taken in; the sender need not send it again."""


class Messages(Reply):
    """Messages to customers, oldest first."""

    items: list[Message]


class DeadLetters(Reply):
    """Events that could not be read, oldest first."""

    items: list[DeadLetter]


def the_mailbox(request: Request) -> Mailbox:
    """Return the mailbox of the running application."""
    return cast("Mailbox", request.app.state.domain)


TheMailbox = Annotated[Mailbox, Depends(the_mailbox)]


@router.post("/events", tags=["events"], status_code=202)
async def receive(event: Annotated[CloudEvent, Body(media_type=CLOUDEVENTS_JSON)], mailbox: TheMailbox) -> Accepted:
    """Take in a CloudEvent: also one heard before, of an unknown type, or unreadable (see `/dead-letters`)."""
    await mailbox.receive(event)
    return Accepted()


@router.get("/messages", tags=["messages"])
async def list_messages(mailbox: TheMailbox, order_id: Annotated[Identifier | None, Query()] = None) -> Messages:
    """Return the latest hundred messages, all or about one order."""
    return Messages(items=await mailbox.messages(order_id))


@router.get("/dead-letters", tags=["events"])
async def list_dead_letters(mailbox: TheMailbox) -> DeadLetters:
    """Return the latest hundred events that could not be read, and why."""
    return DeadLetters(items=await mailbox.dead_letters())


def _states(mailbox: Mailbox) -> StateHandlers:
    async def nothing_said(params: dict[str, JsonValue]) -> None:
        await mailbox.forget(str(params.get("id", "ord-1")))

    async def confirmed(params: dict[str, JsonValue]) -> None:
        order_id = str(params.get("id", "ord-1"))
        await mailbox.forget(order_id)
        data: JsonValue = {"order_id": order_id, "customer": str(params.get("customer", "alice"))}
        event = CloudEvent(
            specversion="1.0",
            id=secrets.token_hex(8),
            source="/provider-states",
            type="shop.order.confirmed",
            data=data,
        )
        await mailbox.receive(event)

    async def no_dead_letters(_params: dict[str, JsonValue]) -> None:
        await mailbox.forget_dead_letters()

    return {
        "nothing was said about an order": nothing_said,
        "the confirmation of an order was sent": confirmed,
        "there are no dead letters": no_dead_letters,
    }


def build(settings: Settings) -> FastAPI:
    """Put the service together."""
    store = Store(settings.database_url, metadata)
    mailbox = Mailbox(store)
    return create_app(
        settings,
        title="Notifications",
        description="Tells customers of the record shop what happened to their orders.",
        router=router,
        domain=mailbox,
        store=store,
        events=EVENTS,
        states=_states(mailbox),
    )
