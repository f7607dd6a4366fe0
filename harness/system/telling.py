"""A child's side: sees what its requests carry in confidence, whatever client sends them, and tells whoever started it.

The values go into a pipe (`channel`) and nowhere else: nothing is written down, and nothing is left when the processes end.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from harness.evidence.credentials import Bounded, Credentials

__all__ = ["CHANNEL_VARIABLE", "Sent", "spare_names", "tell_what_is_sent", "watch_geventhttpclient"]

CHANNEL_VARIABLE = "HARNESS_CONFIDENTIAL"
#: A longer value is told in pieces: a short write into a pipe is never mixed with another's.
_PIECE = 2_000
#: How many pieces of requests are kept in mind as seen already.
_MOST_SEEN = 4_096
_SHORT = 4_096
#: Of a longer piece only so much is looked through.
_LONGEST = 256_000
_HEAD = re.compile(rb"[A-Z]{3,16} (\S+) HTTP/1\.\d\r\n")
#: UUIDs (RFC 9562, 4).
_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ID_DASHES = 4
_DIGITS = bytes.maketrans(b"0123456789", b"0" * 10)
_CHUNK = re.compile(rb"[0-9a-fA-F]{1,8}\r\n")
_TRACE = b"traceparent: "
#: A trace's header (W3C Trace Context, 3.2) is another in every request, and of this length.
_TRACE_LENGTH = 55
_DULL = frozenset(
    {
        b"host",
        b"accept",
        b"accept-encoding",
        b"traceparent",
        b"user-agent",
        b"connection",
        b"content-length",
        b"baggage",
    }
)


class Sent:
    """Looks through requests, each piece that was seen before in one look-up.

    Args:
        tell: takes each name and value.
    """

    def __init__(self, find: Credentials, tell: Callable[[str, str], object]) -> None:
        self._find = find
        self._seen = _Seen()
        #: Targets and bodies without a secret name, whatever numbers stand in them.
        self._harmless = _Seen()
        #: Headers of which so many values are told that no more will be.
        self._closed: set[bytes] = set()
        self.told = Bounded(tell)

    def piece(self, data: bytes) -> None:
        """A piece of a request as it is sent: its head, its body, or both."""
        before, mark, after = data.partition(_TRACE)
        after = after[_TRACE_LENGTH:]
        if mark and not after.startswith(b"\r\n"):
            before, after = data, b""
        if (
            after in self._seen.pieces and (before in self._seen.pieces or self._is_harmless(before))
        ) or self.told.full:
            return
        head = _HEAD.match(data)
        if head is None:
            self.body(data)
            return
        lines, _, body = data[head.end() :].partition(b"\r\n\r\n")
        self.head(head[1], self._headers(lines))
        if body:
            self.body(body)
        self._seen.keep(after)
        if not self._is_harmless(before):
            self._seen.keep(before)
            self._judge(before)

    def _is_harmless(self, data: bytes) -> bool:
        return _shape(data) in self._harmless.pieces

    def _judge(self, data: bytes) -> None:
        shape = _shape(data)
        if not self._find.may_hold(_text(shape)):
            self._harmless.keep(shape)

    def _headers(self, lines: bytes) -> Iterator[tuple[bytes, bytes]]:
        for line in lines.split(b"\r\n"):
            if line not in self._seen.pieces:
                name, _, value = line.partition(b":")
                if name.lower() not in _DULL and name not in self._closed:
                    self._seen.keep(line)
                    yield name, value

    def head(self, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """What a request asks for, and its headers."""
        if target not in self._seen.pieces and not self._is_harmless(target):
            self._seen.keep(target)
            self._judge(target)
            self.told.take(self._find.of_target(_text(target)))
        for name, value in headers:
            self.told.take(self._find.of_headers([(_text(name), _text(value))]))
            if not self.told.has_room(_text(name)):
                self._closed.add(name)

    def body(self, data: bytes) -> None:
        """A body, or a part of one."""
        data = data[:_LONGEST]
        if data in self._seen.pieces or self._is_harmless(data):
            return
        self._seen.keep(data)
        self._judge(data)
        chunk = _CHUNK.match(data)
        self.told.take(self._find.of_body(_text(data[chunk.end() :] if chunk else data)))


class _Seen:
    """Pieces of requests that were seen already, as many as are worth the memory."""

    def __init__(self) -> None:
        self.pieces: set[bytes] = {b""}

    def keep(self, piece: bytes) -> None:
        if len(piece) > _SHORT:
            return
        if len(self.pieces) >= _MOST_SEEN:
            self.pieces.clear()
            self.pieces.add(b"")
        self.pieces.add(piece)


def _shape(data: bytes) -> bytes:
    """What is left when numbers and ids are taken for one another; no name is made of these alone."""
    return (_ID.sub(b"0", data) if data.count(b"-") >= _ID_DASHES else data).translate(_DIGITS)


def _text(data: bytes) -> str:
    try:
        return bytes(data).decode()
    except UnicodeDecodeError:
        return bytes(data).decode("latin-1")


class _Pipe:
    """The writing end: what does not fit now is written with what comes next, as nobody may be held up."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._waiting = b""
        self._one_at_a_time = threading.Lock()
        os.set_inheritable(handle, False)
        os.set_blocking(handle, False)

    def tell(self, name: str, value: str) -> None:
        pieces = [value[at : at + _PIECE] for at in range(0, len(value), _PIECE)]
        lines = "".join(f"{json.dumps([name[-60:], piece])}\n" for piece in pieces)
        with self._one_at_a_time, suppress(OSError):  # full, or nobody listens any more
            self._waiting += lines.encode()
            self._waiting = self._waiting[os.write(self._handle, self._waiting) :]


