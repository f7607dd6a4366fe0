"""How booking talks to its neighbours: short time-outs, honest errors."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

SEATS_LIMIT_S = 0.4
MAILER_LIMIT_S = 0.25


class Unavailable(Exception):  # noqa: N818 - a state of the neighbour
    """A neighbour did not answer in time, or not sensibly."""


class Seats:
    """The client of seats."""

    def __init__(self, url: str) -> None:
        self._url = url

    def hold(self, show: str, seat: str, holder: str) -> str:
        """Hold a seat.

        Returns:
            `held`, `taken` or `unknown`.

        Raises:
            Unavailable: when seats does not answer.
        """
        status, _ = _call("PUT", f"{self._url}/api/shows/{show}/seats/{seat}", {"holder": holder}, SEATS_LIMIT_S)
        if status not in {200, 404, 409}:
            raise Unavailable(f"seats answered {status}")
        return {200: "held", 404: "unknown", 409: "taken"}[status]

    def holder(self, show: str, seat: str) -> str | None:
        """Whose seat it is; None when it is free."""
        status, answer = _call("GET", f"{self._url}/api/shows/{show}/seats/{seat}", None, SEATS_LIMIT_S)
        if status != 200:
            raise Unavailable(f"seats answered {status}")
        holder: str | None = answer["holder"]
        return holder


class Mailer:
    """The client of the mailer."""

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, to: str, text: str) -> bool:
        """Send a mail; False when it could not be handed over."""
        try:
            status, _ = _call("POST", f"{self._url}/send", {"to": to, "text": text}, MAILER_LIMIT_S)
        except Unavailable:
            return False
        return status == 202


def _call(method: str, url: str, value: object, limit_s: float) -> tuple[int, Any]:
    body = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=limit_s) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, None
    except (OSError, ValueError) as error:
        raise Unavailable(f"{method} {url}: {error}") from None
