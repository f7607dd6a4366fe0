"""Calls to a neighbour that end in time: budget, retries, breaker, bulkhead, trace. What to ask is up to the clients.

NeighbourError
├── NeighbourUnavailable   no usable answer (refused, broken, 502/503/504, breaker open, bulkhead full)
├── NeighbourTimeout       the budget ran out
└── NeighbourRefused       an answer the caller did not expect (see `Neighbour.parse`)
"""

from collections.abc import Mapping
from typing import Any, Self, TypeVar

import anyio
import httpx
import stamina
from pydantic import BaseModel, ValidationError

from target_system.kit.breaker import Breaker, BreakerOpen
from target_system.kit.metrics import NEIGHBOUR_CALLS
from target_system.kit.policy import Policy
from target_system.kit.tracing import current_trace

__all__ = ["Neighbour", "NeighbourError", "NeighbourRefused", "NeighbourTimeout", "NeighbourUnavailable"]

_Model = TypeVar("_Model", bound=BaseModel)
_SAFE_TO_REPEAT = {"GET", "HEAD", "PUT", "DELETE"}
_TRY_AGAIN = {502, 503, 504}


class NeighbourError(Exception):
    """A call to a neighbour did not bring what was needed.

    Args:
        neighbour: whom we called.
        detail: what went wrong.
        in_doubt: whether the request may have had its effect all the same.
    """

    def __init__(self, neighbour: str, detail: str, *, in_doubt: bool) -> None:
        super().__init__(f"{neighbour}: {detail}")
        self.neighbour = neighbour
        self.in_doubt = in_doubt


class NeighbourUnavailable(NeighbourError):  # noqa: N818 - says what the neighbour did
    """The neighbour gave no usable answer."""


class NeighbourTimeout(NeighbourError):  # noqa: N818 - says what the neighbour did
    """The neighbour did not answer within the budget."""


class NeighbourRefused(NeighbourError):  # noqa: N818 - says what the neighbour did
    """The neighbour answered with something the caller did not expect."""


class Neighbour:
    """One edge to another service; an async context manager around one connection pool.

    Args:
        name: the neighbour's name, in errors, metrics and for the breaker.
        base_url: where it is; when empty, every call raises NeighbourUnavailable.
        policy: budget, attempts, bulkhead and breaker of the edge.
    """

    def __init__(self, name: str, base_url: str, policy: Policy) -> None:
        self.name = name
        self.policy = policy
        self.breaker = Breaker(name, policy.failures_to_open, policy.open_for)
        self._base_url = base_url.rstrip("/")
        self._places = anyio.Semaphore(policy.concurrency)
        # Building a TLS context costs more than starting the rest of the client; most edges are plain HTTP.
        self._http = httpx.AsyncClient(timeout=policy.budget, trust_env=False, verify=base_url.startswith("https:"))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        content: bytes | None = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        once: bool = False,
    ) -> httpx.Response:
        """Send one request, repeated within the budget where that is safe, and return the whole answer.

        Args:
            method: HTTP method; what may be repeated follows from it, and from an `Idempotency-Key`.
            path: path on the neighbour, quoted.
            json: body to send as JSON.
            content: body to send as it is.
            params: query parameters.
            headers: further headers; the trace is carried on anyway.
            once: never repeat it, so that the one attempt may use the whole budget.

        Raises:
            NeighbourUnavailable: refused, broken off, 502/503/504, breaker open or bulkhead full.
            NeighbourTimeout: the budget ran out.
        """
        if not self._base_url:
            raise NeighbourUnavailable(self.name, f"{self.name.upper()}_URL is not set", in_doubt=False)
        arguments: dict[str, Any] = {"params": params, "headers": {**current_trace().headers(), **(headers or {})}}
        arguments |= {"content": content} if content is not None else {"json": json} if json is not None else {}
        repeatable = method in _SAFE_TO_REPEAT or any(name.lower() == "idempotency-key" for name in headers or ())
        attempts = self.policy.attempts if repeatable and not once else 1
        try:
            with anyio.fail_after(self.policy.budget):
                return await self._within_bulkhead(method, self._base_url + path, arguments, attempts)
        except TimeoutError as error:
            raise NeighbourTimeout(self.name, f"no answer within {self.policy.budget:g} s", in_doubt=True) from error

    def parse(self, response: httpx.Response, model: type[_Model], *expected: int) -> _Model:
        """Return the body of `response` as a `model`.

        Raises:
            NeighbourRefused: the status is not one of `expected`, or the body is no `model`.
        """
        if response.status_code not in expected:
            raise self.unexpected(response)
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise NeighbourRefused(self.name, f"unreadable answer: {error}", in_doubt=True) from error

    def unexpected(self, response: httpx.Response) -> NeighbourRefused:
        """Return the error for an answer the caller has no use for; a 4xx says that nothing was done."""
        detail = f"unexpected answer {response.status_code}"
        return NeighbourRefused(self.name, detail, in_doubt=not response.is_client_error)

    async def _within_bulkhead(self, method: str, url: str, arguments: dict[str, Any], attempts: int) -> httpx.Response:
        with anyio.move_on_after(self.policy.queue_for) as waiting:
            await self._places.acquire()
        if waiting.cancelled_caught:
            raise NeighbourUnavailable(
                self.name, f"{self.policy.concurrency} calls are already under way", in_doubt=False
            )
        try:
            return await self._with_retries(method, url, arguments, attempts)
        finally:
            self._places.release()

    async def _with_retries(self, method: str, url: str, arguments: dict[str, Any], attempts: int) -> httpx.Response:
        reached = False
        pause = self.policy.pause / 2
        try:
            async for attempt in stamina.retry_context(
                on=NeighbourError,
                attempts=attempts,
                timeout=None,
                wait_initial=pause,
                wait_max=pause * 2,
                wait_jitter=pause,
            ):
                with attempt:
                    try:
                        return await self._attempt(method, url, arguments, self.policy.attempt_timeout(attempts))
                    except NeighbourError as error:
                        reached = error.in_doubt = error.in_doubt or reached
                        raise
        except BreakerOpen as error:
            raise NeighbourUnavailable(self.name, "the circuit breaker is open", in_doubt=reached) from error
        raise AssertionError("unreachable: a retry context returns or raises")

    async def _attempt(self, method: str, url: str, arguments: dict[str, Any], within: float) -> httpx.Response:
        outcome = "failed"
        try:
            with self.breaker.admit():
                try:
                    with anyio.fail_after(within):
                        response = await self._http.request(method, url, **arguments)
                    outcome = "unavailable" if response.status_code in _TRY_AGAIN else "answered"
                finally:  # also when the budget cuts the attempt off from outside
                    self.breaker.succeeded() if outcome == "answered" else self.breaker.failed()
                    NEIGHBOUR_CALLS.labels(self.name, outcome).inc()
        except (httpx.ConnectError, httpx.UnsupportedProtocol) as error:
            raise NeighbourUnavailable(self.name, f"no connection ({error})", in_doubt=False) from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise NeighbourTimeout(self.name, f"no answer within {within:g} s", in_doubt=True) from error
        except httpx.HTTPError as error:
            raise NeighbourUnavailable(self.name, f"connection broken off ({error})", in_doubt=True) from error
        if response.status_code in _TRY_AGAIN:
            raise NeighbourUnavailable(self.name, f"answered {response.status_code}", in_doubt=True)
        return response