_sent: Sent | None = None


def tell_what_is_sent() -> None:
    """Tell whoever started this process what it sends in confidence, from now on; does nothing when nobody wants to know."""
    global _sent  # noqa: PLW0603 - a process has one
    asked = os.environ.pop(CHANNEL_VARIABLE, "")
    if not asked:
        return
    told = json.loads(asked)
    sent = _sent = Sent(Credentials(frozenset(told["names"])), _Pipe(told["pipe"]).tell)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "http.client.send":  # urllib, urllib3, requests
            with suppress(Exception):  # what cannot be looked through is sent all the same
                sent.piece(bytes(arguments[1][:_LONGEST]))

    sys.addaudithook(hook)
    _watch_h11(sent)


def spare_names(names: Iterable[str]) -> None:
    """Never tell of these as values: names of journeys, say, which reports are about."""
    if _sent is not None:
        _sent.told.spare(names)


def _watch_h11(sent: Sent) -> None:
    """See what httpx sends, with the cookies it adds."""
    import h11

    original = h11.Connection.send_with_data_passthrough

    def watched(self: h11.Connection, event: Any) -> Any:
        if self.our_role is h11.CLIENT:
            with suppress(Exception):  # as above
                if isinstance(event, h11.Request):
                    sent.head(bytes(event.target), event.headers)
                elif isinstance(event, h11.Data):
                    sent.body(bytes(event.data[:_LONGEST]))
        return original(self, event)

    h11.Connection.send_with_data_passthrough = watched  # type: ignore[method-assign]  # seen, not changed


def watch_geventhttpclient() -> None:
    """See what Locust's fast client sends, too: it makes its requests by itself."""
    from geventhttpclient.client import HTTPClient

    sent, original = _sent, HTTPClient._build_request
    if sent is None:
        return

    def watched(self: Any, *arguments: Any, **named: Any) -> Any:
        head = original(self, *arguments, **named)
        with suppress(Exception):  # as above
            sent.piece(head.encode("latin-1"))
            body = named.get("body")
            if isinstance(body, bytes) and body:
                sent.body(body)
        return head

    HTTPClient._build_request = watched  # type: ignore[method-assign]  # seen, not changed
