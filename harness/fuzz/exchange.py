"""Sends with requests, as Schemathesis does, and takes no more of an answer than the limits allow; used by it and by the replay.

Bytes and time are counted where they come off the socket, so that heads, chunk sizes and trailers count as bodies do, and
what comes byte by byte is over in time too.
"""

from __future__ import annotations

import http.client
import io
import threading
from typing import Any

import requests
import requests.adapters
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ReadTimeoutError

from harness.fuzz.failures import TOO_MUCH_HEADER
from harness.guard.limits import ACCEPT_ENCODING, LIMITS, Deadline, Intake, TooMuchError, shape

__all__ = ["AnswerTooLargeError", "LimitedAdapter"]

_HEADER_BYTES = 64_000
_PIECE = 1 << 16
_LIMIT_S = 10.0
_LONGEST_S = 60.0
#: How much of an event stream is looked at when it is taken here.
_STREAM_BYTES, _STREAM_S = 1 << 18, 2.0
_DEFAULT_ENCODINGS = requests.utils.default_headers()["Accept-Encoding"]


class AnswerTooLargeError(requests.exceptions.ConnectionError):
    """An answer went beyond a limit before its head was whole, so there is nothing of it to look at; the text says how."""


class _Meter(threading.local):
    """What the exchange of this thread has cost so far; one begins when a request is sent."""

    def __init__(self) -> None:
        self.begin(_LIMIT_S)

    def begin(self, seconds: float) -> None:
        self.deadline = Deadline(seconds)
        self.wire = 0
        self.told = ""

    def count(self, size: int) -> None:
        self.wire += size
        if self.wire > LIMITS.wire_bytes + _HEADER_BYTES:
            self.told = f"the answer is longer than {LIMITS.wire_bytes / 1e6:g} MB on the wire"
            raise TooMuchError(self.told)


_meter = _Meter()


class _Metered(io.RawIOBase):
    """What comes from a socket, counted, and over in time."""

    def __init__(self, inner: io.RawIOBase, sock: Any) -> None:
        self._inner, self._sock = inner, sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        _meter.deadline.check()
        usual = self._sock.gettimeout()
        left = _meter.deadline.left_s
        self._sock.settimeout(left if usual is None else min(usual, left))
        try:
            size = self._inner.readinto(buffer)
        finally:
            self._sock.settimeout(usual)
        _meter.count(size or 0)
        return size

    def fileno(self) -> int:
        return self._inner.fileno()

    def close(self) -> None:
        self._inner.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: Any, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self.fp = io.BufferedReader(_Metered(self.fp.detach(), sock))


class _Plain(HTTPConnection):
    response_class = _Answer


class _Secure(HTTPSConnection):
    response_class = _Answer


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secure


