"""Routes for checks from outside, there only with PROFILE=test: provider states and messages (pact), what is stored."""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from fastapi import FastAPI
from fastapi.responses import Response
from pydantic import BaseModel, Field, JsonValue

from target_system.kit.asyncapi import CLOUDEVENTS_JSON
from target_system.kit.http import Router
from target_system.kit.problems import Problem

if TYPE_CHECKING:
    from target_system.kit.outbox import Outbox
    from target_system.kit.store import Store

__all__ = ["StateHandler", "StateHandlers", "add_test_routes"]

StateHandler = Callable[[dict[str, JsonValue]], Awaitable[None]]
"""Puts the service into a state; gets the state's parameters. Must be repeatable."""
StateHandlers = Mapping[str, StateHandler]


class _StateChange(BaseModel):
    state: str
    params: dict[str, JsonValue] = Field(default_factory=dict)
    action: Literal["setup", "teardown"] = "setup"


class _NamedState(BaseModel):
    name: str
    params: dict[str, JsonValue] = Field(default_factory=dict)


class _MessageRequest(BaseModel):
    description: str
    provider_states: list[_NamedState] = Field(default_factory=list, alias="providerStates")


def add_test_routes(app: FastAPI, states: StateHandlers, store: "Store | None", outbox: "Outbox | None") -> None:
    """Add `/_provider_states`, `/_stored` and `/_messages`; none shows in the OpenAPI document."""
    router = Router()

    async def set_up(name: str, params: dict[str, JsonValue]) -> None:
        if name not in states:
            known = ", ".join(sorted(states)) or "none"
            raise Problem(400, "unknown-provider-state", f"No provider state {name!r}; known: {known}")
        await states[name](params)

    @router.post("/_provider_states", include_in_schema=False)
    async def provider_states(change: _StateChange) -> dict[str, Any]:
        """Set a state up; states are made to be repeated, so tearing one down takes nothing."""
        if change.action == "setup":
            await set_up(change.state, change.params)
        return {}

    @router.get("/_stored/{table}/{column}", include_in_schema=False)
    async def stored(table: str, column: str) -> dict[str, int]:
        """Answer how many rows there are of each value: what is true of the service, also after it was started again."""
        if store is None or not store.has(table, column):
            raise Problem(404, "no-such-column", f"There is no column {column} in a table {table}.")
        return await store.counts(table, column)

    @router.post("/_messages", include_in_schema=False)
    async def messages(request: _MessageRequest) -> Response:
        """Answer with the event the service sends in the asked-for states."""
        for state in request.provider_states:
            await set_up(state.name, state.params)
        event = None
        if store and outbox:
            async with store.read() as connection:
                event = await outbox.latest(connection)
        if event is None:
            raise Problem(404, "no-message", f"The outbox is empty: no message for {request.description!r}.")
        metadata = base64.b64encode(json.dumps({"contentType": CLOUDEVENTS_JSON}).encode()).decode()
        return Response(event, media_type=CLOUDEVENTS_JSON, headers={"Pact-Message-Metadata": metadata})

    app.router.routes.extend(router.routes)
