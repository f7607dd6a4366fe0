"""Sends the requests of journeys over plain sockets: cookies of each user's own, connections shared with everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.guard import Answer, Guarded, Place, place_of

if TYPE_CHECKING:
    import httpx

    from harness.guard.transport import GuardedTransport

__all__ = ["HttpTransport", "connections"]


def connections(kept: int) -> GuardedTransport:
    """Connections that many users share; they lead where this process may go.

    Args:
        kept: how many are kept open for each service.
    """
    from harness.guard.transport import GuardedTransport

    guarded = Guarded.from_environment()
    assert guarded is not None, "a process that walks journeys is started with a guard"
    return GuardedTransport(guarded.invitation, connections=kept)


class HttpTransport:
    """One user's client (`harness.system.journeys.Transport`)."""

    def __init__(self, shared: GuardedTransport) -> None:
        self._shared = shared
        # A jar for each service: on one machine they all have one host, and what one of them set is no other's to see.
        self._clients: dict[tuple[str, Place], httpx.Client] = {}

    def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        json: object | None,
        params: Mapping[str, str] | None,
        name: str,  # noqa: ARG002 - for transports that keep statistics by name
        timeout_s: float,
    ) -> Answer:
        """Send one request.

        Raises:
            UninvitedError: when it would go somewhere else.
            TooMuchError: when the answer goes beyond a limit.
            httpx.TransportError: when no whole answer came within `timeout_s`.
        """
        answer = self._client(url).request(method, url, headers=headers, json=json, params=params, timeout=timeout_s)
        return Answer(answer.status_code, answer.headers, answer.content, url)

    def _client(self, url: str) -> httpx.Client:
        import httpx

        key = (url.partition(":")[0], place_of(url))
        if key not in self._clients:
            self._clients[key] = httpx.Client(transport=self._shared, trust_env=False)
        return self._clients[key]
