"""The one way an HTTP request of ours leaves: only where it was invited, over in time, no more of the answer than is allowed.

Everybody who talks HTTP with httpx does so through `GuardedTransport`. What other clients send (Locust's users, Schemathesis,
a project's own code) is held back in `sockets`, where connections are made.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit, urlunsplit

import httpcore
import httpx

from harness.guard.limits import ACCEPT_ENCODING, LIMITS, Deadline, Intake, Limits
from harness.guard.places import Invitation, Place, UninvitedError, is_loopback, refusal

__all__ = ["GuardedTransport", "deadline"]

_CONNECT_S = 10.0
_NO_BODY = {"content-encoding", "content-length", "transfer-encoding"}
_now = threading.local()


@contextmanager
def deadline(seconds: float) -> Iterator[Deadline]:
    """Have every request of this thread, within the block, be over by then: also its head, also byte by byte."""
    before = getattr(_now, "deadline", None)
    _now.deadline = made = Deadline(seconds)
    try:
        yield made
    finally:
        _now.deadline = before


def _left(limit_s: float | None) -> float | None:
    """The shorter of a limit for one operation and what is left of the time for all of them.

    Raises:
        TimeoutError: when nothing is left.
    """
    given: Deadline | None = getattr(_now, "deadline", None)
    if given is None:
        return limit_s
    given.check()
    return given.left_s if limit_s is None else min(limit_s, given.left_s)


class _Stream(httpcore.NetworkStream):
    """A connection whose every operation ends with the time for all of them."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return self._inner.read(max_bytes, _left(timeout))
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self._inner.write(buffer, _left(timeout))
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from None

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout)))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from None

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Makes connections, to invited places only."""

    def __init__(self, invitation: Invitation) -> None:
        self.invitation = invitation
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        if not self.invitation.allows(host, port):
            raise UninvitedError(refusal(Place(host, port)))
        try:
            limit_s = _left(_CONNECT_S if timeout is None else min(timeout, _CONNECT_S))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from None
        address = _resolved(host, port)
        return _Stream(
            self._inner.connect_tcp(
                address, port, timeout=limit_s, local_address=local_address, socket_options=socket_options
            )
        )


def _resolved(host: str, port: int) -> str:
    """The address to connect to: a name of the loopback interface has to be there, whatever a resolver says."""
    if not is_loopback(host):
        return host
    try:
        found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except OSError:
        return host
    strangers = [a for a in found if not is_loopback(a)]
    if strangers:
        raise UninvitedError(f"{host} resolves to {strangers[0]}, which is not on this machine: no request goes there")
    return host


@cache
def _ssl_context() -> ssl.SSLContext:
    """One for all: reading the certificates takes longer than many an exchange."""
    return httpx.create_ssl_context()


def _behind(proxy: str, backend: _Backend, connections: int) -> httpcore.HTTPProxy:
    parts = urlsplit(proxy)
    credentials = (unquote(parts.username or ""), unquote(parts.password or "")) if parts.username else None
    return httpcore.HTTPProxy(
        urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", "")),
        proxy_auth=credentials,
        ssl_context=_ssl_context(),
        proxy_ssl_context=_ssl_context() if parts.scheme == "https" else None,
        max_connections=None,
        max_keepalive_connections=connections,
        network_backend=backend,
    )


class GuardedTransport(httpx.BaseTransport):
    """Sends requests of httpx clients; may be used by several threads at once.

    The read time-out of a request is the time for its whole exchange. An answer comes back whole, inflated and within limits;
    redirects are not followed, and a proxy is asked only when it is given.

    Args:
        invitation: where requests may go.
        connections: how many are kept open for each service.
        proxy: URL of a proxy that carries everything, for who is not under test (a broker, say); empty for none.
    """

    def __init__(self, invitation: Invitation, limits: Limits = LIMITS, connections: int = 10, proxy: str = "") -> None:
        self._invitation, self._limits = invitation, limits
        backend = _Backend(invitation.and_to([proxy]))
        self._pool: httpcore.ConnectionPool = (
            _behind(proxy, backend, connections)
            if proxy
            else httpcore.ConnectionPool(
                ssl_context=_ssl_context(),
                max_connections=None,
                max_keepalive_connections=connections,
                network_backend=backend,
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections."""
        self._pool.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            UninvitedError: when it would go where nobody invited it; nothing is sent then.
            TooMuchError: when the answer goes beyond a limit.
            httpx.TransportError: when no whole answer came, in time or at all.
        """
        self._invitation.check(str(request.url.copy_with(query=None)))
        request.headers.setdefault("accept-encoding", ACCEPT_ENCODING)
        limits_s = request.extensions.get("timeout", {})
        assert isinstance(request.stream, httpx.SyncByteStream)
        asked = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        total_s = limits_s.get("read")
        with _mapped():
            if total_s is None:
                return self._exchange(asked, request)
            with deadline(total_s):
                return self._exchange(asked, request)

    def _exchange(self, asked: httpcore.Request, request: httpx.Request) -> httpx.Response:
        answer = self._pool.handle_request(asked)
        headers = httpx.Headers(answer.headers)
        try:
            with Intake(self._limits, headers.get("content-encoding", "")) as intake:
                assert isinstance(answer.stream, Iterable)
                for chunk in answer.stream:
                    intake.take(chunk)
                body, inflated = intake.body(), intake.inflated
            _nothing_behind(answer)
        finally:
            with suppress(httpcore.NetworkError, httpcore.TimeoutException):
                answer.close()
        # The body is inflated and whole, so what says otherwise must not be believed again; an unknown encoding stays named.
        told = [(k, v) for k, v in headers.raw if k.lower().decode("ascii", "replace") not in _NO_BODY]
        if not inflated and "content-encoding" in headers:
            told.append((b"x-content-encoding", headers["content-encoding"].encode("ascii", "replace")))
        return httpx.Response(answer.status, headers=told, content=body, request=request, extensions=answer.extensions)


def _nothing_behind(answer: httpcore.Response) -> None:
    """Make sure that nothing came behind the end of an answer: the next one on this connection would begin with it.

    Raises:
        httpcore.RemoteProtocolError: when something did; the connection is not used again.
    """
    connection: Any = getattr(getattr(answer.stream, "_stream", None), "_connection", None)
    behind, _ = connection._h11_state.trailing_data if hasattr(connection, "_h11_state") else (b"", False)
    if behind:
        answer.extensions["network_stream"].close()
        raise httpcore.RemoteProtocolError(f"{len(behind)} bytes came behind the end of the answer: {behind[:60]!r}")


@contextmanager
def _mapped() -> Iterator[None]:
    """Raise what httpcore raises as the error of the same name of httpx."""
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.UnsupportedProtocol,
    ) as error:
        kind: type[Exception] = getattr(httpx, type(error).__name__, httpx.TransportError)
        raise kind(str(error)) from error
