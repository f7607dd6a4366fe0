"""Makes and runs a service: FastAPI with what all seven have in common. What a service does is in its own folder."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from target_system.kit.asyncapi import EventType, asyncapi_document
from target_system.kit.edge import Edge, configure_logs
from target_system.kit.http import Router, handle_http_error, handle_invalid_request
from target_system.kit.metrics import metrics_page
from target_system.kit.models import Reply
from target_system.kit.openapi import complete_openapi
from target_system.kit.problems import Problem, handle_problem, problems
from target_system.kit.settings import Settings
from target_system.kit.test_profile import StateHandlers, add_test_routes

if TYPE_CHECKING:  # SQLAlchemy is a third of a service's start; the gateway has no store and does without
    from target_system.kit.outbox import Outbox
    from target_system.kit.store import Store

__all__ = ["create_app", "serve"]


class Health(Reply):
    """The service is well."""

    status: Literal["ok"] = "ok"


def create_app(
    settings: Settings,
    *,
    title: str,
    description: str,
    router: Router,
    domain: object,
    version: str = "1.0.0",
    store: "Store | None" = None,
    resources: Sequence[AbstractAsyncContextManager[Any]] = (),
    events: Sequence[EventType] = (),
    outbox: "Outbox | None" = None,
    states: StateHandlers | None = None,
) -> FastAPI:
    """Make a service.

    Args:
        settings: its surroundings.
        title: title of its OpenAPI document.
        description: what it is for, in a sentence.
        router: its routes; they reach `domain` through `request.app.state.domain`.
        domain: the object that does the work.
        version: version of its interface.
        store: its database, if it has one; opened first, asked by `/health/ready`.
        resources: what else is opened at start, in order, and closed in reverse: neighbours, relays, sweepers.
        events: the events it publishes or listens to; with any, `/asyncapi.json` is served.
        outbox: where `/_messages` finds the latest event (test profile).
        states: provider states by name (test profile).
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for resource in (*filter(None, [store]), *resources):
                await stack.enter_async_context(resource)
            yield

    app = FastAPI(
        title=title,
        description=description,
        version=version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            Problem: handle_problem,
            HTTPException: handle_http_error,
            RequestValidationError: handle_invalid_request,
        },
    )
    app.state.domain = domain
    app.add_middleware(Edge, service=settings.service, max_in_flight=settings.max_in_flight)
    _add_routes(app, (_operations(store), router))
    app.add_route("/metrics", metrics_page, include_in_schema=False)
    if events:
        document = asyncapi_document(title, version, description, events)
        app.add_route("/asyncapi.json", lambda _request: JSONResponse(document), include_in_schema=False)
    if settings.test_profile:
        add_test_routes(app, states or {}, store, outbox)
    app.openapi = lambda: complete_openapi(app)  # type: ignore[method-assign] # the way FastAPI documents
    return app


def serve(service: str, build: Callable[[Settings], FastAPI]) -> None:
    """Run the service that `build` makes until SIGTERM or SIGINT; requests under way get one second to end."""
    import uvicorn

    settings = Settings.read(service)
    configure_logs(service)
    uvicorn.run(
        build(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
    )


def _add_routes(app: FastAPI, routers: Iterable[Router]) -> None:
    # Not include_router: the routes stay flat, so that all methods of a path can be found for Allow.
    for router in routers:
        app.router.routes.extend(router.routes)


def _operations(store: "Store | None") -> Router:
    router = Router()

    @router.get("/health/live", tags=["operations"])
    async def live() -> Health:
        """Say that the process runs."""
        return Health()

    @router.get("/health/ready", tags=["operations"], responses=problems(_503="The store does not answer."))
    async def ready() -> Health:
        """Say that the service can do its work: its store answers."""
        if store and not await store.ready():
            raise Problem(503, "not-ready", "The store does not answer.", {"Retry-After": "1"})
        return Health()

    return router
