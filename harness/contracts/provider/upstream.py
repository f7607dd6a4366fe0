"""HTTP with a provider: no redirect is followed, each exchange is over in time, no more of an answer is taken than a limit.

Unlike everybody else's requests (`harness.guard.transport`) these may be malformed, and so may the answers: a contract says so,
or a provider does. What was said is passed on as it came.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from harness.guard import Intake, Limits, TooMuchError, UninvitedError

__all__ = ["Exchanged", "Upstream", "exchange"]

_MAX_BYTES = 5_000_000
_SPARE_S = 5.0


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What came of one request.

    Args:
        headers: as they came, in their order.
        problem: why there is no whole answer; empty when there is one. The rest is then as far as it was known.
    """

    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    problem: str = ""


class Upstream:
    """A connection to a provider, kept open between exchanges where the provider keeps it; a context manager.

    Args:
        base_url: scheme, host and port; what is asked there is given with each request.
        timeout_s: the longest one exchange may take, in seconds; also for an answer that comes byte by byte.
        max_bytes: the most an answer's body may have, as it is sent and inflated.
    """

    def __init__(self, base_url: str, timeout_s: float, max_bytes: int = _MAX_BYTES) -> None:
        parts = urlsplit(base_url)
        self._https, self._host, self._port = parts.scheme == "https", parts.hostname or "127.0.0.1", parts.port
        self._timeout_s, self._max_bytes = timeout_s, max_bytes
        self._open: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def ask(self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes | None) -> Exchanged:
        """Send a request, headers as they are, and read the whole answer.

        Args:
            target: path and query.
        """
        late = threading.Event()
        connection = self._connection()
        # The time-out of a socket starts anew with every byte; this is the limit for all of them together.
        limit = threading.Timer(self._timeout_s, _cut, (connection, late))
        limit.daemon = True
        try:
            if connection.sock is None:
                connection.connect()
            limit.start()
            # Never before the limit for all of it, which knows what had come by then.
            connection.sock.settimeout(self._timeout_s + _SPARE_S)
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return self._read(answer, late)
        except UninvitedError as error:
            return Exchanged(0, problem=str(error))
        except (OSError, ValueError, http.client.HTTPException) as error:
            is_late = late.is_set() or isinstance(error, TimeoutError)
            reason = f"none after {self._timeout_s:g} s" if is_late else str(error) or type(error).__name__
            self.close()
            return Exchanged(0, problem=f"no answer: {reason}")
        finally:
            limit.cancel()

    def _connection(self) -> http.client.HTTPConnection:
        """One that is open still, or a new one: a provider may have closed it since."""
        if self._open is not None and self._open.sock is not None:
            if not select.select([self._open.sock], [], [], 0)[0]:
                return self._open
            self.close()
        self._open = (
            http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=_trusting())
            if self._https
            else http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        )
        return self._open

    def _read(self, answer: http.client.HTTPResponse, late: threading.Event) -> Exchanged:
        headers = tuple(answer.getheaders())
        content = answer.read(self._max_bytes + 1)
        problem = "it ended too early" if answer.length else ""
        problem = (
            f"its body is longer than {self._max_bytes // 1_000_000} MB" if len(content) > self._max_bytes else problem
        )
        problem = f"it was not complete after {self._timeout_s:g} s" if late.is_set() else problem
        problem = problem or self._bomb(content, answer.headers.get("content-encoding", ""))
        if problem:
            self.close()
            problem = f"no whole answer: HTTP {answer.status}, but {problem}"
        return Exchanged(answer.status, answer.reason, headers, content, problem)

    def _bomb(self, content: bytes, encoding: str) -> str:
        """Why a body must not be inflated; it is passed on as it came."""
        if not encoding:
            return ""
        try:
            with Intake(Limits(wire_bytes=self._max_bytes, plain_bytes=self._max_bytes), encoding) as intake:
                intake.take(content)
        except TooMuchError as error:
            return str(error) if "longer" in str(error) else ""
        return ""


@cache
def _trusting() -> ssl.SSLContext:
    """Reading the certificates takes longer than many an exchange."""
    return ssl.create_default_context()


def exchange(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout_s: float
) -> tuple[int, dict[str, str], bytes]:
    """One HTTP exchange; status 0 with the reason as body when no whole answer came.

    Args:
        timeout_s: the longest the whole exchange may take, in seconds; also for an answer that comes byte by byte.
    """
    parts = urlsplit(url)
    given = {k.lower() for k in headers}
    sent = [] if "host" in given else [("Host", parts.netloc.rpartition("@")[2])]
    sent += [] if "accept-encoding" in given else [("Accept-Encoding", "identity")]
    sent += headers.items()
    if "content-length" not in given and (body is not None or method in {"POST", "PUT", "PATCH"}):
        sent.append(("Content-Length", str(len(body or b""))))
    with Upstream(url, timeout_s) as provider:
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        got = provider.ask(method, target, sent, body)
    if got.problem:
        return 0, {}, got.problem.encode()
    return got.status, {k.lower(): v for k, v in got.headers}, got.body


def _cut(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    """End an exchange from outside: whoever reads from its socket sees it end."""
    late.set()
    plain: socket.socket | None = connection.sock
    if plain is not None:
        with suppress(OSError):
            # Not the method of a TLS socket, which would take its session away under the reader.
            socket.socket.shutdown(plain, socket.SHUT_RDWR)
