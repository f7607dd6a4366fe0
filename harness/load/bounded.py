"""Takes the answers of Locust's own users within limits, also of time; nothing else about them is changed.

Locust reads an answer whole before a task sees it: one without an end, or a small one that inflates to a large one, would
fill the memory of the machine that makes the load, and one that never comes would never be counted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import gevent.socket
from geventhttpclient.response import HTTPSocketResponse
from geventhttpclient.useragent import CompatResponse
from locust.clients import LocustHttpAdapter
from locust.contrib.fasthttp import LocustUserAgent
from requests import PreparedRequest, Response
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ReadTimeout
from requests.utils import default_headers
from urllib3.exceptions import HTTPError

from harness.guard.limits import ACCEPT_ENCODING, LIMITS, Intake, TooMuchError
from harness.load.seen import TIMEOUT_VARIABLE

__all__ = ["bound_answers"]

_PIECE = 1 << 16
_USUAL = default_headers()["Accept-Encoding"]
#: Bytes until the head of an answer is over, its interim ones included, and bytes of all of it, chunks' sizes included.
_HEAD, _ALL = 1_000_000, 2 * LIMITS.wire_bytes
_INTERIM = (
    "an interim answer ({}), which this client takes for the whole one; FastHttpUser waits for what comes after it"
)
#: After so many pieces in a row others have their turn: who sends without a pause would stop every clock.
_TURN = 32


def bound_answers() -> None:
    """Have every answer that Locust's users are given from now on taken within limits."""
    limit_s = float(os.environ.get(TIMEOUT_VARIABLE, "10"))
    _take_turns()
    _bound_requests(limit_s)
    _bound_geventhttpclient(limit_s)


@contextmanager
def _within(left_s: float, limit_s: float) -> Iterator[None]:
    """End what is done within the block when its time is over.

    Raises:
        TimeoutError: then.
    """
    timeout = gevent.Timeout(max(left_s, 0.001))
    try:
        with timeout:
            yield
    except gevent.Timeout as ended:
        if ended is not timeout:
            raise
        raise TimeoutError(f"no whole answer within {limit_s:g} s") from None


def _take_turns() -> None:
    """A socket that always has something to read never lets go of the one thread there is."""
    for name in ("recv", "recv_into"):
        setattr(gevent.socket.socket, name, _with_turns(getattr(gevent.socket.socket, name)))


def _with_turns(original: Callable[..., Any]) -> Callable[..., Any]:
    done = 0

    def reading(self: Any, *arguments: Any, **named: Any) -> Any:
        nonlocal done
        done += 1
        if done % _TURN == 0:
            gevent.sleep(0)
        return original(self, *arguments, **named)

    return reading


def _bound_requests(limit_s: float) -> None:
    original = LocustHttpAdapter.send

    def send(self: Any, request: PreparedRequest, stream: bool = False, **named: Any) -> Response:
        # What cannot be inflated a piece at a time is not asked for.
        if request.headers.get("Accept-Encoding") == _USUAL:
            request.headers["Accept-Encoding"] = ACCEPT_ENCODING
        try:
            with _within(limit_s, limit_s):
                response: Response = original(self, request, stream=True, **named)
                if response.status_code < 200:
                    response.raw.close()
                    raise RequestsConnectionError(_INTERIM.format(response.status_code), request=request)
                if not stream:
                    _take(response, request)
        except TimeoutError as error:
            raise ReadTimeout(error, request=request) from None
        return response

    LocustHttpAdapter.send = send  # type: ignore[method-assign, assignment]  # the same, and less of an answer


def _take(response: Response, request: PreparedRequest) -> None:
    try:
        with Intake(encoding=response.headers.get("content-encoding", "")) as intake:
            for piece in response.raw.stream(_PIECE, decode_content=False):
                intake.take(piece)
            response._content = intake.body()  # where requests keeps what it has read
            response._content_consumed = True  # type: ignore[attr-defined]  # the same
    except (OSError, HTTPError) as error:  # what requests makes of urllib3's errors when it reads by itself
        raise RequestsConnectionError(error, request=request) from None
    finally:
        if not response._content_consumed:  # type: ignore[attr-defined]  # what is left of it is nobody's next answer
            response.raw.close()


def _bound_geventhttpclient(limit_s: float) -> None:
    ask, feed = LocustUserAgent._urlopen, HTTPSocketResponse.feed

    def urlopen(self: Any, request: Any) -> Any:
        begun = time.monotonic()
        with _within(limit_s, limit_s):
            answer = ask(self, request)  # type: ignore[no-untyped-call]  # Locust's client carries no types
        answer._begun = begun
        return answer

    def content(self: Any) -> bytes:
        named = self.headers.getlist("content-encoding") if "content-encoding" in self.headers else []
        left_s = limit_s - (time.monotonic() - getattr(self, "_begun", time.monotonic()))
        try:
            with _within(left_s, limit_s), Intake(encoding=named[0] if named else "") as intake:
                while piece := self._response.read(_PIECE):
                    intake.take(bytes(piece))
                return intake.body()
        except (TooMuchError, TimeoutError):
            self.release()
            raise

    def fed(self: Any, data: Any) -> None:
        self._fed = getattr(self, "_fed", 0) + len(data)
        over = self.headers_complete and self.get_code() >= 200
        if self._fed > (_ALL if over else _HEAD):
            raise TooMuchError(f"an answer {'' if over else 'whose head is '}longer than {_shown(over)}")
        feed(self, data)

    LocustUserAgent._urlopen = urlopen  # type: ignore[method-assign]  # the same, within its time
    CompatResponse._content = content  # type: ignore[method-assign]  # the same, and less of it
    HTTPSocketResponse.feed = fed  # type: ignore[method-assign]  # the same


def _shown(over: bool) -> str:
    return f"{(_ALL if over else _HEAD) / 1_000_000:g} MB"
