"""Circuit breakers by hand: routes for operators, behind a token."""

import secrets
from typing import Annotated, Literal, cast

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader

from target_system.kit.breaker import Breaker, Force, State
from target_system.kit.http import Router
from target_system.kit.models import Identifier, Reply, Strict
from target_system.kit.problems import Problem, problems

__all__ = ["BreakerPanel", "breaker_routes"]

_TOKEN = APIKeyHeader(name="X-Admin-Token", auto_error=False)
_401 = problems(_401="The admin token is missing or wrong.")


class BreakerState(Reply):
    """A breaker: what the next call meets, and what was decided by hand (`auto`: nothing)."""

    name: Identifier
    state: State
    forced: Force


class BreakerStates(Reply):
    """All breakers of the service."""

    items: list[BreakerState]


class BreakerOrder(Strict):
    """Hold the breaker open or closed, or give it back to itself."""

    state: Literal["open", "closed", "auto"]


class BreakerPanel:
    """The breakers of a service, by the name of the neighbour, and the token that opens the panel."""

    def __init__(self, breakers: list[Breaker], token: str) -> None:
        self.breakers = {breaker.name: breaker for breaker in breakers}
        self._token = token.encode()

    def check(self, token: str | None) -> None:
        """Raise Problem 401 unless `token` is right."""
        if token is None or not secrets.compare_digest(token.encode(), self._token):
            raise Problem(401, "not-an-operator", "Send the admin token.", {"WWW-Authenticate": "X-Admin-Token"})


def _panel(request: Request, token: Annotated[str | None, Security(_TOKEN)]) -> BreakerPanel:
    panel = cast(BreakerPanel, request.app.state.breakers)
    panel.check(token)
    return panel


Panel = Annotated[BreakerPanel, Depends(_panel)]


def breaker_routes() -> Router:
    """Return the routes; the application's state must hold a `BreakerPanel` as `breakers`."""
    router = Router()

    @router.get("/admin/breakers", tags=["admin"], responses=_401)
    async def list_breakers(panel: Panel) -> BreakerStates:
        """Return all breakers."""
        return BreakerStates(items=[_shown(breaker) for breaker in panel.breakers.values()])

    @router.put(
        "/admin/breakers/{name}", tags=["admin"], responses={**_401, **problems(_404="There is no such breaker.")}
    )
    async def set_breaker(name: Identifier, body: BreakerOrder, panel: Panel) -> BreakerState:
        """Hold a breaker open or closed, or let it decide again."""
        if name not in panel.breakers:
            raise Problem(404, "breaker-not-found", f"There is no breaker {name}.")
        panel.breakers[name].force(Force(body.state))
        return _shown(panel.breakers[name])

    return router


def _shown(breaker: Breaker) -> BreakerState:
    return BreakerState(name=breaker.name, state=breaker.state, forced=breaker.forced)
