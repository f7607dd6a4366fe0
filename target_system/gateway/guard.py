"""What every request to the gateway passes first: who is calling, and is it too often. What they may do is in app.py."""

import math
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from target_system.gateway.identity import KeySet, KeysUnavailable, Principal, TokenRejected, verify
from target_system.gateway.limits import RateLimiter
from target_system.kit.problems import Problem, problem_response

__all__ = ["Guard", "caller"]

_OPERATIONS = ("/health/", "/metrics", "/openapi.json")
_BEARER = HTTPBearer(
    scheme_name="customer",
    bearerFormat="JWT",
    auto_error=False,
    description="An ES256 access token of the customer; scopes: `orders:read`, `orders:write`.",
)


class Guard:
    """ASGI middleware: settles the caller's identity for the routes, and refuses who calls too often.

    A missing or bad token is no matter here, since some routes are public; it is kept as the problem that a protected
    route answers with.
    """

    def __init__(self, app: ASGIApp, *, keys: KeySet, limiter: RateLimiter, audience: str) -> None:
        self._app = app
        self._keys = keys
        self._limiter = limiter
        self._audience = audience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"].startswith(_OPERATIONS):
            await self._app(scope, receive, send)
            return
        identity = await self._identify(Headers(scope=scope))
        address = scope["client"][0] if scope.get("client") else "unknown"
        client = f"subject {identity.subject}" if isinstance(identity, Principal) else f"address {address}"
        wait = self._limiter.take(client)
        if wait > 0:
            after = {"Retry-After": str(max(1, math.ceil(wait)))}
            problem = Problem(429, "rate-limited", "You call too often; slow down.", after)
            await problem_response(problem, scope["path"])(scope, receive, send)
            return
        scope.setdefault("state", {})["identity"] = identity
        await self._app(scope, receive, send)

    async def _identify(self, headers: Headers) -> Principal | Problem:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return _unauthenticated("Send an access token.", None)
        try:
            return await verify(token.strip(), self._keys, self._audience)
        except TokenRejected as error:
            return _unauthenticated(str(error), "invalid_token")
        except KeysUnavailable:
            return Problem(503, "keys-unavailable", "Tokens cannot be verified right now.", {"Retry-After": "1"})


async def caller(
    request: Request,
    needed: SecurityScopes,
    _declared: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
) -> Principal:
    """Return who is calling, for routes that need to know.

    Raises:
        Problem: 401 without a good token; 403 when it lacks a scope the route needs.
    """
    identity: Principal | Problem = request.state.identity
    if isinstance(identity, Problem):
        raise identity
    if not identity.scopes.issuperset(needed.scopes):
        challenge = f'Bearer realm="record-shop", error="insufficient_scope", scope="{needed.scope_str}"'
        detail = f"The token needs scope {needed.scope_str}."
        raise Problem(403, "insufficient-scope", detail, {"WWW-Authenticate": challenge})
    return identity


def _unauthenticated(detail: str, error: str | None) -> Problem:
    challenge = 'Bearer realm="record-shop"' + (f', error="{error}", error_description="{detail}"' if error else "")
    return Problem(401, "unauthenticated", detail, {"WWW-Authenticate": challenge})
