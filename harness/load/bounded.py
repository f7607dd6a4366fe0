"""Takes the answers of Locust's own users within limits; nothing else about them is changed.

Locust reads an answer whole before a task sees it: one without an end, or a small one that inflates to a large one, would
fill the memory of the machine that makes the load.
"""

from __future__ import annotations

from typing import Any

from geventhttpclient.useragent import CompatResponse
from locust.clients import LocustHttpAdapter
from requests import PreparedRequest, Response
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.utils import default_headers

from harness.guard.limits import ACCEPT_ENCODING, Intake, TooMuchError

__all__ = ["bound_answers"]

_PIECE = 1 << 16
_USUAL = default_headers()["Accept-Encoding"]


def bound_answers() -> None:
    """Have every answer that Locust's users are given from now on taken within limits."""
    _bound_requests()
    _bound_geventhttpclient()


def _bound_requests() -> None:
    original = LocustHttpAdapter.send

    def send(self: Any, request: PreparedRequest, stream: bool = False, **named: Any) -> Response:
        if (
            request.headers.get("Accept-Encoding") == _USUAL
        ):  # what cannot be inflated a piece at a time is not asked for
            request.headers["Accept-Encoding"] = ACCEPT_ENCODING
        response: Response = original(self, request, stream=True, **named)
        if not stream:
            _take(response, request)
        return response

    LocustHttpAdapter.send = send  # type: ignore[method-assign, assignment]  # the same, and less of an answer


def _take(response: Response, request: PreparedRequest) -> None:
    try:
        with Intake(encoding=response.headers.get("content-encoding", "")) as intake:
            for piece in response.raw.stream(_PIECE, decode_content=False):
                intake.take(piece)
            response._content = intake.body()  # where requests keeps what it has read
            response._content_consumed = True  # type: ignore[attr-defined]  # the same
    except TooMuchError as error:
        response.raw.close()
        raise RequestsConnectionError(error, request=request) from None


def _bound_geventhttpclient() -> None:
    def content(self: Any) -> bytes:
        named = self.headers.getlist("content-encoding") if "content-encoding" in self.headers else []
        with Intake(encoding=named[0] if named else "") as intake:
            try:
                while piece := self._response.read(_PIECE):
                    intake.take(bytes(piece))
            except TooMuchError:
                self.release()
                raise
            return intake.body()

    CompatResponse._content = content  # type: ignore[method-assign]  # the same, and less of it
