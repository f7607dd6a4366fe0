"""The psp's HTTP interface and its assembly; the books are in `ledger.py`."""

from typing import Annotated, cast

from fastapi import Depends, FastAPI, Header, Request
from pydantic import JsonValue

from target_system.kit.app import create_app
from target_system.kit.http import Router
from target_system.kit.models import IdempotencyKey, Identifier
from target_system.kit.problems import problems
from target_system.kit.settings import Settings
from target_system.kit.store import Store
from target_system.psp.ledger import Ledger, metadata
from target_system.psp.models import Authorization, AuthorizationRequest

__all__ = ["build"]

router = Router()


def _ledger(request: Request) -> Ledger:
    return cast(Ledger, request.app.state.domain)


Books = Annotated[Ledger, Depends(_ledger)]


@router.post(
    "/v1/authorizations",
    status_code=201,
    responses=problems(_402="The card was declined.", _409="The Idempotency-Key was used with another request before."),
)
async def authorize(
    body: AuthorizationRequest, key: Annotated[IdempotencyKey, Header(alias="Idempotency-Key")], ledger: Books
) -> Authorization:
    """Take money from a card; a synthetic request takes none."""
    return await ledger.authorize(key, body)


@router.get("/v1/authorizations/{authorization_id}", responses=problems(_404="There is no such authorization."))
async def read_authorization(authorization_id: Identifier, ledger: Books) -> Authorization:
    """Return an authorization."""
    return await ledger.find(authorization_id)


@router.post(
    "/v1/authorizations/{authorization_id}/refunds", responses=problems(_404="There is no such authorization.")
)
async def refund(authorization_id: Identifier, ledger: Books) -> Authorization:
    """Give the money back; asked again, nothing more happens."""
    return await ledger.refund(authorization_id)


def build(settings: Settings) -> FastAPI:
    """Assemble the service."""
    store = Store(settings.database_url, metadata)
    ledger = Ledger(store)

    async def authorization_exists(params: dict[str, JsonValue]) -> None:
        example = {"id": "auth-1", "status": "approved", "amount": 2499, "currency": "EUR", "livemode": True}
        known = {name: value for name, value in params.items() if name in example}
        await ledger.put(Authorization.model_validate(example | known))

    async def nothing_needed(_params: dict[str, JsonValue]) -> None:
        """Some states are how the psp is anyway."""

    return create_app(
        settings,
        title="PSP",
        description="Takes money from cards and gives it back. A stand-in for a third party.",
        router=router,
        domain=ledger,
        store=store,
        states={
            "an authorization exists": authorization_exists,
            "the card is accepted": nothing_needed,
            "the card is declined": nothing_needed,
        },
    )