class LimitedAdapter(requests.adapters.HTTPAdapter):
    """Gives every answer whole and within limits, or says in `TOO_MUCH_HEADER` why not; the time-out is for all of it.

    Event streams are left to whoever reads them, byte by byte within the same limits, unless `whole`.
    """

    whole = False

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        """Have connections made whose answers are counted."""
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        """The same through a proxy."""
        manager = super().proxy_manager_for(proxy, **named)
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
        return manager

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002 - an answer is always taken here
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Send, and take the answer.

        Raises:
            AnswerTooLargeError: when not even its head could be taken.
            requests.RequestException: when no whole answer came, in time or at all.
        """
        if request.headers.get("Accept-Encoding") == _DEFAULT_ENCODINGS:
            request.headers["Accept-Encoding"] = ACCEPT_ENCODING
        _meter.begin(_seconds(timeout))
        try:
            response = super().send(request, True, timeout, verify, cert, proxies)
        except requests.RequestException as error:
            told = _meter.told or _endless_head(error)
            if told:
                raise AnswerTooLargeError(TooMuchError(told), request=request) from None
            raise
        _forget(response)
        if _is_stream(response) and not self.whole:
            return response
        told = _large_head(response) or self._take(response, request)
        if told:
            response.raw.close()
            _mark(response, told)
        return response

    def _take(self, response: requests.Response, request: requests.PreparedRequest) -> str:
        """Read the body; what was too much of it, or nothing."""
        streams = _is_stream(response)
        if streams:
            _meter.deadline = Deadline(min(_meter.deadline.left_s, _STREAM_S))
        body, told = b"", ""
        with Intake(LIMITS, response.headers.get("content-encoding", "")) as intake:
            try:
                for chunk in response.raw.stream(1 if streams else _PIECE, decode_content=False):
                    intake.take(chunk)
                    if streams and _meter.wire > _STREAM_BYTES:
                        break
            except TooMuchError as error:
                told = str(error)
            except (HTTPError, OSError) as error:
                told = _meter.told
                if not told and not streams:
                    raise _broken(error, request) from None
            body = b"" if told else intake.body()
        told = told or _not_to_be_read(response, body)
        response._content = b"" if told else body  # where requests keeps what it has read
        response._content_consumed = True  # type: ignore[attr-defined]  # the same
        return told


def _seconds(timeout: Any) -> float:
    given = timeout[1] if isinstance(timeout, tuple) else timeout
    return min(float(given), _LONGEST_S) if isinstance(given, int | float) and given > 0 else _LIMIT_S


def _is_stream(response: requests.Response) -> bool:
    """Whether it is a stream of events as it is read piece by piece; a compressed one is taken like any answer."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "text/event-stream" and not response.headers.get("content-encoding")


def _forget(response: requests.Response) -> None:
    for headers in (response.headers, response.raw.headers):
        headers.pop(TOO_MUCH_HEADER, None)


def _mark(response: requests.Response, told: str) -> None:
    response._content, response._content_consumed = b"", True  # type: ignore[attr-defined]  # as above
    for headers in (response.headers, response.raw.headers):
        headers[TOO_MUCH_HEADER] = told


def _large_head(response: requests.Response) -> str:
    """What is wrong with the size of the headers, which are cut then; nothing when they are in order."""
    size = sum(len(name) + len(value) for name, value in response.raw.headers.items())
    if size <= _HEADER_BYTES:
        return ""
    for headers in (response.headers, response.raw.headers):
        for name in [n for n in headers if n.lower() not in {"content-type", "date"}]:
            del headers[name]
    return f"the headers of the answer are {size / 1000:.0f} kB, the limit is {_HEADER_BYTES / 1000:.0f} kB"


def _not_to_be_read(response: requests.Response, body: bytes) -> str:
    """Why a body must not be parsed; nothing when it may."""
    kind = response.headers.get("content-type", "").lower()
    if "json" not in kind and body[:64].lstrip()[:1] not in {b"[", b"{"}:
        return ""
    values = body.count(b",") + body.count(b"[") + body.count(b"{")
    if values > LIMITS.values:
        return f"the answer is JSON of more than {LIMITS.values:,} values"
    if shape(body, LIMITS)[0] > LIMITS.depth:
        return f"the answer is JSON that nests deeper than {LIMITS.depth}"
    return ""


def _broken(error: Exception, request: requests.PreparedRequest) -> requests.RequestException:
    if isinstance(error, TimeoutError | ReadTimeoutError) or isinstance(error.__cause__, TimeoutError):
        # In the words of urllib3: Schemathesis looks for the number in them.
        said = TimeoutError(f"Read timed out. (read timeout={_meter.deadline.seconds:g})")
        return requests.exceptions.ReadTimeout(said, request=request)
    return requests.exceptions.ChunkedEncodingError(error, request=request)


def _endless_head(error: BaseException) -> str:
    """What http.client found too long in a head; nothing when it was something else."""
    cause: BaseException | None = error
    while cause is not None:
        said = str(cause)
        if isinstance(cause, http.client.LineTooLong):
            return "a line of the head of the answer is longer than 64 kB"
        if isinstance(cause, http.client.HTTPException) and said.startswith("got more than"):
            return f"the head of the answer is too long: {said}"
        cause = cause.__cause__ or cause.__context__
    return ""
